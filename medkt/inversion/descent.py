"""The loop of an inversion: many independent runs in one batch, each with its own gradient norm, optimiser and end."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from medkt.errors import NumericalError
from medkt.inversion.schedule import InversionStage, learning_rate
from medkt.inversion.settings import InversionSettings

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8  # torch.optim.Adam's defaults, which the published codes keep
_NORM_EPS = 1e-6  # as torch.nn.utils.clip_grad_norm_
_SMOOTH = 0.7  # of the running mean that a plateau is seen on
_REPORTS = 100  # times at most that progress is told and the loss is checked; each waits for the device


@runtime_checkable
class Objective(Protocol):
    """Runs that are optimised side by side. A parameter's first axis is the runs."""

    @property
    def groups(self) -> Tensor:
        """(runs,) int64: runs of one number share a gradient norm and an end."""

    def start(self, stage: InversionStage) -> list[Tensor]:
        """The parameters before the first step."""

    def enlarge(self, parameters: list[Tensor], stage: InversionStage) -> list[Tensor]:
        """The parameters at the beginning of a later stage."""

    def evaluate(self, parameters: list[Tensor], runs: list[int], stage: InversionStage) -> tuple[Tensor, Tensor]:
        """The loss of each of these runs, whose sum is differentiated, and its similarity; random choices are drawn anew."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DescentResult:
    """What came out.

    Attributes:
        parameters: as the task's, all runs.
        similarity: (runs, steps), on the augmented images before each step; NaN for steps not run.
    """

    parameters: list[Tensor]
    similarity: Float[Tensor, "runs steps"]


def descend(
    task: Objective, settings: InversionSettings, stages: tuple[InversionStage, ...], tick: Callable[[int, float], None]
) -> DescentResult:
    """Run every stage; runs that reach a plateau leave the batch early.

    Args:
        task: whose parameters are changed.
        settings: of the optimiser, the clipping and the plateau.
        stages: of at least one step each.
        tick: told the steps done and the mean similarity of the runs still going on, at most some 100 times.

    Raises:
        NumericalError: the loss or a gradient is NaN or infinite.
    """
    every = max(1, settings.steps // _REPORTS)
    state = _State(task=task, settings=settings, runs=list(range(len(task.groups))))
    state.parameters = [one.detach() for one in task.start(stages[0])]
    history: list[Tensor] = []
    for stage in stages:
        if stage is not stages[0]:
            state.parameters = [one.detach() for one in task.enlarge(state.parameters, stage)]
        optimiser = _Adam(state) if settings.optimiser == "adam" else _Lbfgs(state)
        for step in range(stage.first, stage.last):
            similarity = optimiser.step(stage, learning_rate(settings, step))
            row = similarity.new_full((len(task.groups),), math.nan)
            row[state.runs] = similarity
            history.append(row)
            if settings.clamp == "after_step":
                state.parameters = [one.clamp(0, 1) for one in state.parameters]
            if (step + 1) % every == 0 or step + 1 == settings.steps:
                _require_finite(state, step)
                tick(step + 1, float(similarity.mean()))
            if settings.patience and state.retire(similarity):
                if not state.runs:
                    return state.finish(history)
                optimiser.keep(state.kept)
    state.retire_all()
    return state.finish(history)


@dataclass(kw_only=True, eq=False)
class _State:
    """The runs that still go on, and what those that ended have reached."""

    task: Objective
    settings: InversionSettings
    runs: list[int]
    parameters: list[Tensor] = field(default_factory=list)
    ended: dict[int, list[Tensor]] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)  # positions that the last retirement left
    mean: Tensor | None = None  # running mean of each run's group
    best: Tensor | None = None
    since: Tensor | None = None  # steps since the best

    @property
    def groups(self) -> Int[Tensor, "runs"]:
        """The groups of the runs that go on, numbered from 0."""
        numbers: Tensor = torch.unique(self.task.groups[self.runs], return_inverse=True)[1]
        return numbers

    def evaluate(self, parameters: list[Tensor], stage: InversionStage) -> tuple[list[Tensor], Tensor, Tensor]:
        """Gradients (clipped), similarity of each run and the loss; the runs go through in parts that fit."""
        at_once = max(1, self.settings.rows_at_once // self.settings.views)
        gradients, similarities, total = [], [], torch.zeros((), device=parameters[0].device)
        for first in range(0, len(self.runs), at_once):
            part = slice(first, first + at_once)
            leaves = [one[part].detach().requires_grad_() for one in parameters]
            loss, similarity = self.task.evaluate(leaves, self.runs[part], stage)
            gradients.append(torch.autograd.grad(loss.sum(), leaves))
            similarities.append(similarity)
            total = total + loss.detach().sum()
        joined = [torch.cat(one) for one in zip(*gradients, strict=True)]
        return self._clipped(joined), torch.cat(similarities), total

    def _clipped(self, gradients: list[Tensor]) -> list[Tensor]:
        if self.settings.clip_norm is None:
            return gradients
        groups = self.groups.to(gradients[0].device)
        squares = torch.stack([one.flatten(1).square().sum(dim=1) for one in gradients]).sum(dim=0)
        norms = torch.zeros_like(squares).index_add(0, groups, squares).sqrt()[groups]
        factor = (self.settings.clip_norm / (norms + _NORM_EPS)).clamp(max=1)
        return [one * factor.reshape(-1, *[1] * (one.ndim - 1)) for one in gradients]

    def retire(self, similarity: Tensor) -> bool:
        """Take the runs out whose group has not risen for long enough; whether there were any."""
        groups = self.groups.to(similarity.device)
        sums = torch.zeros_like(similarity).index_add(0, groups, similarity)
        now = (sums / torch.bincount(groups, minlength=len(groups)).clamp_min(1))[groups]
        if self.mean is None or self.best is None or self.since is None:
            self.mean, self.best, self.since = now, now, torch.zeros_like(now)
            return False
        self.mean = _SMOOTH * self.mean + (1 - _SMOOTH) * now
        risen = self.mean > self.best + self.settings.plateau
        self.best = torch.where(risen, self.mean, self.best)
        self.since = torch.where(risen, torch.zeros_like(self.since), self.since + 1)
        going_on = (self.since < self.settings.patience).tolist()
        self.kept = [position for position, on in enumerate(going_on) if on]
        for position, on in enumerate(going_on):
            if not on:
                self.ended[self.runs[position]] = [one[position].clone() for one in self.parameters]
        if len(self.kept) == len(self.runs):
            return False
        self.runs = [self.runs[position] for position in self.kept]
        self.parameters = [one[self.kept] for one in self.parameters]
        self.mean, self.best, self.since = self.mean[self.kept], self.best[self.kept], self.since[self.kept]
        return True

    def retire_all(self) -> None:
        for position, run in enumerate(self.runs):
            self.ended[run] = [one[position] for one in self.parameters]

    def finish(self, history: list[Tensor]) -> DescentResult:
        rows = [self.ended[run] for run in range(len(self.task.groups))]
        missing = self.settings.steps - len(history)
        similarity = torch.stack(history, dim=1).cpu()
        return DescentResult(
            parameters=[torch.stack(one) for one in zip(*rows, strict=True)],
            similarity=torch.nn.functional.pad(similarity, (0, missing), value=math.nan),
        )


class _Adam:
    """Kingma and Ba's Adam, as torch.optim.Adam computes it, whose state can lose runs."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._first = [torch.zeros_like(one) for one in state.parameters]
        self._second = [torch.zeros_like(one) for one in state.parameters]
        self._steps = 0

    def step(self, stage: InversionStage, lr: float) -> Tensor:
        """One step; the similarity of each run before it."""
        state = self._state
        if state.settings.clamp == "before_step":
            state.parameters = [one.clamp(0, 1) for one in state.parameters]
        gradients, similarity, _ = state.evaluate(state.parameters, stage)
        if state.settings.clamp == "after_gradient":
            state.parameters = [one.clamp(0, 1) for one in state.parameters]
        self._steps += 1
        grow1, grow2 = 1 - _BETA1**self._steps, 1 - _BETA2**self._steps
        for index, gradient in enumerate(gradients):
            first = self._first[index].lerp_(gradient, 1 - _BETA1)
            second = self._second[index].mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
            size = (second.sqrt() / math.sqrt(grow2)).add_(_EPS)
            state.parameters[index] = state.parameters[index] - (lr / grow1) * first / size
        return similarity

    def keep(self, positions: list[int]) -> None:
        """Forget the other runs."""
        self._first = [one[positions] for one in self._first]
        self._second = [one[positions] for one in self._second]


class _Lbfgs:
    """torch.optim.LBFGS; its line couples all parameters, so a task of it holds one group only."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._leaves = [one.clone().requires_grad_() for one in state.parameters]
        self._optimiser = torch.optim.LBFGS(self._leaves, lr=state.settings.lr)
        state.parameters = [one.detach() for one in self._leaves]

    def step(self, stage: InversionStage, lr: float) -> Tensor:
        """One step of up to 25 evaluations; the similarity of each run at the first of them."""
        state, first = self._state, []
        self._optimiser.param_groups[0]["lr"] = lr

        def closure() -> Tensor:
            if state.settings.clamp == "before_step":
                for leaf in self._leaves:
                    leaf.data.clamp_(0, 1)
            gradients, similarity, loss = state.evaluate([leaf.detach() for leaf in self._leaves], stage)
            for leaf, gradient in zip(self._leaves, gradients, strict=True):
                leaf.grad = gradient
                if state.settings.clamp == "after_gradient":
                    leaf.data.clamp_(0, 1)
            first.append(similarity)
            return loss

        with torch.enable_grad():
            self._optimiser.step(closure)  # type: ignore[no-untyped-call]
        if state.settings.clamp == "after_step":
            for leaf in self._leaves:
                leaf.data.clamp_(0, 1)
        state.parameters = [leaf.detach() for leaf in self._leaves]
        return first[0]

    def keep(self, positions: list[int]) -> None:
        """Never asked for: the one group ends whole."""
        raise NotImplementedError


def _require_finite(state: _State, step: int) -> None:
    if not all(bool(torch.isfinite(one).all()) for one in state.parameters):
        raise NumericalError(
            f"inversion: the gradient is NaN or infinite by step {step + 1}; run the encoder in float32, or with a smaller lr"
        )
