"""What medkt knows about each model before any of it is loaded, read from `configs/models.yaml`.

Nothing here imports torch, so that `medkt models list` answers at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from medkt.errors import SettingsError, UnknownNameError
from medkt.resources import data_file, data_yaml

FILE = "configs/models.yaml"
Kind = Literal["encoder", "segmenter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """The terms of a model's weights: a title, what they mean in a sentence, and where the text is."""

    title: str
    summary: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: what it is called in the model's folder.
        url: where it is published; None if it can only be brought by hand.
        sha256: of what lies at `url`, as its publisher states it; None if nobody states one.
        member: the file's name inside the archive at `url`; None if there is no archive.
    """

    name: str
    url: str | None = None
    sha256: str | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model, described once.

    Attributes:
        name, kind: what it is asked for by.
        family: which builder makes it; a key of `medkt.models.registry.BUILDERS`.
        title: the name its authors gave it.
        licence: of the weights.
        files: the weights first, then what else the folder needs; empty for a model that ships with medkt.
        extra: the extra of the medkt distribution that it needs; None for none.
        citation: the paper.
        architecture: the builder's own name of the variant; "" if the family has one only.
        input_size: side of the square input, in pixels.
        mean, std: of each channel, for pixels in [0, 1].
        framing: the policy of `medkt.models.framing.frame_plane`; "corner" (SAM) is carried out by SAM's own code.
        text_length: the most tokens of a text, special ones included.
        layers: how many layers an image bottleneck may stand after.
        default_layer: which of them by default.
        grid: tokens along a side after each layer; one number if all are alike.
        domains: domains that the model was trained on; empty for a general model.
    """

    name: str
    kind: Kind
    family: str
    title: str
    licence: Licence
    files: tuple[ModelFile, ...]
    extra: str | None
    citation: str
    architecture: str = ""
    input_size: int = 0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    framing: str = ""
    text_length: int = 0
    layers: int = 0
    default_layer: int = 0
    grid: tuple[int, ...] = field(default=())
    domains: tuple[str, ...] = field(default=())

    @property
    def published(self) -> frozenset[str]:
        """The SHA-256 of each of its files, where its publisher states it; of an archive's member nobody does."""
        return frozenset(file.sha256 for file in self.files if file.sha256 is not None and file.member is None)


@cache
def _content() -> Any:
    return data_yaml(FILE)


@cache
def records(kind: Kind) -> Mapping[str, ModelRecord]:
    """Every model of a kind, by name, in the order of the file."""
    file = data_file(FILE)
    content = _content()
    licences = {name: Licence(**entry) for name, entry in content["licences"].items()}
    made = {}
    for name, entry in content[kind + "s"].items():
        try:
            made[name] = _record(name, kind, dict(entry), licences)
        except (TypeError, KeyError) as error:
            raise SettingsError(f"{file}: the entry of the {kind} {name!r} is wrong: {error}") from error
    return made


def record_of(name: str, kind: Kind | None = None) -> ModelRecord:
    """The record of one model; without a kind, the encoder goes before the segmenter of the same name.

    Raises:
        UnknownNameError: no such model; the message lists those there are.
    """
    kinds: tuple[Kind, ...] = (kind,) if kind else ("encoder", "segmenter")
    for candidate in kinds:
        if name in records(candidate):
            return records(candidate)[name]
    known = "; ".join(f"{candidate}s: {', '.join(records(candidate))}" for candidate in kinds)
    raise UnknownNameError(f"there is no {kind or 'model'} called {name!r}; known {known}")


def _record(name: str, kind: Kind, entry: dict[str, Any], licences: Mapping[str, Licence]) -> ModelRecord:
    entry["licence"] = licences[entry["licence"]]
    entry["files"] = tuple(ModelFile(**file) for file in entry["files"])
    for key in ("mean", "std", "grid", "domains"):
        if key in entry:
            entry[key] = tuple(entry[key])
    return ModelRecord(name=name, kind=kind, **entry)
