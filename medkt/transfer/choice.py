"""How far to go, chosen without a label and without a real image.

Fine-tuning is run with several learning rates; on its way, and on the line between the base and where it is, each
candidate is asked two things about images that were made from words, with other seeds than those it learns from.
Does the concept's bare name come first for images of the concept? Are images of known concepts still called what the
base calls them? The candidate that answers the first best, among those that forget no more than a bound, is kept. The
base itself is always a candidate, so that there is an answer when nothing else keeps the bound.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from medkt.errors import InputError, SettingsError
from medkt.models.encoder import DualEncoder
from medkt.transfer.copies import copy_encoder, mark_adapted
from medkt.transfer.finetune import Captions, FinetuneSettings, FinetuneStep, finetune
from medkt.transfer.rehearsal import PrefixActivations, Rehearsal, look, text_vectors, vectors_of
from medkt.transfer.trainable import TrainableParts, frozen_layer, training


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceSettings:
    """Which candidates there are, and the rule between them."""

    learning_rates: tuple[float, ...] = (6e-4,)
    falls: int = 2
    """How often the smallest rate is divided by four and tried too, where only the base keeps the bound until then. A
    rate that suits one model is too high for another."""

    every: int = 10
    """Steps between two candidates of one run; the last step is one too."""

    interpolations: tuple[float, ...] = (0.5, 0.75, 1.0)
    """Where between the base (0) and the fine-tuned weights (1) a candidate stands."""

    max_forgetting: float = 0.2
    """The largest share of known images whose nearest name may change. Inverted images lie near the borders between
    names: on phantoms, a tenth of them renamed went with about three hundredths of the real images."""

    close: float = 0.02
    """Candidates whose success is within this of the best are equally good; margin less drift then decides."""

    drift_weight: float = 3.0
    """How much a nat of drift of the known images weighs against a cosine of margin."""

    patience: int = 3
    """A run ends after so many looks in a row at which every interpolation forgets more than the bound."""

    def __post_init__(self) -> None:
        checks = {
            "learning_rates": bool(self.learning_rates) and all(rate > 0 for rate in self.learning_rates),
            "falls": self.falls >= 0,
            "every": self.every >= 1,
            "interpolations": bool(self.interpolations) and all(0 < t <= 1 for t in self.interpolations),
            "max_forgetting": 0 <= self.max_forgetting <= 1,
            "close": 0 <= self.close <= 1,
            "drift_weight": self.drift_weight >= 0,
            "patience": self.patience >= 1,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"choice setting {name} cannot be {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Validation:
    """What candidates are asked about; no image of it may be one that they learn from.

    Attributes:
        images: of the concept, (images, 3, side, side) normalised: inverted with other seeds, other augmentation.
        name: the prompt with the concept's bare name.
        known_images: of known concepts, made in the same way from other seeds than the rehearsal's.
        known: the prompts with the bare names of known concepts.
    """

    images: Float[Tensor, "images 3 side side"]
    name: str
    known_images: Float[Tensor, "known 3 side side"]
    known: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.images) or not len(self.known_images) or not self.known:
            raise InputError(
                f"validation needs images of the concept and of known ones, and known names: got {len(self.images)}, "
                f"{len(self.known_images)} and {len(self.known)}"
            )
        if self.name in self.known:
            raise InputError(f"validation: {self.name!r} is among the known names; leave it out there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One place on the way, and what it answered.

    Attributes:
        learning_rate: of its run; 0 for the base.
        step: steps done; 0 for the base.
        interpolation: between base (0) and what was fine-tuned (1).
        success: share of the concept's validation images whose nearest name is the concept's.
        margin: mean cosine with the name less that with the nearest known one.
        retention: share of the known validation images with the base's nearest name, the new name being one to choose;
            images that the base itself gives the new name are not counted.
        drift: mean KL(base || candidate) of the known images over all names, at the encoder's own logit scale, in nats.
    """

    learning_rate: float
    step: int
    interpolation: float
    success: float
    margin: float
    retention: float
    drift: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateChoice:
    """What was chosen.

    Attributes:
        encoder: the adapted encoder; a copy of the base where `chosen` is the base.
        chosen: its record.
        candidates: all records in the order in which they were asked, the base first.
        judged: the validation's images of the concept and of known ones, as far as the layers go that do not train.
    """

    encoder: DualEncoder
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    judged: tuple[PrefixActivations, PrefixActivations]


def choose(
    encoder: DualEncoder,
    images: Float[Tensor, "images 3 side side"],
    captions: Captions,
    validation: Validation,
    settings: FinetuneSettings | None = None,
    choice: ChoiceSettings | None = None,
    *,
    rehearsal: Rehearsal | None = None,
    on_candidate: Callable[[Candidate], None] | None = None,
) -> CandidateChoice:
    """Fine-tune with one or several learning rates and keep the best place on the way; the given encoder stays as it was.

    Args:
        encoder: the base.
        images: as for `finetune`.
        captions: as for `finetune`.
        validation: what candidates are asked.
        settings: of fine-tuning; its learning rate is replaced by those of `choice`.
        choice: which candidates there are.
        rehearsal: as for `finetune`.
        on_candidate: called with each record.

    Raises:
        InputError: the base gives every known image the new name.
        MedktError: as `finetune`.
    """
    settings, choice = (settings or FinetuneSettings()).on(images.device), choice or ChoiceSettings()
    asked = _Asked(encoder, validation, settings.trains)
    search = _Search(asked, choice, on_candidate)

    def run(rate: float) -> None:
        search.begin(rate)
        at_rate = replace(settings, learning_rate=rate)
        finetune(encoder, images, captions, at_rate, rehearsal=rehearsal, on_step=search.look)

    for rate in choice.learning_rates:
        run(rate)
    for fall in range(1, choice.falls + 1):
        if search.keeps_any:
            break
        run(min(choice.learning_rates) / 4**fall)
    best = search.best()
    return CandidateChoice(
        encoder=search.made(best, settings.trains),
        chosen=best,
        candidates=tuple(search.candidates),
        judged=(asked.concept, asked.known),
    )


def best_of(candidates: list[Candidate], choice: ChoiceSettings) -> Candidate:
    """The rule: forgetting within the bound, then success, then among the nearly equal the greatest margin less drift.

    Of candidates that are equal in all this, the one asked first.
    """
    allowed = [candidate for candidate in candidates if _keeps(candidate, choice)]
    most = max(candidate.success for candidate in allowed)
    close = [candidate for candidate in allowed if candidate.success >= most - choice.close - 1e-12]
    return max(close, key=lambda candidate: candidate.margin - choice.drift_weight * candidate.drift)


def _keeps(candidate: Candidate, choice: ChoiceSettings) -> bool:
    return 1 - candidate.retention <= choice.max_forgetting + 1e-12


class _Asked:
    """The questions, with the base's answers; a candidate is asked through whatever encoder holds its weights."""

    def __init__(self, base: DualEncoder, validation: Validation, trains: TrainableParts) -> None:
        self.base = base
        layer = frozen_layer(base, trains)
        self.concept, self.known = (look(base, x, layer) for x in (validation.images, validation.known_images))
        self._names = text_vectors(base, (*validation.known, validation.name))
        self._scale = base.logit_scale
        self._before = self._cosines(base, self.known)
        self._answers = self._before.argmax(dim=1)
        self._counted = self._answers != len(validation.known)
        if not bool(self._counted.any()):
            raise InputError(
                f"validation: the base calls every known image {validation.name!r}, so that forgetting cannot be "
                "measured; give other images or names"
            )

    def ask(self, encoder: DualEncoder, *, learning_rate: float, step: int, interpolation: float) -> Candidate:
        """The record of the encoder as it now is."""
        concept, known = self._cosines(encoder, self.concept), self._cosines(encoder, self.known)
        margins = concept[:, -1] - concept[:, :-1].max(dim=1).values
        same = (known.argmax(dim=1) == self._answers)[self._counted]
        drift = functional.kl_div(
            functional.log_softmax(known * self._scale, dim=1),
            functional.log_softmax(self._before * self._scale, dim=1),
            log_target=True,
            reduction="batchmean",
        )
        return Candidate(
            learning_rate=learning_rate,
            step=step,
            interpolation=interpolation,
            success=float((margins > 0).double().mean()),
            margin=float(margins.mean()),
            retention=float(same.double().mean()),
            drift=max(0.0, float(drift)),
        )

    def _cosines(self, encoder: DualEncoder, seen: PrefixActivations) -> Tensor:
        """(images, names), the concept's name last."""
        return vectors_of(encoder, seen) @ self._names.T


class _Search:
    """Candidates as they come, and the weights of those that may still be chosen."""

    def __init__(self, asked: _Asked, choice: ChoiceSettings, report: Callable[[Candidate], None] | None) -> None:
        self._asked, self._choice, self._report = asked, choice, report
        self._weights: dict[int, dict[str, Tensor]] = {}
        self._rate, self._misses = 0.0, 0
        self.candidates: list[Candidate] = []
        self._keep(asked.ask(asked.base, learning_rate=0.0, step=0, interpolation=0.0), {})

    def begin(self, learning_rate: float) -> None:
        """A new run."""
        self._rate, self._misses = learning_rate, 0

    def look(self, progress: FinetuneStep) -> bool:
        """Called after each step; True where the run has no more to offer."""
        if progress.step % self._choice.every and progress.step != progress.steps:
            return False
        found = [self._ask_at(progress, t) for t in self._choice.interpolations]
        self._misses = 0 if any(_keeps(candidate, self._choice) for candidate in found) else self._misses + 1
        return self._misses >= self._choice.patience

    @property
    def keeps_any(self) -> bool:
        """Whether another candidate than the base keeps the bound."""
        return any(candidate.step and _keeps(candidate, self._choice) for candidate in self.candidates)

    def best(self) -> Candidate:
        """By the rule, among all so far."""
        return best_of(self.candidates, self._choice)

    def made(self, chosen: Candidate, trains: TrainableParts) -> DualEncoder:
        """The encoder of a candidate; LoRA's factors are merged on the way."""
        made = copy_encoder(self._asked.base)
        index = next(i for i, candidate in enumerate(self.candidates) if candidate is chosen)
        if not self._weights[index]:
            return made
        with training(made, trains) as parameters:
            _put(parameters, self._weights[index])
        return mark_adapted(made)

    def _ask_at(self, progress: FinetuneStep, t: float) -> Candidate:
        kept = {name: value.detach().clone() for name, value in progress.parameters.items()}
        between = {name: self._towards(name, value, t) for name, value in kept.items()}
        try:
            _put(progress.parameters, between)
            candidate = self._asked.ask(progress.encoder, learning_rate=self._rate, step=progress.step, interpolation=t)
        finally:
            _put(progress.parameters, kept)
        self._keep(candidate, between)
        return candidate

    def _towards(self, name: str, value: Tensor, t: float) -> Tensor:
        # LoRA adds B A to a weight: shrinking B alone is the straight line of the weights.
        if ".lora_" in name:
            return value * t if ".lora_B." in name else value
        return torch.lerp(self._asked.base.module.get_parameter(name).detach(), value, t)

    def _keep(self, candidate: Candidate, weights: dict[str, Tensor]) -> None:
        """Weights of candidates that the rule would not choose now are let go: a later one cannot make them better."""
        self.candidates.append(candidate)
        self._weights[len(self.candidates) - 1] = weights
        best = self.best()
        self._weights = {
            index: kept
            for index, kept in self._weights.items()
            if self.candidates[index] is best or self._may_win(self.candidates[index], best)
        }
        if self._report is not None:
            self._report(candidate)

    def _may_win(self, candidate: Candidate, best: Candidate) -> bool:
        """Success above the best's, with a smaller margin: the best may fall out of reach of a later success."""
        return _keeps(candidate, self._choice) and candidate.success > best.success


def _put(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(value)
