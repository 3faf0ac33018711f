"""Promised against measured: false positives of calibrated presence, on phantoms of each modality and on real images.

    python evaluation/presence_calibration.py --rows rows.npz --write evaluation/results/presence_calibration.md

Every image is scored once, by the encoder alone, with the command's own function; no map or mask is made. Then the normals
are divided at random 200 times: one half is what a site has to calibrate with, the other half is what comes later. On
real images the few normals of BUSI are all there are.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medkt.calibration import CalibrationSettings, Scorer, ScoringKey, StudyScore, calibrate
from medkt.calibration.conformal import needed, tail_of
from medkt.concepts import load_concept
from medkt.datasets.busi import build
from medkt.datasets.reference import read_case_image
from medkt.domains import domain
from medkt.io import read_image
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.phantom.study import write_study
from medkt.spatial import Image
from medkt.statistics import wilson

ASKED = {"cxr": "cxr_nodule", "ultrasound": "us_cyst", "ct": "ct_nodule", "mri": "mri_glioma"}
DRAWN = {"cxr": (140, 60), "ultrasound": (140, 60), "ct": (70, 30), "mri": (70, 30)}  # normals, with the finding
UNLIKE = 15  # images of each strange kind
FIRST_SEED = 960_000  # no training and no other evaluation drew these
SIDE = 224
SPLITS = 200
NOVELTY_SPLITS = 5
KEY = ScoringKey(concept="", words="", model="", weights="", settings="", modality="")  # nothing is kept here
REAL_CONCEPT = "us_breast_tumour"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="npz to keep the scores in, and to go on from")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of real images")
    parser.add_argument("--domains", nargs="+", default=[*DRAWN, "real"])
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, Any] = dict(np.load(arguments.rows)) if arguments.rows.exists() else {}
    for name in arguments.domains:
        if not any(key.startswith(f"{name}/") for key in rows):
            encoder = load_encoder("small", device=torch.device("cpu"))
            rows.update(_real(encoder, arguments.data) if name == "real" else _phantoms(encoder, name))
            np.savez_compressed(arguments.rows, **rows)
            print(f"{name}: scored", flush=True)
    text = _table(rows)
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


def _phantoms(encoder: DualEncoder, name: str) -> dict[str, Any]:
    normals, positives = DRAWN[name]
    seeds = range(FIRST_SEED, FIRST_SEED + normals)
    drawn = {
        "normal": [_drawn(name, "", seed) for seed in seeds],
        "finding": [_drawn(name, ASKED[name], FIRST_SEED + 5_000 + k) for k in range(positives)],
        "another modality": [
            _drawn(other, "", FIRST_SEED + 8_000 + k) for k in range(UNLIKE // 3) for other in DRAWN if other != name
        ],
    }
    some = [_drawn(name, "", FIRST_SEED + 9_000 + k) for k in range(UNLIKE)]
    drawn["inverted"] = [_with(image, 255 - image.values) for image in some]
    rng = np.random.default_rng(FIRST_SEED)
    drawn["noise"] = [_with(i, rng.integers(0, 256, i.values.shape).astype(np.uint8)) for i in some]
    return _scored(encoder, name, ASKED[name], name, drawn)


def _real(encoder: DualEncoder, data: Path) -> dict[str, Any]:
    cases = build(data / "us" / "busi").cases
    drawn = {
        "normal": [read_case_image(case) for case in cases if not case.present],
        "finding": [read_case_image(case) for case in cases if case.present],
    }
    for folder in ("bus_bra", "bus_uc", "breast_lesions_usg"):
        drawn[folder] = [read_image(path) for path in sorted((data / "us" / folder / "images").iterdir())]
    return _scored(encoder, "real", REAL_CONCEPT, "ultrasound", drawn)


def _scored(encoder: DualEncoder, name: str, concept: str, kind: str, drawn: dict[str, list[Image]]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    scorer = Scorer.of(encoder, load_concept(concept), domain(kind))
    for group, images in drawn.items():
        found = [scorer.score(image) for image in images]
        rows[f"{name}/{group}/score"] = np.array([one.score for one in found])
        rows[f"{name}/{group}/embedding"] = np.array([one.embedding for one in found])
        rows[f"{name}/{group}/grey"] = np.array([one.grey_levels for one in found])
        rows[f"{name}/{group}/doubts"] = np.array([" | ".join(one.doubts) for one in found])
    return rows


def _drawn(name: str, finding: str, seed: int) -> Image:
    with tempfile.TemporaryDirectory() as folder:
        return read_image(
            write_study(Path(folder), domain=name, finding=finding, seed=seed, format="png", side=SIDE)  # type: ignore[arg-type]
        )


def _with(image: Image, values: Any) -> Image:
    return Image(values=values, geometry=image.geometry, provenance=image.provenance)


# ---- what the scores say


def _table(rows: dict[str, Any]) -> str:
    real = len(_of(rows, "real", "normal"))
    lines = [
        "# Presence: promised against measured", "",
        "`python evaluation/presence_calibration.py --rows rows.npz --write evaluation/results/presence_calibration.md`", "",
        "The small model. Phantoms are single planes of 224 pixels, 8 bits, of seeds that no training saw; CT and MRI are planes, not",
        f"volumes. Each image is scored once. {SPLITS} random splits: thresholds from one half of the normals, false positives in the",
        "other; sensitivity is that of all images with the finding, at the threshold of each split. In brackets the range of nine in",
        "ten splits. Random halves of one sample are exchangeable by construction, so this checks the arithmetic and the scatter; it",
        "does not show that a promise holds on another scanner.", "",
        "## False positives", "",
        "| data | finding | normals | with it | promised | measured | sensitivity |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in (*DRAWN, "real"):
        for rate in (0.05, 0.1, 0.2):
            lines.append(_promise(rows, name, rate))
    lines += [
        "", "Promised is an upper bound: n calibration normals can promise only rates of k/(n + 1), and the next lower one is taken.",
        f"`real` is BUSI: **{real} normals are all there are**, {real // 2} a half, which promise no less than 1/{real // 2 + 1}; nothing firm",
        "follows from so few. Most of these images have the role `train` in the folder's manifest and may have been seen in training, so the",
        "sensitivity is not that of unseen data.", "",
        f"## Real lesions beside the {real} real normals", "",
        f"Threshold at a promised rate of 0.1, from all {real} normals.", "",
        "| images | number | called present (95 % Wilson) |", "|---|---|---|",
    ]  # fmt: skip
    threshold = tail_of(_of(rows, "real", "normal"), 0.1).threshold(0.1)
    for group in ("finding", "bus_bra", "bus_uc", "breast_lesions_usg"):
        scores = _of(rows, "real", group)
        found = wilson(int((scores > threshold).sum()), len(scores))
        label = "BUSI, benign or malignant" if group == "finding" else group
        lines.append(f"| {label} | {len(scores)} | {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f}) |")
    lines += [
        "", "## Unlike studies", "",
        f"Share flagged as unlike the calibration, mean over {NOVELTY_SPLITS} random halves; promised for each of two distances is 0.02, or",
        "the least that the held-out quarter of the normals can promise (CT and MRI: 17 or 18 images, so some 0.055 each, 0.11 for both). `normals only` decides on what would be claimed of each image",
        "(embeddings guard only \"absent\"); `with findings` also knows half of the images with the finding.", "",
        "| data | calibration | other normals | finding | another modality | inverted | noise | strange called present |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in DRAWN:
        lines += [_unlike(rows, name, known) for known in (False, True)]
    return "\n".join(lines) + "\n"


def _promise(rows: dict[str, Any], name: str, rate: float) -> str:
    normals, findings = _of(rows, name, "normal"), _of(rows, name, "finding")
    concept = REAL_CONCEPT if name == "real" else ASKED[name]
    head = f"| {name} | {concept} | {len(normals)} | {len(findings)} | {rate:g} |"
    if len(normals) // 2 < needed(rate):
        return f"{head} not possible: takes {needed(rate)} a half | - |"
    rng = np.random.default_rng(0)
    false, true = [], []
    for _ in range(SPLITS):
        mixed = rng.permutation(normals)
        threshold = tail_of(mixed[: len(mixed) // 2], rate).threshold(rate)
        false.append(float((mixed[len(mixed) // 2 :] > threshold).mean()))
        true.append(float((findings > threshold).mean()))
    return f"{head} {_range(false)} | {_range(true)} |"


def _unlike(rows: dict[str, Any], name: str, with_findings: bool) -> str:
    strange = ("another modality", "inverted", "noise")
    flagged: dict[str, list[float]] = {group: [] for group in ("normal", "finding", *strange)}
    present = []
    for seed in range(NOVELTY_SPLITS):
        rng = np.random.default_rng(seed)
        normals, findings = (rng.permutation(_studies(rows, name, group)) for group in ("normal", "finding"))
        half, part = len(normals) // 2, len(findings) // 2
        rule = calibrate(
            KEY, list(normals[:half]), list(findings[:part]) if with_findings else [],
            CalibrationSettings(seed=seed, probability="none"),
        )  # fmt: skip
        others = {"normal": list(normals[half:]), "finding": list(findings[part:])}
        others |= {group: _studies(rows, name, group) for group in strange}
        said = {group: [rule.judge(study) for study in some] for group, some in others.items()}
        for group, decisions in said.items():
            flagged[group].append(float(np.mean([bool(one.unlike) for one in decisions])))
        present.append(float(np.mean([one.outcome == "present" for group in strange for one in said[group]])))
    cells = " | ".join(f"{np.mean(shares):.3f}" for shares in flagged.values())
    return f"| {name} | {'with findings' if with_findings else 'normals only'} | {cells} | {np.mean(present):.3f} |"


def _studies(rows: dict[str, Any], name: str, group: str) -> list[StudyScore]:
    parts = [rows[f"{name}/{group}/{what}"] for what in ("score", "embedding", "grey", "doubts")]
    return [
        StudyScore(
            score=float(score), embedding=embedding, grey_levels=grey, doubts=tuple(one for one in str(doubts).split(" | ") if one),
        )
        for score, embedding, grey, doubts in zip(*parts, strict=True)
    ]  # fmt: skip


def _of(rows: dict[str, Any], name: str, group: str) -> Any:
    return np.asarray(rows[f"{name}/{group}/score"], np.float64)


def _range(values: list[float]) -> str:
    low, high = np.quantile(values, [0.05, 0.95])
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
