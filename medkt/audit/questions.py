"""What an encoder is asked before and after it learns. All images are made from words; none was learned from."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.statistics import wilson
from medkt.transfer.material import Material
from medkt.transfer.rehearsal import PrefixActivations, look, text_vectors, vectors_of
from medkt.transfer.trainable import TrainableParts, frozen_layer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Questions:
    """Images and texts of one concept, for any state of its encoder that differs only in what trains.

    Attributes:
        images: of the concept, as far as the layers go that do not train.
        known_images: the same of the known findings' captions, of a normal study, and of the findings' names, in equal
            parts and in the order of `known`; or of what `Material.known_of` names.
        names: (names, width) unit vectors of the prompts of the known findings, and last of the concept's bare name.
        before: (known images,) which of the names the base gives each.
        known: what each part of `known_images` shows: ids of findings, each twice, and "normal", which has no name.
        swapped: "negated", "normal" and, where the captions name a side, "other side": a prompt that must fit less.
        swaps: (swapped, width) their unit vectors.
    """

    images: PrefixActivations
    known_images: PrefixActivations
    names: Float[Tensor, "names width"]
    before: Int64[Tensor, " known"]
    known: tuple[str, ...]
    swapped: Mapping[str, str]
    swaps: Float[Tensor, "swapped width"]

    @classmethod
    def of(
        cls,
        base: DualEncoder,
        material: Material,
        *,
        normal: str,
        trains: TrainableParts,
        judged: tuple[PrefixActivations, PrefixActivations] | None = None,
    ) -> "Questions":
        """From the images that the choice was made with.

        Args:
            base: the encoder before it learned.
            material: what it learned from.
            normal: the prompt of a normal study, which a finding's image must fit less than its name.
            trains: what may differ between the states.
            judged: `TransferResult.judged` of learning with the same base, material and choice of what trains; None looks anew.

        Raises:
            InputError: there are none: the settings were without a choice and without an audit.
        """
        if material.validation is None or material.known_validation is None:
            raise InputError("an audit needs images that were not learned from; set choose or give validation images")
        words = material.vocabulary
        swapped = {"negated": _negated(words.prompt), "normal": normal}
        sided = [text for text in words.described if _other_side(text) != text]
        if sided:
            swapped["other side"] = _other_side(sided[0])
        layer = frozen_layer(base, trains)
        images, known = judged or (
            look(base, normalise(one, base.spec), layer) for one in (material.validation, material.known_validation)
        )
        names = text_vectors(base, (*words.known_prompts, words.prompt))
        return cls(
            images=images, known_images=known, names=names, before=(vectors_of(base, known) @ names.T).argmax(dim=1),
            known=material.known_of or (*words.known, "normal", *words.known), swapped=swapped,
            swaps=text_vectors(base, tuple(swapped.values())),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Of a known finding's images, how many are called what the base calls them, with Wilson's 95 % interval."""

    same: int
    of: int

    @property
    def share(self) -> float:
        return self.same / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        found = wilson(self.same, self.of)
        return (found.low, found.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one encoder answered.

    Attributes:
        success: share of the concept's images whose nearest name is the concept's.
        margin: mean cosine with its name less that with the nearest known name.
        kept: by known finding.
        specificity: by what was put in the name's place: mean cosine with the name less that with it.
    """

    success: float
    margin: float
    kept: Mapping[str, Retention]
    specificity: Mapping[str, float]

    @property
    def forgotten(self) -> float:
        """Share of all known images that have another name than before."""
        same, of = sum(kept.same for kept in self.kept.values()), sum(kept.of for kept in self.kept.values())
        return 1 - same / of


def ask(encoder: DualEncoder, questions: Questions) -> Answers:
    """The answers of an encoder, beside those of the base for what was kept."""
    concept = vectors_of(encoder, questions.images)
    cosines = concept @ questions.names.T
    margins = cosines[:, -1] - cosines[:, :-1].max(dim=1).values
    after = (vectors_of(encoder, questions.known_images) @ questions.names.T).argmax(dim=1)
    same = (questions.before == after).reshape(len(questions.known), -1)
    counts = {name: [0, 0] for name in questions.known}
    for name, row in zip(questions.known, same, strict=True):
        counts[name][0] += int(row.sum())
        counts[name][1] += len(row)
    kept = {name: Retention(same=hits, of=of) for name, (hits, of) in counts.items()}
    gaps = (cosines[:, -1:] - concept @ questions.swaps.T).mean(dim=0).tolist()
    return Answers(
        success=float((margins > 0).double().mean()), margin=float(margins.mean()), kept=kept,
        specificity=dict(zip(questions.swapped, gaps, strict=True)),
    )  # fmt: skip


def _negated(prompt: str) -> str:
    return prompt.replace(" showing ", " showing no ", 1) if " showing " in prompt else f"no {prompt}"


def _other_side(text: str) -> str:
    """Left for right and right for left, as whole words."""
    swap = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return " ".join(swap.get(word, word) for word in text.split(" "))
