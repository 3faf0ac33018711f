"""The same learning without what should matter: if a control gains as much, the words did not do it.

Every control is fine-tuned as the concept was: with the learning rate, the steps and the interpolation that its own
learning chose, and judged on the same images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from medkt.models.encoder import DualEncoder
from medkt.transfer.copies import copy_encoder, mark_adapted
from medkt.transfer.learn import Learned, learn_from
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.material import Material, drawn_starts, gather
from medkt.transfer.vocabulary import Vocabulary, named


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What a control is made from."""

    base: DualEncoder
    learned: Learned
    cache: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control: what it takes away, and how it is made.

    Attributes:
        name: in tables.
        about: one sentence for a reader.
        quick: whether the quick audit has it; the others need images of their own.
        make: gives the adapted encoder.
    """

    name: str
    about: str
    quick: bool
    make: Callable[[Setting], DualEncoder]


def noise_images(setting: Setting) -> DualEncoder:
    """Uniform noise in place of the inverted images."""
    images = setting.learned.material.images
    noise = torch.rand(images.shape[0], 1, *images.shape[2:], generator=_generator(setting)).expand_as(images)
    material = replace(setting.learned.material, images=noise.contiguous().to(images))
    return _again(setting, material=material)


def normal_studies(setting: Setting) -> DualEncoder:
    """Drawn normal studies, such as inversions start from, in place of the inverted images; noise where none is drawn."""
    learned = setting.learned
    images, drawn = learned.material.images, learned.material.vocabulary.drawn
    if drawn is None:
        return noise_images(setting)
    planes = drawn_starts(drawn, ("",), len(images), learned.seed, side=images.shape[-1])[0]
    material = replace(learned.material, images=planes.expand_as(images).contiguous().to(images))
    return _again(setting, material=material)


def zero_loss(setting: Setting) -> DualEncoder:
    """No loss at all: what the optimiser's weight decay does by itself."""
    learning = setting.learned.settings
    plain = replace(learning, finetune=replace(learning.finetune, loss="zero"), rehearsal_images=0, choose=False)
    material = replace(setting.learned.material, rehearsal=None)
    return _again(setting, settings=plain, material=material)


def random_change(setting: Setting) -> DualEncoder:
    """Each weight tensor moved in a random direction, as far as learning moved it."""
    changed, generator = copy_encoder(setting.base), _generator(setting)
    after = setting.learned.encoder.module.state_dict()
    with torch.no_grad():
        for name, value in changed.module.state_dict().items():
            if value.is_floating_point():
                moved = (after[name] - value).double()
                step = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.device)
                scale = moved.norm() / step.norm() if moved.any() else torch.zeros(())
                value.copy_((value.double() + step * scale).to(value.dtype))
    return mark_adapted(changed)


def without_name(setting: Setting) -> DualEncoder:
    """The captions alone, the name nowhere among what the images shall match."""
    material = setting.learned.material
    words = replace(material.vocabulary, own=material.vocabulary.described)
    return _again(setting, material=replace(material, vocabulary=words))


def other_description(setting: Setting) -> DualEncoder:
    """The name with the description of a known finding: the first one's, which is inverted anew."""
    words = setting.learned.material.vocabulary
    return _from_words(setting, (words.rehearsed[0],))


def shuffled_words(setting: Setting) -> DualEncoder:
    """The description's own words in random order."""
    generator = _generator(setting)
    shuffled = tuple(_shuffled(text, generator) for text in setting.learned.material.vocabulary.described)
    return _from_words(setting, shuffled)


CONTROLS: tuple[Control, ...] = (
    Control(name="noise images", about="uniform noise in place of the inverted images", quick=True, make=noise_images),
    Control(name="zero loss", about="weight decay alone, no loss", quick=True, make=zero_loss),
    Control(name="random change", about="random weights moved as far", quick=True, make=random_change),
    Control(
        name="normal studies",
        about="drawn normal studies in place of the inverted images",
        quick=False,
        make=normal_studies,
    ),
    Control(name="no name", about="captions without the name", quick=False, make=without_name),
    Control(
        name="other words", about="the name with a known finding's description", quick=False, make=other_description
    ),
    Control(name="shuffled words", about="the description's words in random order", quick=False, make=shuffled_words),
)


def _again(setting: Setting, *, material: Material | None = None, settings: LearnSettings | None = None) -> DualEncoder:
    learned, material = setting.learned, material or setting.learned.material
    rehearsal = None if material.rehearsal is None else learned.rehearsal
    return learn_from(
        setting.base, material, settings or learned.settings, seed=learned.seed, at=learned.chosen, rehearsal=rehearsal
    ).encoder  # fmt: skip


def _from_words(setting: Setting, described: Sequence[str]) -> DualEncoder:
    learned = setting.learned
    words = _with_description(learned.material.vocabulary, tuple(described))
    fewer = replace(learned.settings, choose=False)
    material = gather(setting.base, words, fewer, seed=learned.seed, cache=setting.cache)
    return _again(setting, material=material)


def _with_description(words: Vocabulary, described: tuple[str, ...]) -> Vocabulary:
    """The same name told with other captions."""
    told = (*words.described, *named(words.name, words.described))
    names = tuple(text for text in words.own if text not in told)
    return replace(words, described=described, own=(*named(words.name, described), *names, *described))


def _shuffled(text: str, generator: torch.Generator) -> str:
    words = text.split()
    return " ".join(words[i] for i in torch.randperm(len(words), generator=generator).tolist())


def _generator(setting: Setting) -> torch.Generator:
    return torch.Generator().manual_seed(setting.learned.seed + 7)
