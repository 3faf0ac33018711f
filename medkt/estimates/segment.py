"""What `medkt segment` would do with a study, and how long and how much memory that takes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from medkt.estimates.machine import Timer, free_memory, measured_rates, used_memory
from medkt.estimates.models import ModelPlan
from medkt.estimates.passes import encoder_passes, segmenter_passes
from medkt.estimates.words import PlanSection, Seconds, duration, output_lines, rounded, size, too_large
from medkt.estimates.work import Costs, GroupWork, Passes, group_work
from medkt.models.encoder import DualEncoder
from medkt.pipeline import Study
from medkt.pipeline.words import texts_of
from medkt.saliency.relevance import PatchEncoder
from medkt.saliency.targets import NONSENSE_TEXT, ConceptTexts
from medkt.transfer.packages import AdaptedEncoder

WRITE_S = 0.4  # of the page and the picture, whatever the study
WRITE_S_A_VOXEL = 3.2e-8  # of mask, map and measures of a finding (evaluation/results/memory_flat.md)
HELD_A_VOXEL = 8  # bytes beside the image while a finding is written: the map, and the file made of it
MASK_A_VOXEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What is done with one study, before a model has seen it.

    Attributes:
        modality, shape, spacing, unit, orientation, planes: what was read and how it is cut.
        looked_at: planes that are looked at for presence, and `stride` between two of them.
        method: that makes the maps, by name.
        layer: after which it cuts the image tower.
        groups: the work, for each encoder and window.
        findings: ids of the concepts.
        notes: what a reader of the result will be told and is known already.
        seconds: by step, at least and at most; empty where the cost of a model is not known.
        memory: bytes that the process holds at most, as far as known.
    """

    modality: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    unit: str
    orientation: str
    planes: int
    looked_at: int
    stride: int
    method: str
    layer: int
    steps: int
    samples: int
    map_rule: str
    groups: tuple[GroupWork, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: Mapping[str, Seconds] = field(default_factory=dict)
    memory: float | int | None = None

    @property
    def total(self) -> Seconds | None:
        """All steps together; None where the cost of a model is not known."""
        return sum(self.seconds.values(), Seconds(least=0, most=0)) if self.seconds else None

    @property
    def maps(self) -> tuple[int, int]:
        """The least and the most slices that get a map, over all groups."""
        return sum(one.maps_least for one in self.groups), sum(one.maps_most for one in self.groups)

    def line(self) -> str:
        """One line for a terminal before the work."""
        least, most = self.maps
        some = f"{least} to {most}" if least != most else f"{most}"
        planes = f"{self.looked_at} of {self.planes} planes looked at, {some} mapped"
        if self.total is None:
            return f"{planes}; how long it takes is known after the first slice"
        memory = "" if self.memory is None else f", memory at most {size(self.memory)}"
        return f"{planes}: {self.total}{memory}"

    def sections(self) -> tuple[PlanSection, ...]:
        """What is printed of it."""
        shape, spacing = (" x ".join(f"{one:g}" for one in values) for values in (self.shape, self.spacing))
        least, most = self.maps
        step = "each" if self.stride == 1 else f"every {_nth(self.stride)}"
        work = self._passes()
        lines = [
            ("read", f"{self.modality}, {shape} voxels (slices x rows x columns), {spacing} {self.unit}, {self.orientation}"),
            ("planes", f"{self.looked_at} of {self.planes} are looked at for presence ({step} one that holds something)"),
            ("maps", f"{least if least == most else f'{least} to {most}'} slices get one: {self.map_rule}"),
            ("findings", ", ".join(self.findings)),
            (self._method, self._map_work()),
            ("segmenter", f"at most {work.embed} planes embedded, one for each slice where something stands out"),
        ]  # fmt: skip
        lines += [("note", note) for note in self.notes]
        times = [(name, str(value)) for name, value in self.seconds.items() if value.most >= 0.05]
        if self.total is not None:
            times.append(("in all", str(self.total)))
        memory = [("at most", size(self.memory))] if self.memory is not None else [("not known", "")]
        return (
            PlanSection(title="study", lines=tuple(lines)),
            PlanSection(title="time", lines=tuple(times) or (("not known", "the cost of a model is not known"),)),
            PlanSection(title="memory", lines=tuple(memory)),
        )

    def as_json(self) -> dict[str, Any]:
        """Numbers for a machine."""
        total = self.total
        return {
            "modality": self.modality, "shape": list(self.shape), "spacing": list(self.spacing), "unit": self.unit,
            "orientation": self.orientation, "planes": self.planes, "planes_looked_at": self.looked_at,
            "maps": list(self.maps), "findings": list(self.findings), "layer": self.layer,
            "groups": [_plain_group(one) for one in self.groups],
            "seconds": {name: rounded(asdict(one)) for name, one in self.seconds.items()},
            "seconds_in_all": None if total is None else rounded(asdict(total)),
            "memory_bytes": None if self.memory is None else round(self.memory), "notes": list(self.notes),
        }  # fmt: skip

    @property
    def _method(self) -> str:
        return "M2IB" if self.method == "m2ib" else self.method

    def _map_work(self) -> str:
        maps = (
            f"{sum(one.runs for one in self.groups)} maps a slice (the findings' and those that they are compared with)"
        )
        if self.method != "m2ib":
            return f"{maps} after layer {self.layer}"
        at_once = max((one.at_once for one in self.groups), default=0)
        return f"{maps} x {self.samples} samples x {self.steps} steps after layer {self.layer}, at most {at_once} rows at once"

    def _passes(self) -> Passes:
        return sum((one.most for one in self.groups), Passes())


LOADED_A_SECOND = 4e8
"""Bytes of weights that are read, hashed and put in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlan:
    """What one `medkt segment` would do.

    Attributes:
        studies: by the path that was given.
        models: that are loaded, once.
        started: seconds that this process took so far; the run takes them too.
        output, output_state: where the results go, and whether that is there; None where nobody named a place.
        refused: how many studies are refused.
    """

    studies: Mapping[str, StudyPlan]
    models: tuple[ModelPlan, ...]
    started: float
    output: str | None
    output_state: str
    refused: int = 0

    @property
    def loading(self) -> float:
        """Seconds before the first study."""
        return self.started + sum(one.bytes for one in self.models) / LOADED_A_SECOND

    @property
    def total(self) -> Seconds | None:
        """The whole command; None where the cost of a model is not known."""
        totals = [one.total for one in self.studies.values()]
        start = Seconds(least=self.loading, most=self.loading)
        return None if None in totals else sum((one for one in totals if one is not None), start)

    @property
    def memory(self) -> float | int:
        """The most bytes of any study."""
        return max((one.memory or 0 for one in self.studies.values()), default=0.0)

    def sections(self) -> tuple[PlanSection, ...]:
        """What is printed."""
        many = len(self.studies) > 1
        parts = [
            replace(section, title=f"{section.title} {path}" if many or section.title == "study" else section.title)
            for path, study in self.studies.items()
            for section in study.sections()
        ]
        times = (
            "not known" if self.total is None else f"{self.total}; start-up and loading {duration(self.loading)} of it"
        )
        lines = [("time", times), *output_lines(self.output, self.output_state)]
        lines += [("refused", f"{self.refused} studies, see above")] if self.refused else []
        lines += [("note", note) for note in too_large(self.memory, free_memory())]
        models = PlanSection(title="models", lines=tuple((one.kind, str(one)) for one in self.models))
        return (
            *parts,
            models,
            PlanSection(title="the whole command (nothing is written by --dry-run)", lines=tuple(lines)),
        )

    def as_json(self) -> dict[str, Any]:
        """Numbers for a machine."""
        return {
            "studies": [{"input_path": path, **study.as_json()} for path, study in self.studies.items()],
            "models": [asdict(one) for one in self.models], "output": self.output, "output_state": self.output_state,
            "seconds_start": round(self.loading, 2),
            "seconds": None if self.total is None else rounded(asdict(self.total)),
            "memory_bytes": round(self.memory), "refused": self.refused, "notes": list(too_large(self.memory, free_memory())),
        }  # fmt: skip


def costs_of(encoder: str, segmenter: str, timer: Timer | None = None) -> Costs | None:
    """What passes of these models take here; None where one of them is not among those that medkt knows."""
    one, sam = encoder_passes(encoder), segmenter_passes(segmenter)
    if one is None or sam is None:
        return None
    return Costs(encoder=one, segmenter=sam, timer=timer or measured_rates)


def plan_study(
    study: Study,
    taught: AdaptedEncoder,
    costs: Costs | None,
    *,
    loading: float | int = 0,
) -> StudyPlan:
    """The plan of a study that was read.

    Args:
        study: what is asked of it.
        taught: the encoder, which needs no weights here, and what it was taught.
        costs: of the passes; None leaves time and memory out.
        loading: bytes of weights that are not loaded yet.
    """
    groups = works_of(study, taught)
    looked = next(iter(study.looks.values()))
    geometry, s = study.image.geometry, study.settings
    method = s.saliency.method
    work = method.work()
    layer = work.layer
    seconds: dict[str, Seconds] = {}
    memory = None
    voxels = study.image.values.size
    if costs is not None:
        seconds = _seconds(groups, costs, layer)
        writing = WRITE_S + WRITE_S_A_VOXEL * voxels * len(study.asked)
        seconds["measure and write"] = Seconds(least=writing, most=writing)
        passes = max(costs.bytes(g.most, layer, planes=g.planes, at_once=g.at_once) for g in groups)
        written = voxels * (HELD_A_VOXEL + MASK_A_VOXEL * len(study.asked))
        memory = used_memory() + loading + max(passes, written)
    return StudyPlan(
        modality=study.kind.name, shape=geometry.shape, spacing=tuple(round(float(one), 4) for one in geometry.spacing),
        unit=geometry.unit, orientation=looked.planes.orientation, planes=looked.count, looked_at=len(looked.positions),
        stride=looked.stride, method=method.name, layer=layer, steps=work.steps, samples=work.rows,
        map_rule=_map_rule(study), groups=groups, findings=tuple(one.id for one in study.asked), notes=study.warnings,
        seconds=seconds, memory=memory,
    )  # fmt: skip


def works_of(study: Study, taught: AdaptedEncoder) -> tuple[GroupWork, ...]:
    """The work of each group of concepts, in the order in which they are looked for."""
    made, kept = [], set[tuple[str, str]]()
    for route, window, group in study.groups(taught):
        texts = [texts_of(study.kind, concept, study.settings.texts, taught.asked.get(concept.id)) for concept in group]
        new = [text for text in _texts(texts) if (route, text) not in kept]
        kept |= {(route, text) for text in new}
        planes = len(study.looks[window].positions)
        work = group_work(
            texts,
            planes,
            study.settings,
            tokens=_tokens(taught.base, new),
            patches=isinstance(taught.base, PatchEncoder),
        )
        made.append(work)
    return tuple(made)


def _texts(asked: list[ConceptTexts]) -> tuple[str, ...]:
    """Every text that is embedded, once."""
    said = [text for one in asked for text in (*one.prompts, *one.normal, *one.confusable)]
    return tuple(dict.fromkeys([*said, NONSENSE_TEXT]))


def _tokens(encoder: DualEncoder, texts: list[str]) -> dict[str, int]:
    return {text: int(encoder.tokenize([text]).ids.shape[1]) for text in texts}


def _seconds(groups: tuple[GroupWork, ...], costs: Costs, layer: int) -> dict[str, Seconds]:
    least = costs.seconds(sum((one.least for one in groups), Passes()), layer)
    most = costs.seconds(sum((one.most for one in groups), Passes()), layer)
    return {step: Seconds(least=least[step], most=most[step]) for step in most}


def _map_rule(study: Study) -> str:
    s = study.settings
    most = "" if s.map.max_slices is None else f", at most {s.map.max_slices} for a finding (map.max_slices)"
    if not s.presence.gate:
        return f"presence.gate is off, every plane looked at{most}"
    slices = max(len(looked.positions) for looked in study.looks.values())
    least = f"{s.presence.least(slices):g}"
    if s.presence.threshold is None:
        least = f"what {100 * s.presence.rate:g} % of known normal studies reach, or {least} where none are known"
    return (
        f"where a finding is present ({s.presence.rule} score of the study at least {least}), those that score "
        f"{s.presence.weak:g} or more{most}"
    )


def _nth(number: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")


def _plain_group(work: GroupWork) -> dict[str, Any]:
    return {
        "concepts": list(work.concepts), "planes": work.planes, "maps": [work.maps_least, work.maps_most],
        "maps_a_slice": work.runs, "rows_a_slice": work.rows, "rows_at_once": work.at_once,
        "passes_at_least": asdict(work.least), "passes_at_most": asdict(work.most),
    }  # fmt: skip
