"""The audit of a learned concept: gain, forgetting, controls, specificity, over the seeds that were learned with."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medkt.audit.controls import CONTROLS, Setting
from medkt.audit.questions import Answers, Kept, Questions, ask, spread
from medkt.models.encoder import DualEncoder
from medkt.statistics import wilson
from medkt.transfer.learn import Learned

Level = Literal["full", "quick", "none"]
Ticker = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was asked of every state of the encoder.

    Attributes:
        level: "full" or "quick".
        seeds: of the learnings, in the order of `after` and of each control.
        before: the base's answers, one for each seed, as each has images of its own.
        after: the adapted encoders' answers.
        controls: by name; in a quick audit only of the first seed.
    """

    level: Level
    seeds: tuple[int, ...]
    before: tuple[Answers, ...]
    after: tuple[Answers, ...]
    controls: Mapping[str, tuple[Answers, ...]]

    @property
    def forgotten(self) -> float:
        """Share of known images with another name than before, mean over seeds."""
        return sum(one.forgotten for one in self.after) / len(self.after)

    @property
    def kept(self) -> dict[str, Kept]:
        """By known finding, the images of all seeds together."""
        names = self.after[0].kept
        return {
            name: Kept(same=sum(a.kept[name].same for a in self.after), of=sum(a.kept[name].of for a in self.after))
            for name in names
        }

    def as_json(self) -> dict[str, Any]:
        """Numbers for `audit.json`; an interval that does not exist is null."""
        return {
            "level": self.level,
            "judged on": "images inverted by the base model from the words, with other seeds than those learned from",
            "seeds": list(self.seeds),
            "intervals": "95 %; over seeds by Student's t, of shares by Wilson",
            "gain": {
                "accuracy by bare name": _change(self.before, self.after, "success"),
                "margin to the nearest known name": _change(self.before, self.after, "margin"),
            },
            "forgetting": {
                "share of known images with another name": _spread([a.forgotten for a in self.after]),
                "by finding": {name: _share(kept) for name, kept in self.kept.items()},
            },
            "specificity": {
                name: _change_of([b.specificity[name] for b in self.before], [a.specificity[name] for a in self.after])
                for name in self.after[0].specificity
            },
            "controls": {
                name: {
                    "accuracy by bare name": _spread([one.success for one in answers]),
                    "margin to the nearest known name": _spread([one.margin for one in answers]),
                    "share of known images with another name": _spread([one.forgotten for one in answers]),
                }
                for name, answers in self.controls.items()
            },
        }


def audit(
    base: DualEncoder,
    learned: Sequence[Learned],
    *,
    normal: str,
    level: Level = "quick",
    cache: Path | None = None,
    progress: Ticker | None = None,
) -> Audit:
    """Ask the base, what was learned with each seed, and the controls.

    Args:
        base: the encoder before it learned.
        learned: with one seed or several, all of one concept.
        normal: the prompt of a normal study, which a finding's image must fit less than its name.
        level: "quick": the controls that need no images of their own, for the first seed; "full": all, for each seed.
        cache: of inverted images.
        progress: told (stage, controls done, controls in all).
    """
    questions = [
        Questions.of(base, one.material, normal=normal, trains=one.settings.finetune.trains, judged=one.judged)
        for one in learned
    ]
    before = tuple(ask(base, one) for one in questions)
    after = tuple(ask(one.encoder, asked) for one, asked in zip(learned, questions, strict=True))
    wanted = [control for control in CONTROLS if level == "full" or control.quick]
    judged = list(zip(learned, questions, strict=True))[: None if level == "full" else 1]
    controls: dict[str, tuple[Answers, ...]] = {}
    for done, control in enumerate(wanted):
        if progress is not None:
            progress("controls", done, len(wanted))
        controls[control.name] = tuple(
            ask(control.make(Setting(base=base, learned=one, cache=cache)), asked) for one, asked in judged
        )
    return Audit(
        level=level, seeds=tuple(one.seed for one in learned), before=before, after=after, controls=controls
    )  # fmt: skip


def _change(before: Sequence[Answers], after: Sequence[Answers], what: str) -> dict[str, Any]:
    return _change_of([getattr(one, what) for one in before], [getattr(one, what) for one in after])


def _change_of(before: list[float], after: list[float]) -> dict[str, Any]:
    gains = [b - a for a, b in zip(before, after, strict=True)]
    return {"before": _spread(before), "after": _spread(after), "change": _spread(gains)}


def _spread(values: list[float]) -> dict[str, Any]:
    mean, low, high = spread(values)
    return {"mean": _number(mean), "low": _number(low), "high": _number(high), "of": len(values)}


def _share(kept: Kept) -> dict[str, Any]:
    found = wilson(kept.same, kept.of)
    return {"kept": kept.same, "of": kept.of, "low": _number(found.low), "high": _number(found.high)}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
