"""How much there is to do for a study: passes through each network, counted from the settings and the slices.

The counts are exact but for two things that only the models can say: which slices pass presence, and how many regions
stand out in a map. So the work has a least and a most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from medkt.estimates.machine import Timer
from medkt.estimates.passes import EncoderPasses, Pass, SegmenterPasses
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.slicewise import SegmentationSettings

AT_ONCE = 8  # planes in one pass for presence
BETWEEN = 1.15
"""What is done between the networks' passes, as a factor (evaluation/results/end_to_end_overhead.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Rows through the networks.

    Attributes:
        image: planes to a feature, for presence.
        before: planes to the gate.
        after: states from the gate to a feature, with the gradient.
        patches: planes to the features of their patches.
        texts, tokens: texts that are embedded, and the tokens in them.
        embed: planes that the segmenter looks at.
        decode: regions that it outlines.
    """

    image: int = 0
    before: int = 0
    after: int = 0
    patches: int = 0
    texts: int = 0
    tokens: int = 0
    embed: int = 0
    decode: int = 0

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWork:
    """Concepts that are looked for together: one encoder, one window.

    Attributes:
        concepts: their ids.
        planes: looked at for presence.
        maps_least, maps_most: slices that get a map.
        runs: maps of a slice that all concepts pass: their own and those that they are compared with.
        rows: states of such a slice that go through the rest of the network, over all steps.
        at_once: the most of them in one pass.
        least, most: passes where no slice passes presence, and where all do.
    """

    concepts: tuple[str, ...]
    planes: int
    maps_least: int
    maps_most: int
    runs: int
    rows: int
    at_once: int
    least: Passes
    most: Passes


def group_work(
    texts: Iterable[ConceptTexts],
    planes: int,
    settings: SegmentationSettings,
    *,
    tokens: Mapping[str, int],
    patches: bool,
    segmenter: bool = True,
) -> GroupWork:
    """The work of one group.

    Args:
        texts: of the concepts.
        planes: looked at for presence.
        settings: with nothing left open.
        tokens: of each text that is embedded, once each, the nonsense text among them.
        patches: whether the encoder has features of patches.
        segmenter: whether one outlines the regions.
    """
    asked = list(texts)
    each = planes if settings.map.max_slices is None else min(planes, settings.map.max_slices)
    # where not every slice may be looked at, concepts may have different ones
    most = planes if each == planes else min(planes, each * len(asked))
    least = most if not settings.presence.gate else 0
    runs = maps_of_a_slice(asked, settings)
    # concepts that are looked for in different slices share nothing there, and then each slice has the comparisons anew
    alone = 1 if settings.saliency.method.target == "margin" else most / each
    compared = {"every": each, "best": 1, "off": 0}[settings.map.check_words] * (runs - len(asked)) * alone
    one = settings.saliency.method.work()
    made = round(len(asked) * each + compared)
    apart = settings.map.check_words == "best" and len(asked) > 1 and each > 1  # checked and unchecked: two calls
    calls = most + (min(most, len(asked)) if apart else 0)
    use = one.patches or (patches and one.relevance and settings.relevance.use == "patches")
    always = Passes(image=planes, texts=len(tokens), tokens=sum(tokens.values()))
    maps = Passes(
        before=calls, after=made * one.rows * one.steps, patches=calls * use, embed=most * segmenter, image=made * one.looks,
        decode=len(asked) * each * (settings.threshold.keep or 1) * segmenter,
    )  # fmt: skip
    return GroupWork(
        concepts=tuple(one.id for one in asked), planes=planes, maps_least=least, maps_most=most, runs=runs,
        rows=runs * one.rows * one.steps, at_once=min(one.at_once, runs * one.rows),
        least=always + (replace(maps, embed=0, decode=0) if least else Passes()), most=always + maps,
    )  # fmt: skip


def maps_of_a_slice(texts: Iterable[ConceptTexts], settings: SegmentationSettings) -> int:
    """Maps of a slice that every concept passes, those of the nonsense text and of normal captions among them.

    Under "cosine" concepts share what they are compared with; under "margin" each is told apart from other texts.
    """
    asked = list(texts)
    if settings.map.check_words == "off":
        return len(asked)
    if settings.saliency.method.target == "cosine":
        return len(asked) + 1 + len({one.normal for one in asked if one.normal})
    return len(asked) + sum(1 + bool(one.normal) for one in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What passes take on this machine: seconds for each, and bytes."""

    encoder: EncoderPasses
    segmenter: SegmenterPasses
    timer: Timer

    def seconds(self, passes: Passes, layer: int) -> dict[str, float]:
        """By step: "texts", "presence", "maps", "segmenter"."""
        one, sam = self.encoder, self.segmenter
        rates, of_sam = self.timer(one.states[layer], False), self.timer(sam.state, False)
        patches = one.patches or Pass()
        maps = one.before[layer].times(passes.before).flops + patches.times(passes.patches).flops
        found = {
            "texts": one.token.times(passes.tokens).flops / rates.forward,
            "presence": one.image.times(passes.image).flops / rates.forward,
            "maps": maps / rates.forward + one.after_and_back[layer].times(passes.after).flops / rates.back,
            "segmenter": (sam.embed.times(passes.embed).flops + sam.decode.times(passes.decode).flops) / of_sam.forward,
        }
        return {step: seconds * BETWEEN for step, seconds in found.items()}

    def bytes(self, passes: Passes, layer: int, *, planes: int, at_once: int) -> float | int:
        """The most that the networks' intermediate results hold at a time."""
        one, sam = self.encoder, self.segmenter
        held = [one.image.times(min(planes, AT_ONCE)).bytes]
        held += [one.after_and_back[layer].times(at_once).bytes] if passes.after else []
        held += [sam.embed.bytes] if passes.embed else []
        return max(held)
