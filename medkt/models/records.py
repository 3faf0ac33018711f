"""What medkt knows about each model before any of it is loaded, read from `configs/models.yaml`; the families of models.

Nothing here imports torch, so that `medkt models list` answers at once. An installed package may add families
(`medkt.doors`), each with the records of its models.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from medkt.doors import Door
from medkt.errors import ExtensionError, SettingsError, UnknownNameError
from medkt.resources import data_file, data_yaml

if TYPE_CHECKING:
    import medkt.models.family

FILE = "configs/models.yaml"
ModelKind = Literal["encoder", "segmenter"]


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
        family: whose it is; a name of `ENCODERS` or `SEGMENTERS`.
        title: the name its authors gave it.
        licence: of the weights.
        citation: the paper.
        files: the weights first, then what else the folder needs; empty for a model that ships with its package.
        extra: the extra of the medkt distribution that it needs; None for none.
        architecture: the builder's own name of the variant; "" if the family has one only.
        input_size: side of the square input, in pixels.
        mean, std: of each channel, for pixels in [0, 1].
        framing: the policy of `medkt.models.framing.frame_plane`; "corner" (SAM) is carried out by SAM's own code.
        text_length: the most tokens of a text, special ones included.
        layers: how many layers an image bottleneck may stand after.
        default_layer: which of them by default.
        grid: tokens along a side after each layer; one number if all are alike.
        domains: domains that the model was trained on; empty for a general model.
        segmenter: of an encoder, the segmenter that goes with it where none is asked for.
        drawn: of an encoder, whether drawn pictures are what it was made for.
    """

    name: str
    kind: ModelKind
    family: str
    title: str
    licence: Licence
    citation: str
    files: tuple[ModelFile, ...] = ()
    extra: str | None = None
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
    segmenter: str = "sam-vit-b"
    drawn: bool = False

    @property
    def published(self) -> frozenset[str]:
        """The SHA-256 of each of its files, where its publisher states it; of an archive's member nobody does."""
        return frozenset(file.sha256 for file in self.files if file.sha256 is not None and file.member is None)


ENCODERS: Door["medkt.models.family.EncoderFamily"] = Door(
    group="medkt.encoders",
    what="encoder family",
    kind="medkt.models.family:EncoderFamily",
    own={
        "small": "medkt.models.small.dual_encoder:FAMILY",
        "clip": "medkt.models.clip:FAMILY",
        "biomedclip": "medkt.models.biomedclip:FAMILY",
        "medclip-swin": "medkt.models.medclip:SWIN",
        "medclip-resnet": "medkt.models.medclip:RESNET",
    },
)
SEGMENTERS: Door["medkt.models.family.SegmenterFamily"] = Door(
    group="medkt.segmenters",
    what="segmenter family",
    kind="medkt.models.family:SegmenterFamily",
    own={"small": "medkt.segmentation.sam:SMALL", "sam": "medkt.segmentation.sam:SAM"},
)
DOORS: Mapping[ModelKind, Door[Any]] = {"encoder": ENCODERS, "segmenter": SEGMENTERS}


class _Records(Mapping[str, ModelRecord]):
    """Medkt's own records in the order of the file, then those of families that packages add, which a name of ours never loads."""

    def __init__(self, kind: ModelKind) -> None:
        self._kind = kind
        self._own = _own_records(kind)

    def __getitem__(self, name: str) -> ModelRecord:
        return self._own[name] if name in self._own else self._added()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._added()

    def __iter__(self) -> Iterator[str]:
        return iter((*self._own, *self._added()))

    def __len__(self) -> int:
        return len(self._own) + len(self._added())

    def _added(self) -> Mapping[str, ModelRecord]:
        door, found = DOORS[self._kind], dict[str, ModelRecord]()
        for family in door.added:
            for record in door[family].models:
                if record.name in (*self._own, *found) or (record.kind, record.family) != (self._kind, family):
                    raise ExtensionError(
                        f"the {door.what} {family!r} (entry points {door.group}) has a record of the {record.kind} {record.name!r} of the "
                        f"family {record.family!r}: it needs a name of its own, the kind {self._kind} and the family {family!r}"
                    )
                found[record.name] = record
        return found


@cache
def records(kind: ModelKind) -> Mapping[str, ModelRecord]:
    """Every model of a kind, by name."""
    return _Records(kind)


@cache
def _content() -> Any:
    return data_yaml(FILE)


@cache
def _own_records(kind: ModelKind) -> Mapping[str, ModelRecord]:
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


def segmenter_beside(encoder: str) -> str:
    """The segmenter that goes with an encoder of that name where none is asked for."""
    known = records("encoder")
    return known[encoder].segmenter if encoder in known else "sam-vit-b"


def is_drawn(encoder: str) -> bool:
    """Whether drawn pictures are what an encoder of that name was made for."""
    known = records("encoder")
    return encoder in known and known[encoder].drawn


def record_of(name: str, kind: ModelKind | None = None) -> ModelRecord:
    """The record of one model; without a kind, the encoder goes before the segmenter of the same name.

    Raises:
        UnknownNameError: no such model; the message lists those there are.
    """
    kinds: tuple[ModelKind, ...] = (kind,) if kind else ("encoder", "segmenter")
    for candidate in kinds:
        if name in records(candidate):
            return records(candidate)[name]
    known = "; ".join(f"{candidate}s: {', '.join(records(candidate))}" for candidate in kinds)
    raise UnknownNameError(f"there is no {kind or 'model'} called {name!r}; known {known}")


def _record(name: str, kind: ModelKind, entry: dict[str, Any], licences: Mapping[str, Licence]) -> ModelRecord:
    entry["licence"] = licences[entry["licence"]]
    entry["files"] = tuple(ModelFile(**file) for file in entry["files"])
    for key in ("mean", "std", "grid", "domains"):
        if key in entry:
            entry[key] = tuple(entry[key])
    return ModelRecord(name=name, kind=kind, **entry)
