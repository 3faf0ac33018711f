"""An inversion as files: the floats, a PNG of each image, the contact sheet, and a record of how it was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image as Pillow
from safetensors.torch import save

from medkt.errors import OutputError
from medkt.inversion.cache import ALGORITHM
from medkt.inversion.invert import InvertedImages
from medkt.inversion.noise import text_digest
from medkt.inversion.sheet import contact_sheet
from medkt.io.atomic import write_atomically
from medkt.records import RecordForm, as_plain

RECORD = "inversion.json"
"""Written last: a folder that has it is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedText:
    """The images of one text.

    Attributes:
        text, text_sha256: the text, and its digest.
        similarity: of each image to it.
        curve: the mean similarity by step, as far as it went.
        files: the PNG of each image.
    """

    text: str
    text_sha256: str
    similarity: tuple[float, ...]
    curve: tuple[float, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InversionRecord:
    """How images were made from texts.

    Attributes:
        algorithm: rises where the same settings and seed would give other images.
        encoder: its name, digests and licence.
        settings: that were used.
        preset: whose they are; "" for none.
        sources: where each value is from.
        as_published: how they stand to a published way; None where none was asked for.
        seed, first_image: of the random numbers, and the number of the first image.
        seconds: that it took.
        texts: one after the other.
    """

    algorithm: int
    encoder: Mapping[str, str]
    settings: Mapping[str, Any]
    preset: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    as_published: Mapping[str, Any] | None = None
    seed: int
    first_image: int
    seconds: float
    texts: tuple[InvertedText, ...]


FORM = RecordForm(
    kind=InversionRecord, name="inversion", number=1, unnamed=1, more=True, writer="medkt invert", again="invert again"
)


def write_inversion(
    found: InvertedImages,
    folder: Path,
    *,
    encoder: Mapping[str, str],
    overwrite: bool = False,
    preset: str = "",
    sources: Mapping[str, str] | None = None,
    as_published: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Write `images.safetensors`, `<text>_<image>.png`, `sheet.png` and, last, `inversion.json`; its content is returned.

    Grey images become 16-bit PNG, colour ones 8-bit, both without any stretch; the floats are exact in
    `images.safetensors`, (texts, images, 3, side, side).

    Args:
        found: what was made.
        folder: made if absent.
        encoder: what the record says of it, such as its name and digest.
        overwrite: replace an earlier inversion there.
        preset: whose settings were used or changed; "" for none.
        sources: where its values are from (`medkt.config.sources_of`).
        as_published: how they stand to a published way; None where none was asked for.

    Raises:
        OutputError: an inversion is there already, or the folder cannot be written.
    """
    if (folder / RECORD).exists() and not overwrite:
        raise OutputError(f"{folder}: holds an inversion already; choose another folder or say --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    pixels = found.pixels.cpu()
    _put(
        folder / "images.safetensors",
        save({"pixels": pixels.contiguous(), "similarity": found.similarity.contiguous()}),
    )
    entries = []
    for index, text in enumerate(found.texts):
        names = [f"{index + 1:03d}_{found.first + image + 1:03d}.png" for image in range(pixels.shape[1])]
        for name, image in zip(names, pixels[index].numpy(), strict=True):
            _put(folder / name, as_png(image))
        similarity, curve = (tuple(one[index].tolist()) for one in (found.similarity, found.curves))
        entries.append(
            InvertedText(
                text=text, text_sha256=text_digest(text), similarity=similarity, curve=curve, files=tuple(names)
            )
        )
    _put(folder / "sheet.png", contact_sheet(found))
    record = InversionRecord(
        algorithm=ALGORITHM, encoder=encoder, settings=as_plain(found.settings), preset=preset, sources=sources or {},
        as_published=as_published or None, seed=found.seed, first_image=found.first, seconds=round(found.seconds, 3),
        texts=tuple(entries),
    )  # fmt: skip
    content = json.dumps(FORM.write(record), indent=2, allow_nan=False) + "\n"
    _put(folder / RECORD, content.encode())
    as_read: Mapping[str, Any] = json.loads(content)
    return as_read


def as_png(image: Float[NDArray[Any], "3 rows columns"]) -> bytes:
    """An image in [0, 1] as PNG: 16-bit grey where its channels are equal, 8-bit colour otherwise; never stretched."""
    buffer = BytesIO()
    if np.array_equal(image[0], image[1]) and np.array_equal(image[0], image[2]):
        Pillow.fromarray(np.rint(image[0] * 65535).astype(np.uint16)).save(buffer, format="PNG")
    else:
        Pillow.fromarray(np.rint(image.transpose(1, 2, 0) * 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
