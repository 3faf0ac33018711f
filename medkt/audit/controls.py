"""The same learning without what should matter: if a control gains as much, the words did not do it.

Every control is fine-tuned as the concept was: with the learning rate, the steps and the interpolation that its own
learning chose, and judged on the same images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medkt.examine.looks import told_apart
from medkt.models.encoder import DualEncoder
from medkt.phantom.blob import with_blob
from medkt.phantom.reading import read, retold
from medkt.transfer.copies import copy_encoder, mark_adapted
from medkt.transfer.gathering import gather_as
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import TransferResult, learn_from
from medkt.transfer.material import Material, drawn_starts
from medkt.transfer.vocabulary import Vocabulary, named

WORDED = 3_000_017
"""The seed of a quick control's own images, apart from that of every learning."""
_NONSENSE = (
    "the", "committee", "postponed", "its", "yearly", "vote", "on", "parking", "fees", "because", "nobody", "had", "brought", "the", "minutes",
    "of", "last", "spring", "and", "the", "mayor", "wanted", "lunch", "before", "any", "promise", "about", "cheaper", "bus", "tickets", "could",
    "be", "repeated",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What a control is made from."""

    base: DualEncoder
    learned: TransferResult
    cache: Path | None
    whole: bool = True
    """Whether a control has as many images as the learning, made in as many steps, and as many of them in a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control: what it takes away, and how it is made.

    Attributes:
        name: in tables.
        about: one sentence for a reader.
        quick: whether the quick audit has it.
        make: gives the adapted encoder; None where the control cannot be made of this concept.
    """

    name: str
    about: str
    quick: bool
    make: Callable[[Setting], DualEncoder | None]


def noise_images(setting: Setting) -> DualEncoder:
    """Uniform noise in place of the inverted images."""
    images = setting.learned.material.images
    noise = torch.rand(images.shape[0], 1, *images.shape[2:], generator=_generator(setting)).expand_as(images)
    material = replace(setting.learned.material, images=noise.contiguous().to(images))
    return _again(setting, material=material)


def texture_blobs(setting: Setting) -> DualEncoder | None:
    """Drawn normal studies with a blob of random texture in place of the inverted images: something odd, that no word made."""
    learned = setting.learned
    images, drawn = learned.material.images, learned.material.vocabulary.drawn
    if drawn is None:
        return None
    planes = drawn_starts(drawn, ("",), len(images), learned.seed, side=images.shape[-1])[0, :, 0].numpy()
    rng = np.random.default_rng((learned.seed, 7))
    blobbed = torch.from_numpy(np.stack([with_blob(plane, rng) for plane in planes]))[:, None]
    return _again(setting, material=replace(learned.material, images=blobbed.expand_as(images).contiguous().to(images)))


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


def altered_words(setting: Setting) -> DualEncoder | None:
    """The captions with another shape, brightness and texture; None where none of them says one in words that can be drawn."""
    words, rng = setting.learned.material.vocabulary, np.random.default_rng((setting.learned.seed, 11))
    if words.drawn is None:
        return None
    allowed = partial(told_apart, words.drawn)  # a picture must tell: an irregular lesion may pass for a lobulated one
    told = [retold(read(text, words.drawn), allowed, rng) for text in words.described]
    kept = tuple(dict.fromkeys(text for text in told if text and text not in words.described))
    return _from_words(setting, kept[:1]) if kept else None


def other_description(setting: Setting) -> DualEncoder:
    """The name with the description of a known finding: the first one's, which is inverted anew."""
    words = setting.learned.material.vocabulary
    return _from_words(setting, (words.rehearsed[0],))


def nonsense_words(setting: Setting) -> DualEncoder:
    """A sentence about nothing that a picture shows, as long as the first caption."""
    described = setting.learned.material.vocabulary.described[0]
    return _from_words(setting, (nonsense(len(described.split())),))


def nonsense(words: int) -> str:
    """So many words about nothing that a picture shows; always the same, so that its images are made once.

    >>> nonsense(4)
    'the committee postponed its'
    """
    return " ".join((_NONSENSE * (words // len(_NONSENSE) + 1))[:words])


def shuffled_words(setting: Setting) -> DualEncoder:
    """The description's own words in random order."""
    generator = _generator(setting)
    shuffled = tuple(_shuffled(text, generator) for text in setting.learned.material.vocabulary.described)
    return _from_words(setting, shuffled)


CONTROLS: tuple[Control, ...] = (
    Control(name="noise images", about="uniform noise in place of the inverted images", quick=True, make=noise_images),
    Control(
        name="texture blobs",
        about="drawn normal studies with a blob of random texture in place of the inverted images",
        quick=True,
        make=texture_blobs,
    ),
    Control(
        name="altered words",
        about="the captions with another shape, brightness and texture",
        quick=True,
        make=altered_words,
    ),
    Control(
        name="other words", about="the name with a known finding's description", quick=True, make=other_description
    ),
    Control(name="nonsense", about="a sentence about nothing that a picture shows", quick=True, make=nonsense_words),
    Control(name="zero loss", about="weight decay alone, no loss", quick=True, make=zero_loss),
    Control(name="random change", about="random weights moved as far", quick=False, make=random_change),
    Control(
        name="normal studies",
        about="drawn normal studies in place of the inverted images",
        quick=False,
        make=normal_studies,
    ),
    Control(name="no name", about="captions without the name", quick=False, make=without_name),
    Control(name="shuffled words", about="the description's words in random order", quick=False, make=shuffled_words),
)


def _again(setting: Setting, *, material: Material | None = None, settings: LearnSettings | None = None) -> DualEncoder:
    learned, material = setting.learned, material or setting.learned.material
    settings = settings or learned.settings
    if not setting.whole:
        settings = cut(settings, len(learned.material.images))
    rehearsal = None if material.rehearsal is None else learned.rehearsal
    return learn_from(
        setting.base, material, settings, seed=learned.seed, at=learned.chosen, rehearsal=rehearsal
    ).encoder  # fmt: skip


def cut(settings: LearnSettings, images: int) -> LearnSettings:
    """How a quick control is fine-tuned: as many steps as the learning from so many images, half of its own images in each.

    A quarter of the images to rehearse by are shown in a step.
    """
    tune = settings.finetune
    steps = tune.steps or -(-images * settings.views // tune.batch) * tune.epochs
    fewer = replace(
        tune, steps=steps, batch=-(-tune.batch // 2), rehearsal_batch=-(-tune.rehearsal_batch // 4), drop_last=False
    )  # fmt: skip
    return replace(settings, finetune=fewer)


def _from_words(setting: Setting, described: Sequence[str]) -> DualEncoder:
    """The name learned with other captions; where images are few and made in half the steps, unless the control is whole."""
    learned = setting.learned
    words = _with_description(learned.material.vocabulary, tuple(described))
    how = replace(learned.settings, choose=False) if setting.whole else learned.settings.cheaper()
    seed = (
        learned.seed if setting.whole else WORDED
    )  # then another finding's and nonsense are in the cache for the next concept
    studies = learned.material.studies
    material = gather_as(setting.base, words, how, seed=seed, studies=studies, cache=setting.cache)
    kept = replace(material, rehearsal=learned.material.rehearsal)
    return _again(setting, material=kept)


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
