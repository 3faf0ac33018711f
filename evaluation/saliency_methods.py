"""The saliency methods side by side on phantoms and on BUSI: how good the map is, how good the line behind it, at what cost.

    python evaluation/saliency_methods.py run --busi ../shared/data/us/busi --roles ../shared/data/manifest.tsv
    python evaluation/saliency_methods.py write          # records evaluation/results/saliency_methods.md
    python evaluation/saliency_methods.py look --to maps.png

`run` appends a row for each image and method to `evaluation/results/saliency_methods.jsonl` and leaves out those that stand
there. All maps are of the small model, by each method's own defaults (a margin over the same contrast texts; published is the
cosine) unless the row says otherwise. Masks are used to score and for nothing else; the gate of presence is off.
"""

import argparse
import csv
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from saliency_default import DRAW, MAP_SEED, Case, _texts
from torch import Tensor

from medkt.concepts import load_concept
from medkt.datasets.busi import CONCEPT, build
from medkt.datasets.reference import reference_mask
from medkt.domains.domain import SaliencyDefaults
from medkt.domains.registry import domain
from medkt.io import read_image
from medkt.metrics import dice
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small, load_small_segmenter
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.finding import DOMAINS, findings_of
from medkt.saliency.explain import explain_planes, prepare_plane
from medkt.saliency.likeness import Likeness, Similarity
from medkt.saliency.method import Maps, MapWork, SaliencyMethod
from medkt.saliency.methods import METHODS, SaliencySettings
from medkt.saliency.relevance import RelevanceSettings
from medkt.saliency.targets import Target, embed_targets
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.segmenter import Candidates, Embedding
from medkt.segmentation.slicewise import SegmentationSettings, segment_planes
from medkt.segmentation.threshold import ThresholdSettings, coarse_mask
from medkt.shapes import Plane
from medkt.statistics import BootstrapSettings, Interval, bootstrap_interval, mean_of, wilson

RESULTS = Path(__file__).resolve().parent / "results"
ROWS, PAGE = RESULTS / "saliency_methods.jsonl", RESULTS / "saliency_methods.md"
SIDE = 256  # of the phantoms, in pixels
STEPS = 10  # of deletion and insertion
_BLUR = 16  # the picture without detail is this many times smaller, and large again
SETS = {"phantoms, known": "phantoms of findings that the small model was trained on", "phantoms, held out": "phantoms of "
        "findings that it was not trained on", "BUSI": "breast ultrasound that it was not trained on (role `validate`), with a lesion"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """No method: a blob in the middle, or numbers drawn anew for each image, whatever is asked."""

    name: Literal["centre", "random"] = "centre"
    target: Similarity = "cosine"

    def settled(self, encoder: DualEncoder, start: SaliencyDefaults) -> "Control":
        return self

    def maps(
        self, encoder: DualEncoder, pixels: Tensor, targets: Sequence[Target], *, seeds: Sequence[int] | None = None
    ) -> Maps:
        grid = encoder.grid(encoder.spec.layers - 1)
        if self.name == "centre":
            rows, columns = np.mgrid[-1 : 1 : grid.rows * 1j, -1 : 1 : grid.columns * 1j]
            one = np.exp(-(rows**2 + columns**2) / 0.5)
        else:
            seed = int(pixels.double().abs().sum() * 1e3) % 2**32
            one = np.random.default_rng(seed).random((grid.rows, grid.columns))
        return np.broadcast_to(one.astype(np.float32), (len(pixels), len(targets), *one.shape)).copy()

    def work(self) -> MapWork:
        return MapWork(layer=0, rows=0)


def arms() -> dict[str, SegmentationSettings]:
    """By name in the table: what makes the maps."""
    ours = SegmentationSettings(presence=PresenceSettings(gate=False))

    def by(method: SaliencyMethod) -> SegmentationSettings:
        return replace(ours, saliency=SaliencySettings(method=method))

    found = {"m2ib": ours, "m2ib, without patches": replace(ours, relevance=RelevanceSettings(use="none"))}
    found |= {name: by(kind()) for name, kind in METHODS.items() if name != "m2ib"}
    return found | {"control: a blob in the middle": by(Control()), "control: random": by(Control(name="random"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A case and the part of the table that it belongs to."""

    part: str
    id: str
    case: Case


def phantoms() -> Iterator[Placed]:
    """One of each finding of each domain, by seeds that no training uses."""
    for name in DOMAINS:
        for index, finding in enumerate(findings_of(name)):
            drawn = DRAW[name](finding.id, np.random.default_rng((*MAP_SEED, index, 0)), side=SIDE)
            case = Case(
                domain=name, held_out=finding.held_out, first=True, texts=_texts(name, load_concept(finding.id)),
                plane=drawn.plane.astype(np.float32), mask=drawn.mask,
            )  # fmt: skip
            if drawn.mask.any():
                yield Placed(part=f"phantoms, {'held out' if finding.held_out else 'known'}", id=finding.id, case=case)


def breasts(root: Path, roles: Path, most: int) -> Iterator[Placed]:
    """Images with a lesion that the small model was kept from, benign and malignant in turn."""
    with roles.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        kept = {Path(row["path"]).stem for row in rows if "busi/images" in row["path"] and row["role"] == "validate"}
    cases = [case for case in build(root, with_normals=False).cases if case.case_id in kept]
    texts, kind = _texts("ultrasound", load_concept(CONCEPT)), domain("ultrasound")
    for case in cases[:: max(1, len(cases) // most)][:most]:
        image = read_image(case.image)  # BUSI's are pictures
        plane = kind.intensity(image, window="8-bit").apply(image.values[0])
        mask = reference_mask(case, image=image).values[0]
        found = Case(domain="ultrasound", held_out=True, first=True, texts=texts, plane=plane, mask=mask)
        yield Placed(part="BUSI", id=case.case_id, case=found)


@dataclass(slots=True)
class Once:
    """A segmenter that embeds the last plane once, however many methods ask."""

    inner: SamSegmenter
    last: tuple[bytes, Embedding] | None = None

    def embed(self, plane: Plane) -> Embedding:
        key = plane.tobytes()
        if self.last is None or self.last[0] != key:
            self.last = (key, self.inner.embed(plane))
        return self.last[1]

    def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
        return self.inner.masks(embedding, prompts, multimask)


def scored(encoder: SmallEncoder, segmenter: Once, case: Case, settings: SegmentationSettings) -> dict[str, Any]:
    """One image by one method."""
    (found,) = segment_planes(encoder, segmenter, [0], lambda _: case.plane, [case.texts], settings, spacing_mm=None)  # type: ignore[arg-type]
    map_ = dict(found.maps())[0]
    mask = dict(found.masks()).get(0, np.zeros_like(case.mask))
    specific = found.slices[0].map.specificity
    targets = embed_targets(encoder, [case.texts])
    deleted, inserted = curves(encoder, case.plane, map_, targets)
    return {
        "dsc_map": dice(reference=case.mask, prediction=coarse_mask(map_, ThresholdSettings())),
        "dsc_line": dice(reference=case.mask, prediction=mask),
        "pointing": bool(case.mask[np.unravel_index(int(map_.argmax()), map_.shape)]) if map_.any() else False,
        "deletion": deleted, "insertion": inserted, "specificity": specific.index if specific else None,
        "cpu_seconds": seconds_of(encoder, case, settings, targets),
    }  # fmt: skip


def curves(encoder: SmallEncoder, plane: Plane, map_: Plane, targets: Sequence[Target]) -> tuple[float, float]:
    """Mean margin while the map's brightest pixels lose their detail, and while a picture without any gets theirs first.

    Petsiuk, Das, Saenko, RISE (BMVC 2018), here with the same blurred picture in both; pixels of one value go in random order.
    """
    order = np.lexsort((np.random.default_rng(0).random(map_.size), -map_.ravel()))
    blurred, shown = without_detail(plane), []
    for start, other in ((plane, blurred), (blurred, plane)):
        for step in range(STEPS + 1):
            picture, taken = start.ravel().copy(), order[: round(step / STEPS * map_.size)]
            picture[taken] = other.ravel()[taken]
            shown.append(prepare_plane(encoder, picture.reshape(plane.shape)).pixels)
    likeness = Likeness.to(targets, "margin", "mean", encoder.logit_scale)
    with torch.no_grad():
        margins = likeness.of_each(encoder.encode_image(torch.stack(shown)))[:, 0].numpy()
    return float(margins[: STEPS + 1].mean()), float(margins[STEPS + 1 :].mean())


def without_detail(plane: Plane) -> Plane:
    small = torch.nn.functional.interpolate(
        torch.from_numpy(plane)[None, None], [max(1, side // _BLUR) for side in plane.shape], mode="area"
    )
    large = torch.nn.functional.interpolate(small, plane.shape, mode="bilinear", align_corners=False)[0, 0]
    return np.ascontiguousarray(large.numpy())


def seconds_of(encoder: SmallEncoder, case: Case, settings: SegmentationSettings, targets: Sequence[Target]) -> float:
    """Processor time of one map without the check of its words, on one thread."""
    prepared = [prepare_plane(encoder, case.plane)]
    before = time.process_time()
    explain_planes(encoder, prepared, targets, settings.saliency.method, patches=settings.relevance, check_words=False)
    return time.process_time() - before


def settled(settings: SegmentationSettings, encoder: SmallEncoder, case: Case) -> SegmentationSettings:
    method = settings.saliency.method.settled(encoder, domain(case.domain).saliency)
    return replace(settings, saliency=SaliencySettings(method=method))


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    encoder, segmenter = load_small(), Once(SamSegmenter(load_small_segmenter(), name="small"))
    done = {(row["part"], row["id"], row["arm"]) for row in read_rows()}
    commit = subprocess.run(
        ["git", "rev-parse", "--short=9", "HEAD"], capture_output=True, text=True, check=True
    ).stdout
    drawn = list(phantoms())
    np.random.default_rng(0).shuffle(drawn)  # type: ignore[arg-type]
    cases = interleaved(drawn, list(breasts(arguments.busi, arguments.roles, arguments.most)))
    for placed in cases:
        for name, settings in arms().items():
            if (placed.part, placed.id, name) in done:
                continue
            row = scored(encoder, segmenter, placed.case, settled(settings, encoder, placed.case))
            row = {"part": placed.part, "id": placed.id, "arm": name, "commit": commit.strip(), "model": encoder.spec.digest[:12], **row}  # fmt: skip
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, allow_nan=False) + "\n")
        print(placed.part, placed.id, flush=True)


def interleaved(first: list[Placed], second: list[Placed]) -> Iterator[Placed]:
    """So that a run that is stopped has some of everything."""
    for index in range(max(len(first), len(second))):
        yield from (one[index] for one in (first, second) if index < len(one))


def read_rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()] if ROWS.exists() else []


MEASURES = {
    "dsc_map": "DSC of the map's foreground", "dsc_line": "DSC after the segmenter", "pointing": "pointing game",
    "deletion": "deletion (less is better)", "insertion": "insertion (more is better)", "specificity": "specificity",
}  # fmt: skip


def page() -> Iterator[str]:
    rows = read_rows()
    names = [name for name in arms() if any(row["arm"] == name for row in rows)]
    whole = {  # images that every method has a row of
        key for key in {(row["part"], row["id"]) for row in rows}
        if sum((row["part"], row["id"]) == key for row in rows) == len(names)
    }  # fmt: skip
    rows = [row for row in rows if (row["part"], row["id"]) in whole]
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    yield HEAD.format(commits=commits, model=rows[0]["model"], steps=STEPS)
    for part, what in SETS.items():
        here = [row for row in rows if row["part"] == part]
        yield from (f"## {part}", "", f"{len({row['id'] for row in here})} images: {what}.", "")
        yield "| | " + " | ".join(MEASURES.values()) + " | CPU seconds a map |"
        yield "|---" * (len(MEASURES) + 2) + "|"
        for name in names:
            own = [row for row in here if row["arm"] == name]
            cells = [cell([row[measure] for row in own], measure) for measure in MEASURES]
            yield f"| {name} | " + " | ".join(cells) + f" | {np.median([row['cpu_seconds'] for row in own]):.2f} |"
        yield from ("", *paired(here, names), "")


def paired(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """The default less each other one, on the same images."""
    yield "| default less | DSC of the map's foreground | DSC after the segmenter |"
    yield "|---|---|---|"
    value = {(row["id"], row["arm"], measure): row[measure] for row in rows for measure in ("dsc_map", "dsc_line")}
    ids = sorted({row["id"] for row in rows})
    for name in names[1:]:
        cells = []
        for measure in ("dsc_map", "dsc_line"):
            found = interval([value[i, names[0], measure] - value[i, name, measure] for i in ids])
            clear = found.low > 0 or found.high < 0
            cells.append(f"**{shown(found)}**" if clear else shown(found))
        yield f"| {name} | {' | '.join(cells)} |"


def cell(values: Sequence[float | bool | None], measure: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    if measure == "pointing":
        return shown(wilson(sum(known), len(known)))
    return shown(interval([float(value) for value in known]))


def interval(values: Sequence[float]) -> Interval:
    data = np.array(values, dtype=np.float64)
    return bootstrap_interval(data, np.arange(len(data)), mean_of, BootstrapSettings())


def shown(one: Interval) -> str:
    return f"{one.estimate:.3f} ({one.low:.3f} to {one.high:.3f})"


HEAD = """\
# Saliency methods side by side

`python evaluation/saliency_methods.py run ...`, then `write`; at {commits}, small model {model}. Means with 95 % BCa bootstrap
intervals over images, of shares Wilson's. Every method runs by its own defaults, which hold the words against the same contrast
texts. Foreground: Otsu's threshold, as the line has it; after it come prompts, the small segmenter and the choice of a mask.
Pointing game: the map's highest pixel lies in the lesion. Deletion and insertion: mean margin (cosine of the words less that of
the contrasts) over {steps} steps in which the map's highest pixels lose their detail, or get it first. Specificity: 1 less the largest
correlation with the map of a nonsense text or of the normal caption; near 0 the words do not matter. Below each table the default
less each other method on the same images, in bold where the interval lies on one side of 0.

Images were taken in a random order, of phantoms and of BUSI, until the time that was set aside had passed, and at last held-out
phantoms alone: the intervals say how little that is. An image counts where every method has its row.

The small model has features of patches that it was trained with, and M2IB's map is multiplied with them by default: the second
row is M2IB alone. Nothing was tuned on these images for any method; but medkt's M2IB settings were chosen on phantoms of the same
kind (other seeds), and no other method's were. The order of methods on another encoder may be another.
"""


def look(arguments: argparse.Namespace) -> None:
    """Some maps as a picture: a row an image, the plane with its lesion outlined first."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    encoder = load_small()
    busi = list(breasts(arguments.busi, arguments.roles, 8))[:4] if arguments.busi else []
    cases = [*list(phantoms())[::8], *busi]
    figure, axes = plt.subplots(len(cases), len(arms()) + 1, figsize=(2 * len(arms()) + 2, 2 * len(cases)))
    for row, placed in zip(axes, cases, strict=True):
        case = placed.case
        row[0].set_title(placed.id, fontsize=7)
        for axis in row:
            axis.imshow(case.plane, cmap="gray", vmin=0, vmax=1)
            axis.contour(case.mask, [0.5], colors="lime", linewidths=0.6)
            axis.axis("off")
        for axis, (name, settings) in zip(row[1:], arms().items(), strict=True):
            own = settled(settings, encoder, case)
            ((found,),) = explain_planes(
                encoder, [prepare_plane(encoder, case.plane)], embed_targets(encoder, [case.texts]), own.saliency.method,
                patches=own.relevance, check_words=False,
            )  # fmt: skip
            axis.imshow(found.on_plane(), cmap="inferno", alpha=0.6, vmin=0, vmax=1)
            axis.set_title(name, fontsize=7)
    figure.tight_layout()
    figure.savefig(arguments.to, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "write", "look"))
    parser.add_argument("--busi", type=Path, help="the folder of BUSI")
    parser.add_argument("--roles", type=Path, help="a table with the columns path and role")
    parser.add_argument("--most", type=int, default=60, help="images of BUSI")
    parser.add_argument("--to", type=Path, help="where the picture goes")
    arguments = parser.parse_args()
    if arguments.part == "write":
        PAGE.write_text("\n".join(page()) + "\n", encoding="utf-8")
    else:
        {"run": run, "look": look}[arguments.part](arguments)


if __name__ == "__main__":
    main()
