"""What `medkt learn` would do, stage by stage, and how long and how much memory that takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from medkt.estimates.machine import Rates, Timer, free_memory, used_memory
from medkt.estimates.models import ModelPlan
from medkt.estimates.passes import EncoderPasses, Pass
from medkt.estimates.segment import LOADED_A_SECOND
from medkt.estimates.words import PlanSection, Seconds, duration, rounded, size, too_large
from medkt.estimates.work import BETWEEN
from medkt.inversion import InversionSettings, LocalSettings
from medkt.transfer.image_batches import InversionBatch, wanted_images
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.vocabulary import Vocabulary

WEIGHTS_TOO = 1.5
"""Of forward pass and gradient at the states, what it takes to have that of the weights too."""
COPIED_A_SECOND = 4.6e8  # bytes of an encoder that is copied and digested (evaluation/results/learn_full_size.md)
COPIES = 12  # of the encoder: for each fine-tuning, each control, the difference and what it is applied to
IN_LBFGS = 20  # evaluations of a step, of at most 25
EXAM = 220  # pictures of an exam, about: 152 and eight of each known finding that is drawn
SET_ON = 216  # pictures, about, that a lead is set on: 100 normals and 12 of each known finding
ASKED = 104 + SET_ON  # by which it is settled how a learned concept is asked
_CONTROLS = {
    "full": (8, 14),
    "quick": (5, 10),
    "none": (0, 0),
}  # those fine-tuned with a loss; encoders and ways that sit the exam
_WORDED = 3  # controls with words of their own: altered, another finding's, nonsense; a full audit shuffles them, too
SLOW_HALF = 0.8  # of the speed of float32, below which a note says so
IN_HALF = 0.6  # of the bytes of intermediate results in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnStage:
    """One part of a learning.

    Attributes:
        name: as progress calls it.
        images: that are made, or fine-tuned on.
        steps: of the optimiser, over all batches.
        found: of the images, those that are in the cache.
        flops: with the gradient, in the arithmetic of the settings (`half`) or in float32.
        flops_forward: without.
        seconds: that it takes; None where the cost of the model is not known.
    """

    name: str
    images: int
    steps: int
    found: int = 0
    flops: float | int = 0
    flops_forward: float | int = 0
    half: bool = False
    seconds: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnPlan:
    """What one `medkt learn` would do.

    Attributes:
        concept: its id.
        texts: captions that are inverted, and of known findings.
        model: the encoder.
        stages: in the order of the work.
        memory: bytes at most; None where not known.
        output, cache: where the package and inverted images go; None where nobody named a package.
        notes: of the captions.
        started: seconds that this process took so far.
    """

    concept: str
    texts: Mapping[str, int]
    model: ModelPlan
    stages: tuple[LearnStage, ...]
    memory: float | int | None
    output: str | None
    cache: str
    notes: tuple[str, ...] = ()
    started: float | int = 0

    @property
    def loading(self) -> float:
        """Seconds before the first stage."""
        return self.started + self.model.bytes / LOADED_A_SECOND

    @property
    def total(self) -> Seconds | None:
        """The whole command; None where the cost of the model is not known."""
        known = [one.seconds for one in self.stages if one.seconds is not None]
        start = Seconds(least=self.loading, most=self.loading)
        return sum(known, start) if len(known) == len(self.stages) else None

    @property
    def expected(self) -> dict[str, float]:
        """Seconds of each stage, by name, for `Pace`."""
        found: dict[str, float] = {}
        for one in self.stages:
            found[one.name] = found.get(one.name, 0.0) + (float(one.seconds.most) if one.seconds else 0.0)
        return found

    def line(self) -> str:
        """One line for a terminal before the work."""
        images, found = (sum(getattr(one, name) for one in self.stages[:-2]) for name in ("images", "found"))
        cached = f", {found} of them in the cache" if found else ""
        took = "how long it takes is known after the first images" if self.total is None else str(self.total)
        memory = "" if self.memory is None else f", memory at most {size(self.memory)}"
        return f"{images} images to invert{cached}: {took}{memory}"

    def sections(self) -> tuple[PlanSection, ...]:
        """What is printed."""
        words = ", ".join(f"{count} {what}" for what, count in self.texts.items())
        stages = [(one.name, _said(one)) for one in self.stages]
        total = (
            "not known" if self.total is None else f"{self.total}; start-up and loading {duration(self.loading)} of it"
        )
        lines = [("time", total)]
        lines += [] if self.memory is None else [("memory", f"at most {size(self.memory)}")]
        lines += [("package", self.output)] if self.output is not None else []
        lines += [("cache", self.cache)]
        lines += [("note", note) for note in too_large(self.memory or 0, free_memory())]
        return (
            PlanSection(
                title=f"concept {self.concept}", lines=(("captions", words), *(("note", one) for one in self.notes))
            ),
            PlanSection(title="models", lines=((self.model.kind, str(self.model)),)),
            PlanSection(title="stages", lines=tuple(stages)),
            PlanSection(title="the whole command (nothing is written by --dry-run)", lines=tuple(lines)),
        )

    def as_json(self) -> dict[str, Any]:
        """Numbers for a machine."""
        return {
            "concept": self.concept, "texts": dict(self.texts), "models": [asdict(self.model)],
            "stages": [
                {
                    "name": one.name, "images": one.images, "cached": one.found, "steps": one.steps,
                    "seconds": None if one.seconds is None else rounded(asdict(one.seconds)),
                }
                for one in self.stages
            ],
            "seconds_start": round(self.loading, 2), "seconds": None if self.total is None else rounded(asdict(self.total)),
            "memory_bytes": None if self.memory is None else round(self.memory), "output": self.output, "cache": self.cache,
            "notes": [*self.notes, *too_large(self.memory or 0, free_memory())],
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What is asked for, as the options say it.

    Attributes:
        vocabulary: the words.
        settings: of learning.
        seeds: one learning each.
        level: of the audit, "full", "quick" or "none".
        layer: up to which nothing trains; None where all does.
        found: gives how many texts of some wanted images are in the cache.
    """

    vocabulary: Vocabulary
    settings: LearnSettings
    seeds: Sequence[int]
    level: str
    layer: int | None
    found: Callable[[InversionBatch], int] = field(default=lambda _: 0)


def stages_of(learning: Learning, passes: EncoderPasses | None, timer: Timer | None) -> tuple[LearnStage, ...]:
    """The stages of a learning, with the seconds that they take where both the passes and the speed are known."""
    wanted: dict[InversionBatch, None] = {}
    for seed in learning.seeds:  # images of known findings are made once for all seeds
        wanted |= dict.fromkeys(wanted_images(learning.vocabulary, learning.settings, seed=seed))
    stages = [_inverted(one, learning.found(one), passes) for one in wanted]
    joined = [_joined([one for one in stages if one.name == name]) for name in dict.fromkeys(s.name for s in stages)]
    joined += [_tuned(learning, passes), _judged(learning, passes)]
    return tuple(_timed(one, passes, timer) for one in joined)


def memory_of(learning: Learning, passes: EncoderPasses, *, loading: float | int) -> float:
    """Bytes at most: several copies of the encoder, and the rows of one pass with its gradient."""
    hows = {one.how: one for one in wanted_images(learning.vocabulary, learning.settings, seed=0)}
    rows = [
        min(how.rows_at_once, one.images * _views(how)) * (IN_HALF if how.dtype == "bfloat16" else 1.0)
        for how, one in hows.items()
    ]
    inverted = max(rows) * passes.image_and_back.bytes
    tune = learning.settings.finetune
    step = _trained(passes, learning.layer).bytes * (tune.batch + tune.rehearsal_batch) * WEIGHTS_TOO
    return used_memory() + loading + 3.0 * passes.weights + max(inverted, step)


def _inverted(wanted: InversionBatch, found: int, passes: EncoderPasses | None) -> LearnStage:
    how, left = wanted.how, len(wanted.texts) - found
    rows = left * wanted.images * _views(how) * how.steps * _evaluations(how)
    if isinstance(how, LocalSettings):
        rows += left * wanted.images  # the gradient that says where a lesion goes
    one = passes.image_and_back.flops if passes else 0
    last = passes.image.flops * left * wanted.images if passes else 0
    return LearnStage(
        name=wanted.stage, images=len(wanted.texts) * wanted.images, found=found * wanted.images, steps=left * how.steps,
        flops=rows * one, flops_forward=last, half=how.dtype == "bfloat16",
    )  # fmt: skip


def _views(how: InversionSettings | LocalSettings) -> int:
    return how.views if isinstance(how, InversionSettings) else 1


def _evaluations(how: InversionSettings | LocalSettings) -> int:
    return IN_LBFGS if isinstance(how, InversionSettings) and how.optimiser == "lbfgs" else 1


def _tuned(learning: Learning, passes: EncoderPasses | None) -> LearnStage:
    """Fine-tuning with every learning rate, and all that each candidate is asked."""
    s, seeds = learning.settings, len(learning.seeds)
    copies, known, asked = _images(learning)
    steps = s.finetune.steps or -(-copies // s.finetune.batch) * s.finetune.epochs
    rates = len(s.choice.learning_rates) if s.choose else 1
    rows = steps * (min(s.finetune.batch, copies) + min(s.finetune.rehearsal_batch, known))
    looks = (-(-steps // s.choice.every) * len(s.choice.interpolations) * rates + 2) * asked if s.choose else 0
    flops, forward = 0.0, 0.0
    if passes is not None:
        flops = rates * rows * _trained(passes, learning.layer).flops * WEIGHTS_TOO
        forward = (rates * copies + 2.0 * known + asked) * _first(passes, learning.layer)
        forward += (looks + known) * _rest(passes, learning.layer)
    return LearnStage(
        name="fine-tuning", images=copies + known, steps=seeds * rates * steps, flops=seeds * flops,
        flops_forward=seeds * forward, half=s.finetune.dtype == "bfloat16",
    )  # fmt: skip


def _judged(learning: Learning, passes: EncoderPasses | None) -> LearnStage:
    """The audit: every control is fine-tuned once more, and asked; and how the concept is asked from now on."""
    s = learning.settings
    copies, known, asked = _images(learning)
    steps = s.finetune.steps or -(-copies // s.finetune.batch) * s.finetune.epochs
    again, answers = _CONTROLS[learning.level]
    own, held = (1, 1) if learning.level == "full" else (2, 4)  # as `controls._again` cuts a step
    rows = again * steps * (min(s.finetune.batch, copies) / own + min(s.finetune.rehearsal_batch, known) / held)
    flops, forward = 0.0, 0.0
    if passes is not None:
        flops = rows * _trained(passes, learning.layer).flops * WEIGHTS_TOO
        forward = again * copies * _first(passes, learning.layer) + 2.0 * len(learning.seeds) * asked * _rest(
            passes, learning.layer
        )
        forward += (
            (EXAM * _first(passes, learning.layer) + answers * EXAM * _rest(passes, learning.layer)) if answers else 0
        )
        # an audit asks the base as a package would, too
        forward += (ASKED + (SET_ON if answers else 0)) * passes.image.flops
    made = _again(learning, passes) if again else LearnStage(name="", images=0, steps=0)
    return LearnStage(
        name="controls", images=made.images, steps=again * steps + made.steps, flops=flops + made.flops,
        flops_forward=forward + made.flops_forward, half=s.finetune.dtype == "bfloat16",
    )  # fmt: skip


def _again(learning: Learning, passes: EncoderPasses | None) -> LearnStage:
    """Images that the controls with words of their own make; quick ones fewer, in half the steps."""
    whole = learning.level == "full"
    settings = replace(learning.settings, choose=False) if whole else learning.settings.cheaper()
    wanted = wanted_images(learning.vocabulary, settings, seed=learning.seeds[0])
    own = [one for one in wanted if one.stage in ("images of the concept", "images of altered captions")]
    return _joined([_inverted(one, 0, passes) for one in own * (_WORDED + whole)])


def _images(learning: Learning) -> tuple[int, int, int]:
    """Copies of the concept's images, copies of those of known findings, and images that candidates are asked about."""
    s, words = learning.settings, learning.vocabulary
    if s.how == "local":
        return _lesions(learning)
    known = len(words.rehearsed) * s.rehearsal_images * s.views
    each = -(-s.validation_images // len(words.described)) * len(words.described)
    few = -(-s.validation_images // 2) * len(words.rehearsed)
    return s.images * s.views, known, each + few


def _lesions(learning: Learning) -> tuple[int, int, int]:
    """The same where lesions are made inside normal studies."""
    s, teach, known = learning.settings, learning.settings.teaching, len(learning.vocabulary.known)
    copies = (s.images + teach.rivals * teach.rival_captions) * s.views
    few = -(-s.validation_images // 2)
    return (
        copies,
        known * (teach.drawn + teach.known) + teach.normals + teach.blobs,
        s.validation_images + few * (known + 1),
    )


def _trained(passes: EncoderPasses, layer: int | None) -> Pass:
    return passes.image_and_back if layer is None else passes.after_and_back[layer]


def _first(passes: EncoderPasses, layer: int | None) -> float | int:
    return 0 if layer is None else passes.before[layer].flops


def _rest(passes: EncoderPasses, layer: int | None) -> float | int:
    return passes.image.flops if layer is None else passes.after[layer].flops


def _joined(stages: Sequence[LearnStage]) -> LearnStage:
    return LearnStage(
        name=stages[0].name, half=stages[0].half,
        **{key: sum(getattr(one, key) for one in stages) for key in ("images", "found", "steps", "flops", "flops_forward")},
    )  # fmt: skip


def _timed(stage: LearnStage, passes: EncoderPasses | None, timer: Timer | None) -> LearnStage:
    if passes is None or timer is None:
        return stage
    rates = timer(passes.states[-1], True)
    spent = BETWEEN * (stage.flops / (rates.half if stage.half else rates.back) + stage.flops_forward / rates.forward)
    if stage.name in ("fine-tuning", "controls"):
        spent += COPIES / 2 * passes.weights / COPIED_A_SECOND
    return replace(stage, seconds=Seconds(least=spent, most=spent))


def _said(stage: LearnStage) -> str:
    found = f" ({stage.found} in the cache)" if stage.found else ""
    time = "" if stage.seconds is None else f", {stage.seconds}"
    return f"{stage.images} images{found}, {stage.steps} steps{time}"


def _slow_half(settings: LearnSettings, rates: Rates) -> tuple[str, ...]:
    """A note where this processor computes the settings' bfloat16 more slowly than float32."""
    parts = {"teaching.inversion": settings.teaching.inversion.dtype, "finetune": settings.finetune.dtype}
    if settings.how == "images":
        parts = {
        "inversion": settings.inversion.dtype, "judged_with": settings.judged_with.dtype,
            "rehearsed_with": settings.rehearsed_with.dtype, "finetune": settings.finetune.dtype,
        }  # fmt: skip
    slow = [name for name, precision in parts.items() if precision == "bfloat16"]
    if not slow or rates.half >= SLOW_HALF * rates.back:
        return ()
    sets = " ".join(f"--set {name}.dtype=float32" for name in slow)
    return (f"bfloat16 takes {rates.back / rates.half:.1f} times as long as float32 on this processor; faster: {sets}",)


def plan_learn(
    learning: Learning,
    model: ModelPlan,
    passes: EncoderPasses | None,
    timer: Timer | None,
    *,
    concept: str,
    output: str | None,
    cache: str,
    notes: Sequence[str] = (),
    loading: float | int = 0,
    started: float | int = 0,
) -> LearnPlan:
    """The plan of a learning.

    Args:
        learning: what is asked for.
        model: the encoder.
        passes: of it; None where they are not known, and then neither time nor memory are.
        timer: this machine's speed.
        concept: its id.
        output: where the package goes; None where nobody named a place.
        cache: of inverted images.
        notes: of the captions.
        loading: bytes of weights that are not loaded yet.
        started: seconds that this process took so far.
    """
    words = learning.vocabulary
    notes = (*notes, *(_slow_half(learning.settings, timer(passes.states[-1], True)) if passes and timer else ()))
    return LearnPlan(
        concept=concept, model=model, stages=stages_of(learning, passes, timer), output=output, cache=cache,
        texts={"of the concept": len(words.described), "of known findings": len(words.rehearsed)},
        memory=None if passes is None else memory_of(learning, passes, loading=loading), notes=tuple(notes), started=started,
    )  # fmt: skip
