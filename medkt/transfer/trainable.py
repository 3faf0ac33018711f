"""Which parameters train; how a family names its parts is in its own record (`medkt.models.family`).

The text tower and the logit scale never do. "visual" is what the authors' scripts give to the optimiser, and that
differs by architecture: for CLIP and MedCLIP it includes the projection, for BiomedCLIP (in its Hugging Face form,
`vision_model`) it does not.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from torch import nn

from medkt.errors import SettingsError, UnsupportedError
from medkt.extras import require
from medkt.models.encoder import DualEncoder
from medkt.models.family import Parts, family_of
from medkt.models.records import ENCODERS

What = Literal["visual", "visual+projection", "last-blocks", "projection", "lora"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainableParts:
    """What trains."""

    what: What = "last-blocks"
    """"visual": the image tower as the authors had it for the family; "visual+projection": all of it;
    "last-blocks": the last blocks with what follows them; "projection" alone; "lora": low-rank factors (medkt[lora])."""

    blocks: int = 2
    """How many blocks "last-blocks" means; a Swin's are counted through its stages, a ResNet's are its bottlenecks."""

    rank: int = 8
    """Of the LoRA factors."""

    alpha: int = 16
    """LoRA's factors are multiplied by alpha / rank."""

    def __post_init__(self) -> None:
        checks = {
            "what": self.what in get_args(What),
            "blocks": self.blocks >= 1,
            "rank": self.rank >= 1,
            "alpha": self.alpha > 0,
        }
        for name, good in checks.items():
            if not good:
                raise SettingsError(f"trainable setting {name} cannot be {getattr(self, name)!r}")


def require_installed(what: TrainableParts) -> None:
    """Pass silently where the packages that train it are there.

    Raises:
        MissingDependencyError: "lora" without the extra of that name.
    """
    if what.what == "lora":
        require("lora", "LoRA")


def parts_of(encoder: DualEncoder) -> Parts:
    """How the encoder's family names the parts of its image tower.

    Raises:
        UnsupportedError: it is of a family of which nobody says so.
    """
    family = family_of(encoder)
    if family is None or family.parts is None:
        raise UnsupportedError(
            f"fine-tuning does not know the parts of {encoder.spec.name!r}, of the family {encoder.spec.family!r}; "
            f"known: {', '.join(name for name, one in ENCODERS.items() if one.parts is not None)}"
        )
    return family.parts


def select(encoder: DualEncoder, what: TrainableParts) -> dict[str, nn.Parameter]:
    """The parameters that train, by name, in the module's order. Nothing is changed.

    Raises:
        UnsupportedError: the family is not known.
        SettingsError: more blocks than there are, or "lora", whose parameters exist only inside `training`.
    """
    if what.what == "lora":
        raise SettingsError("LoRA's factors are no parameters of the encoder: they exist only while it is fine-tuned")
    parts = parts_of(encoder)
    named = dict(encoder.module.named_parameters())
    pattern = {"visual": parts.visual, "visual+projection": parts.tower, "projection": parts.projection}.get(what.what)
    wanted = _last_blocks(parts, list(named), what.blocks) if pattern is None else _matching(pattern, named)
    if not wanted:
        raise UnsupportedError(
            f"{encoder.spec.name!r} has no parameter that {what.what!r} names; known: its file is odd"
        )
    return {name: parameter for name, parameter in named.items() if name in wanted}


def frozen_layer(encoder: DualEncoder, what: TrainableParts) -> int | None:
    """The last layer (of `image_prefix`) up to which nothing trains, or None where the first already does.

    What an image looks like there need be computed only once.
    """
    if what.what == "projection":
        return encoder.spec.layers - 1
    if what.what != "last-blocks":
        return None
    parts = parts_of(encoder)
    places = _places(parts.block, [name for name, _ in encoder.module.named_parameters()])
    layer = sorted(set(places.values()))[-what.blocks][0] - parts.first - 1
    return layer if layer >= 0 else None


@contextmanager
def training(encoder: DualEncoder, what: TrainableParts) -> Iterator[dict[str, nn.Parameter]]:
    """The parameters that train, asking for gradients while all others do not; on leaving, none does.

    The encoder is changed in place: give a copy. LoRA's factors are merged into the weights on leaving, so that its
    parameters have the names they had; the module stays in evaluation mode throughout.

    Raises:
        MissingDependencyError: "lora" without peft.
    """
    module = encoder.module
    module.eval().requires_grad_(False)
    if what.what == "lora":
        with _low_rank(encoder, what) as factors:
            yield factors
    else:
        parameters = select(encoder, what)
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        yield parameters
    module.requires_grad_(False)
    module.zero_grad(set_to_none=True)


def text_dropout(encoder: DualEncoder) -> nn.Module | None:
    """The dropout after the text embeddings, which the authors' scripts left active; None where a family has none."""
    path = parts_of(encoder).text_dropout
    return encoder.module.get_submodule(path) if path else None


@contextmanager
def _low_rank(encoder: DualEncoder, what: TrainableParts) -> Iterator[dict[str, nn.Parameter]]:
    require_installed(what)
    from peft import LoraConfig, get_peft_model

    targets = parts_of(encoder).lora
    config = LoraConfig(r=what.rank, lora_alpha=what.alpha, lora_dropout=0.0, target_modules=targets)
    wrapped = get_peft_model(encoder.module, config)
    wrapped.eval()
    yield {name: parameter for name, parameter in wrapped.named_parameters() if parameter.requires_grad}
    wrapped.merge_and_unload()


def _last_blocks(parts: Parts, names: list[str], count: int) -> set[str]:
    places = _places(parts.block, names)
    order = sorted(set(places.values()))
    if count > len(order):
        raise SettingsError(f"last-blocks asks for {count} blocks, the image tower has {len(order)}; ask for fewer")
    wanted = order[-count:]
    # What stands after a stage's last block trains if that block does.
    stages = {place[0] for place in wanted}
    return {
        *(name for name, place in places.items() if place in wanted),
        *(name for name, place in _places(parts.between, names).items() if place[0] in stages),
        *_matching(parts.after, names),
    }


def _places(pattern: str, names: list[str]) -> dict[str, tuple[int, ...]]:
    """The numbers in the names that match."""
    return {name: tuple(map(int, match.groups())) for name in names if (match := re.fullmatch(pattern, name))}


def _matching(pattern: str, names: "list[str] | dict[str, nn.Parameter]") -> set[str]:
    return {name for name in names if re.fullmatch(pattern, name)}
