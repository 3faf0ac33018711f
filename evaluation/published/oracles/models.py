"""The small models that the frozen numbers were made with, loaded as a user's files are."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medkt.models.biomedclip import BiomedClipSize, load_biomedclip
from medkt.models.clip import ClipSize, load_clip
from medkt.models.encoder import DualEncoder
from medkt.models.records import record_of

CLIP = ClipSize(
    embedding=24, patch=32, width=64, layers=11, text_width=16, text_heads=1, text_layers=10, quick_gelu=True
)
BIOMEDCLIP = BiomedClipSize(width=32, heads=2, layers=12, embedding=24)


def clip(folder: Path) -> DualEncoder:
    """The small CLIP."""
    return load_clip(folder / "tiny_clip.safetensors", record_of("clip-vit-b-32"), size=CLIP)


@contextmanager
def biomedclip(folder: Path) -> Iterator[DualEncoder]:
    """The small BiomedCLIP, from a folder that has the published tokenizer beside the weights."""
    data = Path(os.environ.get("MEDKT_DATA", folder.parent / "data"))
    with tempfile.TemporaryDirectory() as place:
        weights = Path(shutil.copy(folder / "tiny_biomedclip.safetensors", place))
        shutil.copy(data / "text/tokenizers/biomedclip/tokenizer.json", place)
        yield load_biomedclip(weights, record_of("biomedclip"), size=BIOMEDCLIP)
