"""Every table of the small model, as JSON and as Markdown."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medkt.models.sam_parts import Sam
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.finding import DOMAINS
from small_model.real_images import read_real
from small_model.segmenter_tables import Dice, phantom_dice, real_dice
from small_model.tables import REAL_TASKS, Share, chance, dense_contrast, real_zero_shot, zero_shot

Table = Mapping[str, Mapping[str, Any]]
SEED = 20_000
"""Of the validation phantoms; training draws its planes from other streams."""


def evaluate(encoder: SmallEncoder, sam: Sam | None, *, each: int, data: Path | None, out: Path) -> str:
    """Write `out/tables.json` and `out/tables.md`; returns the Markdown."""
    tables: dict[str, Table] = {
        f"Zero-shot accuracy on phantoms ({each} of each finding)": zero_shot(encoder, each=each, seed=SEED),
        "Area under the ROC curve of the dense map, patch by patch": dense_contrast(
            encoder, each=max(1, each // 4), seed=SEED + 1
        ),
    }
    reals = list(read_real(data, "validate")) if data is not None else []
    if reals:
        tables["Zero-shot accuracy on real validation images"] = real_zero_shot(encoder, reals)
    if sam is not None:
        tables["Dice of the segmenter on phantoms"] = phantom_dice(sam, each=max(1, each // 4), seed=SEED + 2)
        if reals:
            tables["Dice of the segmenter on real validation images"] = real_dice(sam, reals, seed=SEED)
    text = _markdown(tables, encoder.spec.digest)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables.md").write_text(text, encoding="utf-8")
    (out / "tables.json").write_text(
        json.dumps(_plain(tables, encoder.spec.digest), indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    return text


def _plain(tables: Mapping[str, Table], digest: str) -> dict[str, Any]:
    def cell(value: Any) -> Any:
        if isinstance(value, Share):
            return {**asdict(value), "share": value.value, "interval_95": value.interval}
        return asdict(value) if isinstance(value, Dice) else value

    made = {n: {r: {c: cell(v) for c, v in row.items()} for r, row in t.items()} for n, t in tables.items()}
    return {"encoder_sha256": digest, "tables": made}


def _markdown(tables: Mapping[str, Table], digest: str) -> str:
    lines = ["# The small model, measured", "", f"Encoder weights `{digest[:16]}`. Made by `python evaluation/small_model evaluate`.",
             "Intervals are Wilson's, 95 %. A held-out finding was never drawn in training, nor any lesion of its shape,",
             "intensity and texture in its domain, nor its name written. By description: test captions whose sentence",
             "frames training never used, the mean of five; by one caption: the first of them. All choices are among",
             "all findings of the domain (chance: "
             + ", ".join(f"{d} {100 * chance(d):.1f} %" for d in DOMAINS) + ").", ""]  # fmt: skip
    for name, table in tables.items():
        lines += [f"## {name}", ""]
        if "real validation images" in name and "Zero-shot" in name:
            lines += _real_tasks(table)
            continue
        columns = list(dict.fromkeys(c for row in table.values() for c in row))
        lines += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for row, cells in table.items():
            lines.append(f"| {row} | " + " | ".join(_cell(cells.get(c, "-")) for c in columns) + " |")
        lines.append("")
    return "\n".join(lines)


def _real_tasks(table: Table) -> list[str]:
    lines = []
    for task, cells in table.items():
        answers = "; ".join(f"{k}: " + ", ".join(f'"{t}"' for t in v) for k, v in REAL_TASKS[task][1].items())
        lines += [f"{task} (texts: {answers})", ""]
        lines += [f"- {label}: {_cell(value)}" for label, value in cells.items()]
        lines.append("")
    return lines


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
