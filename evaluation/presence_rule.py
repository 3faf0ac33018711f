"""How often a finding is called present in whole volumes that hold it and in volumes that do not, by rule.

    python evaluation/presence_rule.py --normals 6 --each 2 --write evaluation/results/presence_rule.md

Phantom volumes are drawn with seeds that no training saw, written as DICOM and read back; every plane is encoded once,
and each rule decides on the same features. Every normal volume and every volume with another finding is asked for all
findings of its domain. No map is made, so this says nothing about where a finding is seen. The threshold is 0.2 throughout: the rules are
compared, not the default, which comes from normal studies (`normals.py`).
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from whole_line import SHAPES

from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.io import read_image
from medkt.models.registry import load_encoder
from medkt.phantom.finding import find, findings_of
from medkt.phantom.study import write_study
from medkt.pipeline import View, look_at
from medkt.pipeline.look import shown_plane, windows_of
from medkt.pipeline.words import texts_of
from medkt.saliency.targets import embed_targets
from medkt.segmentation.presence import PresenceSettings, decide_presence
from medkt.segmentation.slicewise import features_of_planes
from medkt.spatial import Image

RULES = {
    "max (until now)": PresenceSettings(threshold=0.2, aggregate="max"),
    "top_mean of 3": PresenceSettings(threshold=0.2, aggregate="top_mean"),
    "supported, 0.02": PresenceSettings(threshold=0.2, support=0.02),
    "supported, 0.05 (default)": PresenceSettings(threshold=0.2),
    "supported, 0.1": PresenceSettings(threshold=0.2, support=0.1),
    "supported, 0.2": PresenceSettings(threshold=0.2, support=0.2),
}
ASKED = ("normal", "another finding", "known finding", "held-out finding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", nargs="+", default=list(SHAPES))
    parser.add_argument("--normals", type=int, default=6, help="of each domain")
    parser.add_argument("--each", type=int, default=2, help="volumes of each finding")
    parser.add_argument("--seed", type=int, default=930_000)
    parser.add_argument("--rows", type=Path, help="JSON to keep the decisions in, and to go on from")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = json.loads(arguments.rows.read_text()) if arguments.rows and arguments.rows.exists() else []
    for name in arguments.domains:
        wanted = [("", arguments.seed + 500 + k) for k in range(arguments.normals)]
        wanted += [(f.id, arguments.seed + k) for k in range(arguments.each) for f in findings_of(name)]
        done = {(row["drawn"], row["seed"]) for row in rows if row["domain"] == name}
        for drawn, seed in wanted:
            if (drawn, seed) not in done:
                rows += _rows(name, drawn, seed)
                if arguments.rows:
                    arguments.rows.write_text(json.dumps(rows))
    text = _table(rows, arguments)
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


def _rows(name: str, drawn: str, seed: int) -> list[dict[str, object]]:
    shape, spacing = SHAPES[name]
    with tempfile.TemporaryDirectory() as folder:
        study = write_study(
            Path(folder), domain=name, finding=drawn, seed=seed, format="dicom", shape=shape, spacing_mm=spacing
        )  # type: ignore[arg-type]
        image = read_image(study)
    return [
        {"domain": name, "drawn": drawn, "seed": seed, "asked": asked, "present": present}
        for asked, present in _decisions(name, image)
    ]


def _decisions(name: str, image: Image) -> Iterator[tuple[str, dict[str, bool]]]:
    """For each finding of the domain, whether each rule calls it present."""
    encoder, kind = load_encoder("small", device=torch.device("cpu")), domain(name)
    concepts = [load_concept(finding.id) for finding in findings_of(name)]  # type: ignore[arg-type]
    for window in windows_of(kind, concepts):
        looked = look_at(image, kind, View(step_mm=0), window=window)
        features, _ = features_of_planes(encoder, looked.positions, partial(shown_plane, image, looked), None)
        for concept in (one for one in concepts if kind.window_for(one) == window):
            (target,) = embed_targets(encoder, [texts_of(kind, concept)])
            decide = partial(
                decide_presence, features, target, logit_scale=encoder.logit_scale, indices=looked.positions
            )
            yield concept.id, {rule: decide(settings=settings).present for rule, settings in RULES.items()}


def _kind(row: dict[str, object]) -> str:
    if not row["drawn"]:
        return "normal"
    if row["drawn"] != row["asked"]:
        return "another finding"
    return "held-out finding" if find(str(row["drawn"])).held_out else "known finding"


def _table(rows: list[dict[str, object]], arguments: argparse.Namespace) -> str:
    lines = [
        "# Presence in volumes, by rule", "",
        f"`python evaluation/presence_rule.py --domains {' '.join(arguments.domains)} --normals {arguments.normals}"
        f" --each {arguments.each} --seed {arguments.seed}`", "",
        "How often a finding was called present, with the number of questions asked. Synthetic volumes with thick slices",
        "(CT 20 of 10 mm, MRI 16 of 6 mm), the small model, threshold 0.2: nothing is said about patients.", "",
        "| domain | rule | " + " | ".join(ASKED) + " |", "|---|---|" + "---|" * len(ASKED),
    ]  # fmt: skip
    for name in arguments.domains:
        for rule in RULES:
            cells = []
            for asked in ASKED:
                hits = [row["present"][rule] for row in rows if row["domain"] == name and _kind(row) == asked]  # type: ignore[index]
                cells.append(f"{sum(hits) / len(hits):.3f} ({len(hits)})" if hits else "-")
            lines.append(f"| {name} | {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
