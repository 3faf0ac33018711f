"""Why medkt's own saliency settings are what they are: its maps beside the published ones, on validation phantoms.

    python evaluation/saliency_default.py --each 2 --write      # records evaluation/results/saliency_default.md

Every finding of every domain is drawn with seeds that no training uses and looked for with its concept's own captions.
Masks are used to score and for nothing else. All maps come from the small model; the published layers (7 and 9 of a
ViT with 12) are taken at the same relative depth. The gate of presence is off, so that maps are compared on all images;
presence has a table of its own.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam

from medkt.concepts import Concept, load_concept
from medkt.config import resolve
from medkt.domains.registry import domain
from medkt.errors import WeightsError
from medkt.metrics import dice
from medkt.models.small import load_small, load_small_segmenter
from medkt.models.small.dual_encoder import WEIGHTS, SmallEncoder
from medkt.phantom import ct, cxr, mri, ultrasound
from medkt.phantom.finding import DOMAINS, DomainName, PhantomPlane, findings_of
from medkt.saliency.explain import PlaneMap, prepare_plane
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.relevance import RelevanceSettings, patch_features, relevance
from medkt.saliency.targets import ConceptTexts, Target, embed_targets
from medkt.segmentation.presence import PresenceSettings, decide_presence
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.slicewise import MapSettings, SegmentationSettings, segment_planes
from medkt.segmentation.threshold import ThresholdSettings, coarse_mask
from medkt.shapes import MaskPlane, Plane
from medkt.statistics import auc_of

RESULT = Path(__file__).resolve().parent / "results" / "saliency_default.md"
DRAW: dict[DomainName, Callable[..., PhantomPlane]] = {
    "cxr": cxr.draw_plane,
    "ct": ct.draw_plane,
    "mri": mri.draw_plane,
    "ultrasound": ultrasound.draw_plane,
}
MAP_SEED, PRESENCE_SEED = (2026, 31), (2026, 32)
PUBLISHED_DEPTH = 12  # blocks of the ViT that the published layers count
SCORES = {"ap": "AUC-PR of the map", "otsu": "DSC of Otsu's foreground", "final": "DSC after the segmenter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One phantom and what is looked for."""

    domain: DomainName
    held_out: bool
    first: bool
    texts: ConceptTexts
    plane: Plane
    mask: MaskPlane


def main() -> None:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=2, help="images of each finding")
    parser.add_argument("--side", type=int, default=256, help="of the drawn planes, in pixels")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="a folder of the small model's files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"record {RESULT.name} and the rows beside it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    encoder = load_small(folder=arguments.weights)
    segmenter = _segmenter(arguments.weights)
    rows = []
    for case in _cases(arguments.each, arguments.side):
        rows += [_scored(encoder, segmenter, case, name, s) for name, s in _candidates(encoder).items()]
        rows.append(_patches_alone(encoder, case))
        print(
            case.domain, case.texts.id, *(f"{r['name']} {r['ap']:.2f}/{r['otsu']:.2f}" for r in rows[-5:]), flush=True
        )
    presence = [_presence(encoder, name, arguments.side) for name in DOMAINS]
    text = "\n".join(_report(rows, presence, encoder, arguments))
    print(text)
    if arguments.write:
        RESULT.write_text(text, encoding="utf-8")
        RESULT.with_suffix(".json").write_text(json.dumps({"maps": rows, "presence": presence}, indent=1) + "\n")


def _candidates(encoder: SmallEncoder) -> dict[str, SegmentationSettings]:
    ours = SegmentationSettings(presence=PresenceSettings(gate=False))
    found = {"default": ours, "default without patches": replace(ours, relevance=RelevanceSettings(use="none"))}
    for name in ("m2ib", "medclip-samv2"):
        published = resolve(SegmentationSettings, preset=name)
        blocks = (published.m2ib.layer or 0) + 1
        layer = round(blocks / PUBLISHED_DEPTH * encoder.spec.layers) - 1
        gate = replace(published.presence, gate=False)
        found[name] = replace(
            published, saliency=SaliencySettings(method=replace(published.m2ib, layer=layer)), presence=gate
        )
    return found


def _cases(each: int, side: int) -> list[Case]:
    cases = []
    for name in DOMAINS:
        for index, finding in enumerate(findings_of(name)):
            for n in range(each):
                drawn = DRAW[name](finding.id, np.random.default_rng((*MAP_SEED, index, n)), side=side)
                if drawn.mask.any():
                    cases.append(
                        Case(
                            domain=name,
                            held_out=finding.held_out,
                            first=n == 0,
                            texts=_texts(name, load_concept(finding.id)),
                            plane=drawn.plane.astype(np.float32),
                            mask=drawn.mask,
                        )
                    )
    return cases


def _texts(name: DomainName, concept: Concept) -> ConceptTexts:
    kind = domain(name)
    normal = kind.words_for(concept).normal
    others = tuple(text for text in kind.contrast_texts(concept) if text not in normal)
    return ConceptTexts(id=concept.id, prompts=kind.prompts(concept), normal=normal, confusable=others)


def _segmenter(folder: Path) -> SamSegmenter | None:
    try:
        sam: Sam = load_small_segmenter(folder=folder)
    except WeightsError as error:
        print(f"no table with the segmenter: {error}", flush=True)
        return None
    return SamSegmenter(sam, name="small")


def _scored(
    encoder: SmallEncoder, segmenter: SamSegmenter | None, case: Case, name: str, settings: SegmentationSettings
) -> dict[str, Any]:
    checked = replace(
        settings, map=MapSettings(resize=settings.map.resize, check_words="every" if case.first else "off")
    )
    (found,) = segment_planes(encoder, segmenter, [0], lambda _: case.plane, [case.texts], checked, spacing_mm=None)
    map_ = dict(found.maps())[0]
    mask = dict(found.masks()).get(0, np.zeros_like(case.mask))
    specific = found.slices[0].map.specificity
    return {
        **_row(case, name, map_),
        "final": dice(reference=case.mask, prediction=mask) if segmenter else None,
        "specificity": specific.index if specific else None,
        "predicted_iou": found.slices[0].regions[0].chosen_iou if found.slices[0].regions else None,
    }


def _patches_alone(encoder: SmallEncoder, case: Case) -> dict[str, Any]:
    targets, prepared = embed_targets(encoder, [case.texts]), prepare_plane(encoder, case.plane)
    features = patch_features(encoder, prepared.pixels[None], RelevanceSettings())
    if features is None:
        raise SystemExit("the small model has features of patches; this one has none")
    values = relevance(features, targets, RelevanceSettings())[0, 0]
    alone = PlaneMap(concept=case.texts.id, values=values, framing=prepared.framing, specificity=None)
    return {**_row(case, "patches alone", alone.on_plane()), "final": None, "specificity": None, "predicted_iou": None}


def _row(case: Case, name: str, map_: Plane) -> dict[str, Any]:
    return {
        "name": name,
        "domain": case.domain,
        "finding": case.texts.id,
        "held_out": case.held_out,
        "ap": _average_precision(map_, case.mask),
        "otsu": dice(reference=case.mask, prediction=coarse_mask(map_, ThresholdSettings())),
    }


def _average_precision(map_: Plane, mask: MaskPlane) -> float:
    """Mean precision at each pixel of the mask, from the brightest of the map down; pixels of one value come together."""
    values, where = np.unique(-map_.ravel(), return_inverse=True)
    hits = np.bincount(where, weights=mask.ravel(), minlength=len(values))
    seen = np.bincount(where, minlength=len(values))
    return float((np.cumsum(hits) / np.cumsum(seen) * hits).sum() / hits.sum())


def _presence(encoder: SmallEncoder, name: DomainName, side: int) -> dict[str, Any]:
    """How often each finding is called present: where it is, in normal images, in images of other findings."""
    findings = findings_of(name)
    features = {label: _features(encoder, name, label, index, side) for index, label in enumerate(_labels(name))}
    seen: dict[str, list[float]] = {"here": [], "held_out": [], "normal": [], "other": []}
    scores: dict[str, list[float]] = {"here": [], "normal": [], "other": []}
    for finding in findings:
        (target,) = embed_targets(encoder, [_texts(name, load_concept(finding.id))])
        for label, rows in features.items():
            found = _presence_scores(encoder, rows, target)
            kind = "here" if label == finding.id else "normal" if not label else "other"
            scores[kind] += found
            share = [float(score >= PresenceSettings().least(1)) for score in found]
            seen[kind] += share
            if kind == "here" and finding.held_out:
                seen["held_out"] += share
    rates = {kind: float(np.mean(values)) for kind, values in seen.items()}
    return {
        "domain": name,
        **rates,
        "auc_normal": auc_of(np.array(scores["normal"]), np.array(scores["here"])),
        "auc_other": auc_of(np.array(scores["other"]), np.array(scores["here"])),
    }


def _labels(name: DomainName) -> tuple[str, ...]:
    return ("", *(finding.id for finding in findings_of(name)))


def _features(encoder: SmallEncoder, name: DomainName, label: str, index: int, side: int) -> torch.Tensor:
    planes = [
        DRAW[name](label, np.random.default_rng((*PRESENCE_SEED, index, n)), side=side).plane.astype(np.float32)
        for n in range(6 if label else 24)
    ]
    with torch.no_grad():
        return encoder.encode_image(torch.stack([prepare_plane(encoder, plane).pixels for plane in planes]))


def _presence_scores(encoder: SmallEncoder, features: torch.Tensor, target: Target) -> list[float]:
    found = decide_presence(features, target, PresenceSettings(), logit_scale=encoder.logit_scale)
    return [float(score) for score in found.scores]


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % percentile bootstrap interval."""
    drawn = np.random.default_rng(0).choice(np.array(values), (4000, len(values)))
    low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
    return float(np.mean(values)), float(low), float(high)


def _report(
    rows: list[dict[str, Any]], presence: list[dict[str, Any]], encoder: SmallEncoder, arguments: argparse.Namespace
) -> list[str]:
    names = list(dict.fromkeys(row["name"] for row in rows))
    images = len(rows) // len(names)
    lines = [
        "# Saliency: the default beside the published settings",
        "",
        f"Written by `python evaluation/saliency_default.py --each {arguments.each} --write`: {images} validation "
        f"phantoms of {arguments.side} pixels, small model {encoder.spec.digest[:12]}. Means with 95 % bootstrap "
        "intervals over images; below each table the paired difference default minus preset, in bold where its interval "
        "lies above 0. The settings were chosen on other phantoms (seeds 2026, 21) than these (2026, 31).",
        "",
    ]
    for score, title in SCORES.items():
        if any(row[score] is not None for row in rows):
            lines += [f"## {title}", "", *_table(rows, names, score), ""]
    if all(row["final"] is None for row in rows):
        lines += ["(Without a segmenter's weights: the table of DSC after the segmenter is left out.)", ""]
    return [*lines, *_words(rows, names), *_presence_table(presence)]


def _table(rows: list[dict[str, Any]], names: list[str], score: str) -> list[str]:
    groups = [*DOMAINS, "held out", "all"]
    lines = ["| | " + " | ".join(groups) + " |", "|---" * (len(groups) + 1) + "|"]
    for name in names:
        found = [_values(rows, name, group, score) for group in groups]
        if all(found):
            lines.append(f"| {name} | " + " | ".join(_cell(_interval(values)) for values in found) + " |")
    for preset in ("m2ib", "medclip-samv2"):
        cells = []
        for group in groups:
            ours, theirs = (_values(rows, name, group, score) for name in ("default", preset))
            mean, low, high = _interval([a - b for a, b in zip(ours, theirs, strict=True)])
            cells.append(f"**{_cell((mean, low, high))}**" if low > 0 else _cell((mean, low, high)))
        lines.append(f"| default - {preset} | " + " | ".join(cells) + " |")
    return lines


def _values(rows: list[dict[str, Any]], name: str, group: str, score: str) -> list[float]:
    def belongs(row: dict[str, Any]) -> bool:
        return group == "all" or row["domain"] == group or (group == "held out" and row["held_out"])

    return [r[score] for r in rows if r["name"] == name and belongs(r) and r[score] is not None]


def _cell(interval: tuple[float, float, float]) -> str:
    mean, low, high = interval
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def _words(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    lines = ["## Do the maps listen to the words?", "", "Specificity: 1 - the largest correlation with the map of a "]
    lines[-1] += "nonsense text or of the normal caption, same image, same noise; first image of each finding."
    lines += ["", "| | 10 % | median | 90 % | below 0.05 |", "|---|---|---|---|---|"]
    for name in names:
        found = [row["specificity"] for row in rows if row["name"] == name and row["specificity"] is not None]
        if found:
            low, middle, high = np.quantile(found, [0.1, 0.5, 0.9])
            blind = np.mean(np.array(found) < 0.05)
            lines.append(f"| {name} | {low:.3f} | {middle:.3f} | {high:.3f} | {blind:.0%} |")
    return [*lines, ""]


def _presence_table(presence: list[dict[str, Any]]) -> list[str]:
    settings = PresenceSettings()
    lines = [
        "## Presence",
        "",
        f"Rule {settings.rule}, threshold {settings.threshold:g}: how often a finding is called present in its own images,",
        "in those of held-out findings, in normal images, in images of another finding; areas under the ROC curve.",
        "",
        "| | present | held out | normal | another finding | AUC against normal | AUC against others |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in presence:
        shares = " | ".join(f"{row[kind]:.0%}" for kind in ("here", "held_out", "normal", "other"))
        lines.append(f"| {row['domain']} | {shares} | {row['auc_normal']:.3f} | {row['auc_other']:.3f} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
