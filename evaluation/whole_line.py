"""How well the whole line does on phantom studies that no training saw, beside two baselines.

    python evaluation/whole_line.py --studies 6 --write evaluation/results/whole_line.md

Each study is drawn with a seed of its own, written as DICOM, read back, and segmented with the finding's concept and
the default settings; the presence decision is on, so a finding that is not seen scores 0. Baselines on the same studies:
Otsu's threshold on the planes as shown (the brighter class), and the segmenter given the reference's own box in each
slice, which is as good as prompts can be. DSC, IoU and the boundary NSD (2 mm) are of whole studies; the interval is a
BCa bootstrap over studies. Studies without a finding are asked for every known finding of their domain.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap
from skimage.filters import threshold_otsu

from medkt.concepts import load_concept
from medkt.io import read_mask
from medkt.metrics import CaseResult, evaluate_case
from medkt.phantom.finding import DOMAINS, findings_of
from medkt.phantom.study import reference_path, write_study
from medkt.pipeline import Pipeline, StudyResult, View, score_finding
from medkt.report.study_folder import Formats, write_result
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Mask

FIRST_SEED = 910_000  # far from any seed of the training corpus
SHAPES = {"ct": ((20, 128, 128), (10.0, 2.8, 2.8)), "mri": ((16, 128, 128), (6.0, 1.8, 1.8))}
METRICS = ("dsc", "iou", "nsd@2mm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=6, help="of each finding, of radiographs and ultrasound")
    parser.add_argument("--volumes", type=int, default=3, help="of each finding, of CT and MRI")
    parser.add_argument("--normals", type=int, default=10, help="of each domain")
    parser.add_argument(
        "--join", type=Path, nargs="+", help="tables' JSON of earlier runs over other domains; runs nothing"
    )
    parser.add_argument("--domains", nargs="+", default=list(DOMAINS))
    parser.add_argument("--preset", default="default")
    parser.add_argument("--write", type=Path, help="Markdown to write; the rows go beside it as JSON")
    parser.add_argument("--pictures", type=Path, help="a folder for one overlay a finding")
    arguments = parser.parse_args()
    if arguments.join:
        parts = [json.loads(path.read_text()) for path in arguments.join]
        rows = [row for part in parts for row in part["studies"]]
        seen = [row for part in parts for row in part["normals"]]
        _report(rows, seen, arguments)
        return
    pipeline = _pipeline(arguments.preset)
    rows = [row for name in arguments.domains for row in _domain(pipeline, name, arguments)]
    seen = [row for name in arguments.domains for row in _normals(pipeline, name, arguments.normals)]
    _report(rows, seen, arguments)


def _report(rows: list[dict[str, object]], seen: list[dict[str, object]], arguments: argparse.Namespace) -> None:
    text = _table(rows, seen, arguments)
    print(text)
    if arguments.write:
        arguments.write.parent.mkdir(parents=True, exist_ok=True)
        arguments.write.write_text(text, encoding="utf-8")
        arguments.write.with_suffix(".json").write_text(json.dumps({"studies": rows, "normals": seen}, indent=1) + "\n")


def _pipeline(preset: str) -> Pipeline:
    from medkt.config import resolve

    return Pipeline.load("small", settings=resolve(SegmentationSettings, preset=preset), preset=preset)


def _domain(pipeline: Pipeline, domain: str, arguments: argparse.Namespace) -> list[dict[str, object]]:
    rows = []
    for finding in findings_of(domain):  # type: ignore[arg-type]
        for k in range(arguments.volumes if domain in SHAPES else arguments.studies):
            with tempfile.TemporaryDirectory() as folder:
                shape, spacing = SHAPES.get(domain, (None, None))
                study = write_study(
                    Path(folder), domain=domain, finding=finding.id, seed=FIRST_SEED + k, format="dicom",
                    shape=shape, spacing_mm=spacing, side=256,
                )  # fmt: skip
                concept = load_concept(finding.id)
                result = pipeline.segment_file(study, [concept], view=View(step_mm=0))
                reference = read_mask(reference_path(study))
                case = score_finding(result, result.findings[0], reference)
                if arguments.pictures and k == 0:
                    write_result(
                        result, arguments.pictures / finding.id, formats=Formats(nifti=False, png=True),
                        name=finding.id, overwrite=True,
                    )  # fmt: skip
                rows.append(
                    {
                        "domain": domain,
                        "finding": finding.id,
                        "held_out": finding.held_out,
                        "seed": FIRST_SEED + k,
                        "seen": result.findings[0].found.presence.present,
                        "score": result.findings[0].found.presence.score,
                        "specificity": result.findings[0].specificity,
                        "ours": _numbers(case),
                        "otsu": _numbers(_against(reference, _otsu(result))),
                        "box": _numbers(_against(reference, _boxed(pipeline, result, reference))),
                        "seconds": sum(result.seconds.values()),
                    }
                )
    return rows


def _normals(pipeline: Pipeline, domain: str, count: int) -> list[dict[str, object]]:
    concepts = [load_concept(f.id) for f in findings_of(domain)]  # type: ignore[arg-type]
    rows = []
    for k in range(count):
        with tempfile.TemporaryDirectory() as folder:
            shape, spacing = SHAPES.get(domain, (None, None))
            study = write_study(
                Path(folder), domain=domain, finding="", seed=FIRST_SEED + 500 + k, format="dicom", shape=shape,
                spacing_mm=spacing, side=256,
            )  # fmt: skip
            result = pipeline.segment_file(study, concepts, view=View(step_mm=0))
            rows += [
                {
                    "domain": domain,
                    "finding": f.concept.id,
                    "seen": f.found.presence.present,
                    "score": f.found.presence.score,
                }
                for f in result.findings
            ]
    return rows


def _against(reference: Mask, values: np.ndarray) -> CaseResult:
    return evaluate_case(
        reference=reference, prediction=Mask(values=values, geometry=reference.geometry), tolerance_mm=2.0
    )


def _otsu(result: StudyResult) -> np.ndarray:
    finding = result.findings[0]
    looked = finding.looked
    planes = {position: result.plane(finding, position) for position in looked.positions}
    level = threshold_otsu(np.stack(list(planes.values())))
    values = np.zeros(result.image.geometry.shape, dtype=bool)
    for position, plane in planes.items():
        looked.planes.put(values, looked.index(position), plane > level)
    return values


def _boxed(pipeline: Pipeline, result: StudyResult, reference: Mask) -> np.ndarray:
    finding = result.findings[0]
    looked = finding.looked
    values = np.zeros(result.image.geometry.shape, dtype=bool)
    for position in looked.positions:
        wanted = looked.planes.show(reference.values, looked.index(position))
        if wanted.any():
            rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
            box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
            none = np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)
            prompts = Prompts(boxes_xyxy=box, points_xy=none[0], labels=none[1], region=none[2], regions=1)
            embedding = pipeline.segmenter.embed(result.plane(finding, position))
            candidates = pipeline.segmenter.masks(embedding, prompts, True)
            looked.planes.put(values, looked.index(position), candidates.masks[int(candidates.predicted_iou.argmax())])
    return values


def _numbers(case: CaseResult) -> dict[str, float]:
    return {key.lower(): float(value) for key, value in case.numbers.items()}


def _interval(values: list[float]) -> str:
    numbers = np.array(values, float)
    left = int(np.isnan(numbers).sum())
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) < 3 or numbers.min() == numbers.max():
        text = f"{numbers.mean():.3f}" if len(numbers) else "-"
    else:
        ends = bootstrap((numbers,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0))
        low, high = ends.confidence_interval
        text = f"{numbers.mean():.3f} ({low:.3f}-{high:.3f})"
    return text + (f" [{left} NaN]" if left else "")


def _table(rows: list[dict[str, object]], normals: list[dict[str, object]], arguments: argparse.Namespace) -> str:
    keys = sorted({key for row in rows for key in row["ours"]})  # type: ignore[union-attr]
    lines = [
        "# The whole line on phantom studies", "",
        f"`python evaluation/whole_line.py --studies {arguments.studies} --volumes {arguments.volumes} --normals {arguments.normals} --preset {arguments.preset}`",
        "", "Means over studies with 95 % BCa bootstrap intervals; a finding that was not seen scores 0. Synthetic images:",
        "these figures say nothing about patients.", "",
        "| domain | findings | studies | seen | method | " + " | ".join(keys) + " |",
        "|---|---|---|---|---|" + "---|" * len(keys),
    ]  # fmt: skip
    groups: dict[tuple[str, bool], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        groups[str(row["domain"]), bool(row["held_out"])].append(row)
    for (domain, held_out), group in groups.items():
        seen = np.mean([bool(row["seen"]) for row in group])
        for method, name in (("ours", "medkt"), ("box", "segmenter, reference box"), ("otsu", "Otsu on the image")):
            cells = [_interval([row[method].get(key, np.nan) for row in group]) for key in keys]  # type: ignore[attr-defined]
            kind = "held out" if held_out else "known"
            lines.append(f"| {domain} | {kind} | {len(group)} | {seen:.2f} | {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## By finding",
        "",
        "| finding | held out | seen | DSC | DSC, reference box | map depends on words |",
        "|---|---|---|---|---|---|",
    ]
    for finding in dict.fromkeys(row["finding"] for row in rows):
        group = [row for row in rows if row["finding"] == finding]
        ours, box = (np.mean([row[m]["dsc"] for row in group]) for m in ("ours", "box"))  # type: ignore[index]
        depends = [row["specificity"] for row in group if row["specificity"] is not None]
        text = f"{np.mean(depends):.2f}" if depends else "-"  # type: ignore[arg-type]
        seen = np.mean([bool(row["seen"]) for row in group])
        lines.append(
            f"| {finding} | {'yes' if group[0]['held_out'] else ''} | {seen:.2f} | {ours:.3f} | {box:.3f} | {text} |"
        )
    lines += [
        "",
        "## Studies without a finding",
        "",
        "| domain | studies | asked | wrongly seen |",
        "|---|---|---|---|",
    ]
    for domain in dict.fromkeys(row["domain"] for row in normals):
        group = [row for row in normals if row["domain"] == domain]
        wrong = np.mean([bool(row["seen"]) for row in group])
        lines.append(
            f"| {domain} | {len(group) // len({row['finding'] for row in group})} | {len(group)} | {wrong:.3f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
