"""How long a run takes: said beforehand from the cost of the model and the speed of this machine, and again after every row."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from teaching import Way

from medkt.estimates.learn import Learning, stages_of
from medkt.estimates.machine import Timer, measured_rates
from medkt.estimates.passes import EncoderPasses, encoder_passes
from medkt.estimates.words import duration
from medkt.models.encoder import DualEncoder
from medkt.pipeline import resolve_device
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.trainable import frozen_layer
from medkt.transfer.vocabulary import Vocabulary

CONTROLS = 8  # of a full audit that are fine-tuned, by which `estimates.learn` counts them
Keys = Sequence[tuple[str, str]]


class Clock:
    """Expects so many seconds of each kind of condition, then learns from what each one took.

    Args:
        keys: (class, condition) of every row that is wanted, in their order.
        expected: seconds of each of them; None where the cost of the model is not known.
        now: seconds that pass.
    """

    def __init__(self, keys: Keys, expected: Sequence[float] | None, now: Callable[[], float] = time.monotonic) -> None:
        self._keys, self._expected, self._now = keys, expected, now
        self._done, self._began = 0, now()

    def before(self) -> str:
        """One line before the work."""
        rows = f"{len(self._keys)} conditions of {len({one for one, _ in self._keys})} classes"
        if not self._keys:
            return "every row is there"
        if self._expected is None:
            return f"{rows}: how long they take is known after the first ones"
        return f"{rows}: about {duration(sum(self._expected))}"

    def after(self) -> str:
        """One line after each row."""
        self._done += 1
        left, took = len(self._keys) - self._done, self._now() - self._began
        if not left:
            return f"all there after {duration(took)}"
        weights = self._expected or [1.0] * len(self._keys)
        done = sum(weights[: self._done])
        return (
            f"{left} to come, about {duration(took * sum(weights[self._done :]) / done)}" if done else f"{left} to come"
        )


def expected_seconds(
    encoder: DualEncoder, words: Mapping[str, Vocabulary], keys: Keys, ways: Sequence[Way], *, device: str, threads: int
) -> list[float] | None:
    """Seconds of each row; None for a model whose cost medkt does not know.

    Args:
        encoder: the base.
        words: of each class.
        keys: (class, condition) of every row.
        ways: of teaching.
        device: where it computes.
        threads: how many.
    """
    passes = encoder_passes(encoder.spec.name)
    if passes is None:
        return None
    timer = partial(measured_rates, device=str(resolve_device(device)), threads=threads)
    known: set[tuple[str, ...]] = set()
    found: list[float] = []
    costs: dict[tuple[str, str], dict[str, float]] = {}
    for concept, condition in keys:
        way = next((one for one in ways if one.name == condition.split(": ")[0]), None)
        if way is None:
            found.append(1.0)
            continue
        if (concept, way.name) not in costs:
            costs[concept, way.name] = _costs(
                words[concept], way.settings, passes, timer, frozen_layer(encoder, way.settings.finetune.trains)
            )
        first = (way.name, *words[concept].rehearsed) not in known
        found.append(_seconds(condition, costs[concept, way.name], way.settings, first=first))
        known.add((way.name, *words[concept].rehearsed))
    return found


def _costs(
    words: Vocabulary, settings: LearnSettings, passes: EncoderPasses, timer: Timer, layer: int | None
) -> dict[str, float]:
    """Seconds of each stage: for local lesions those of whole images with as many steps as lesions take."""
    if settings.how == "local":
        one = replace(
            settings.inversion, steps=settings.teaching.inversion.steps + 1, views=1
        )  # a step more says where
        settings = replace(
            settings,
            how="images",
            inversion=one,
            rehearsed_with=one,
            judged_with=one,
            rehearsal_images=settings.teaching.known,
            warm=0.0,
        )
    learning = Learning(vocabulary=words, settings=settings, seeds=(0,), level="full", layer=layer)
    return {stage.name: float(stage.seconds.most) for stage in stages_of(learning, passes, timer) if stage.seconds}


def _seconds(condition: str, cost: Mapping[str, float], settings: LearnSettings, *, first: bool) -> float:
    """Of one condition; images of known findings are made once for all concepts that have the same."""
    if "labelled" in condition or "pool" in condition:
        return cost["fine-tuning"] / (len(settings.choice.learning_rates) if settings.choose else 1)
    if ": " in condition:
        return cost["controls"] / CONTROLS
    return sum(
        value for name, value in cost.items() if name != "controls" and (first or name != "images of known findings")
    )
