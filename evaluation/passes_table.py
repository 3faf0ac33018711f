"""Writes `configs/passes.json`: what a pass through each known network costs, counted on its architecture without weights.

Run it where a network or a way of passing through one has changed; a test counts the small ones again.

    python evaluation/passes_table.py --write
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from passes_count import count_encoder, count_segmenter

from medkt.models.biomedclip import BiomedClip, BiomedClipEncoder, BiomedClipSize
from medkt.models.clip import SIZES, ClipEncoder, build_clip
from medkt.models.dual import spec_of
from medkt.models.medclip import MedClipEncoder, MedClipSize, build_medclip
from medkt.models.records import ModelRecord, records
from medkt.models.sam_parts import sam_model_registry
from medkt.models.small import load_small, load_small_segmenter
from medkt.models.wordpiece import read_word_pieces

FILE = Path(__file__).resolve().parents[1] / "configs" / "passes.json"


def encoder_of(record: ModelRecord, folder: Path) -> Any:
    """The architecture of an encoder on the device "meta"."""
    if record.family == "small":
        return load_small("meta")
    with torch.device("meta"):
        if record.family == "clip":
            module: Any = build_clip(SIZES[record.architecture], record.input_size, record.text_length)
            return ClipEncoder(_still(module), spec_of(record, ""), record.grid)
        if record.family == "biomedclip":
            module = _still(BiomedClip(BiomedClipSize(), record.input_size))
            return BiomedClipEncoder(module, spec_of(record, ""), record.grid, _words(folder))
        module = _still(build_medclip(record.family, MedClipSize()))
        return MedClipEncoder(module, spec_of(record, ""), record.grid, _words(folder), "padded")


def segmenter_of(record: ModelRecord) -> Any:
    """The architecture of a segmenter on the device "meta"."""
    if record.family == "small":
        return _still(load_small_segmenter("meta"))
    with torch.device("meta"):
        return _still(sam_model_registry[record.architecture](checkpoint=None))


def _still(module: Any) -> Any:
    return module.eval().requires_grad_(False)


def _words(folder: Path) -> Any:
    """Word pieces of which every word of the counted text is one."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{k}" for k in range(20))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return read_word_pieces(folder, 256, len(words))


def plain(value: Any) -> Any:
    """As JSON: a pass is [operations, bytes]."""
    if isinstance(value, dict) and set(value) == {"flops", "bytes"}:
        return [round(value["flops"]), round(value["bytes"])]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def text_of(table: dict[str, dict[str, Any]]) -> str:
    """The file: a line for each entry of a model."""
    kinds = []
    for kind, models in table.items():
        rows = []
        for name, entry in models.items():
            lines = ",\n".join(f"      {json.dumps(key)}: {json.dumps(value)}" for key, value in entry.items())
            rows.append(f"    {json.dumps(name)}: {{\n{lines}\n    }}")
        kinds.append(f"  {json.dumps(kind)}: {{\n" + ",\n".join(rows) + "\n  }")
    return "{\n" + ",\n".join(kinds) + "\n}\n"


def main() -> None:
    """Count, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    arguments = parser.parse_args()
    table: dict[str, dict[str, Any]] = {"encoders": {}, "segmenters": {}}
    with tempfile.TemporaryDirectory() as name:
        for record in records("encoder").values():
            encoder = encoder_of(record, Path(name))
            encoder.module.requires_grad_(False)
            tower = {"biomedclip": "text", "medclip-swin": "text_model", "medclip-resnet": "text_model"}.get(
                record.family
            )
            if tower:  # BERT asks whether all of a mask is set, which "meta" cannot say
                for buffer in encoder.module.get_submodule(tower).to_empty(device="cpu").buffers():
                    buffer.zero_()
            texts_on = torch.device("cpu") if tower else None
            table["encoders"][record.name] = plain(asdict(count_encoder(encoder, texts_on=texts_on)))
            print(record.name, flush=True)
    for record in records("segmenter").values():
        table["segmenters"][record.name] = plain(asdict(count_segmenter(segmenter_of(record))))
        print(record.name, flush=True)
    if arguments.write:
        FILE.write_text(text_of(table), encoding="utf-8")


if __name__ == "__main__":
    main()
