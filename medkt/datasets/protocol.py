"""A protocol: everything that must be fixed before a number can stand beside a published one. One YAML file each."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from medkt.bounds import parse_yaml, read_text
from medkt.datasets.builders import CHECKED, LAYOUTS, build_manifest
from medkt.datasets.manifest import Manifest
from medkt.datasets.published import PublishedValue, published_table
from medkt.errors import SettingsError, UnknownNameError, UnreadableError
from medkt.modalities import MODALITIES
from medkt.resources import data_file

TASKS = ("segmentation", "classification")
UNITS = ("mm", "pixel")
WINDOWS = ("", "8-bit")
METRICS = ("dsc", "iou", "nsd", "nsd_slab", "hd95", "accuracy", "top1")

# presets whose numbers their authors chose on labelled images of the same data set
LABEL_TUNED = frozenset({"medclip-samv2-brain", "medclip-samv2-breast"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One column of the result table.

    Attributes:
        name: one of `METRICS`. "nsd" is measured along the boundary; "nsd_slab" is the slab of one slice that
            MedCLIP-SAMv2 reports, only for comparison with its tables.
        tolerance: of a surface distance; None for the others.
        unit: of the tolerance.
    """

    name: str
    tolerance: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSource:
    """Where the published numbers of this data set are.

    Attributes:
        table: a file of `configs/published`, without its ending.
        dataset: its column `dataset`.
        base: the `condition` of the untouched model; "" where nothing was published.
        transferred: the `condition` that the paper shows in its main text.
    """

    table: str
    dataset: str
    base: str = "base"
    transferred: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How one data set is evaluated.

    Attributes:
        name: of the file and of the command's option.
        title: of the data set, for people.
        task: "segmentation" or "classification".
        layout: a name of `LAYOUTS`.
        options: of the layout's `build`.
        split: only cases of this split; "" for all.
        modality: the domain.
        concept: what is segmented, "" for classification.
        classes: of a classification, class name to concept id.
        prompt: our own wording; "" for the concept's own prompt captions.
        published_prompt: where the wording of the published run is printed; a user who reproduces it gives that text.
        preset: the settings of the published pipeline, of `configs/presets`.
        window: "8-bit" where the data set is one of pictures of 8 bits, which are read as they are; "" for the rule of the
            modality. `--window` comes before it.
        preprocessing: what is done to an image before the model, in words.
        metrics: the columns.
        cases_stated: how many images the paper used, None where it does not say.
        published: the numbers to stand beside ours, None where there are none.
        label_tuned: what the published numbers owe to labels of the same data.
        unclear: what the paper leaves open, and how it was decided here.
        access: how to get the data, and under which terms.
        citation: of the data.
    """

    name: str
    title: str
    task: str
    layout: str
    modality: str
    metrics: tuple[Metric, ...]
    access: str
    citation: str
    options: Mapping[str, Any] = field(default_factory=dict)
    split: str = ""
    concept: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    prompt: str = ""
    published_prompt: str = ""
    preset: str = ""
    window: str = ""
    preprocessing: tuple[str, ...] = ()
    cases_stated: int | None = None
    published: PublishedSource | None = None
    label_tuned: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = (
            ("task", self.task, TASKS), ("layout", self.layout, tuple(LAYOUTS)), ("modality", self.modality, tuple(MODALITIES)),
            ("window", self.window, WINDOWS),
            *((f"metrics[{n}].name", metric.name, METRICS) for n, metric in enumerate(self.metrics)),
        )  # fmt: skip
        for key, value, allowed in known:
            if value not in allowed:
                raise SettingsError(
                    f"protocol {self.name!r}, {key}: expected one of {', '.join(allowed)}, got {value!r}"
                )
        for number, metric in enumerate(self.metrics):
            distance = metric.name.startswith("nsd")
            if distance != (metric.tolerance is not None) or (distance and metric.unit not in UNITS):
                raise SettingsError(
                    f"protocol {self.name!r}, metrics[{number}]: nsd and nsd_slab need a tolerance and a unit (mm or pixel), "
                    "the others none"
                )
        if bool(self.concept) == bool(self.classes):
            raise SettingsError(f"protocol {self.name!r}: give a concept to segment, or classes to tell apart")

    def manifest(self, root: str | Path, *, checked: int | None = CHECKED) -> Manifest:
        """The cases of the data set in `root`; see `build_manifest`.

        Raises:
            InputError: the builder's, or no case of the split.
        """
        manifest = build_manifest(self.layout, root, checked=checked, **self.options)
        return manifest.of_split(self.split) if self.split else manifest

    def published_values(self) -> tuple[PublishedValue, ...]:
        """Every published number of this data set, base and transferred."""
        if self.published is None:
            return ()
        return tuple(one for one in published_table(self.published.table) if one.dataset == self.published.dataset)


def protocols() -> tuple[str, ...]:
    """The names of the protocols that ship with medkt, sorted."""
    return tuple(sorted(path.stem for path in data_file("configs/protocols").glob("*.yaml")))


def load_protocol(name: str | Path) -> Protocol:
    """A shipped protocol by name, or one from a YAML file.

    Raises:
        UnknownNameError: no such protocol. SettingsError: the file breaks the form; with the key.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        return read_protocol(Path(name))
    if str(name) not in protocols():
        raise UnknownNameError(f"no protocol {str(name)!r}; known: {', '.join(protocols())}")
    return read_protocol(data_file(f"configs/protocols/{name}.yaml"))


def read_protocol(path: Path) -> Protocol:
    """The protocol in a YAML file, whose keys are the fields of `Protocol`.

    Raises:
        SettingsError: no such file, no YAML, an unknown or missing key, a value of another type.
    """
    try:
        raw = parse_yaml(read_text(path), str(path))
    except UnreadableError as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        raise SettingsError(f"{path}{f', line {mark.line + 1}' if mark else ''}: not valid YAML") from error
    values = dict(_checked(raw, Protocol, str(path), given=("name",)))
    metrics = _list(values, "metrics", str(path))
    values["metrics"] = tuple(Metric(**_checked(one, Metric, f"{path}, metrics[{n}]")) for n, one in enumerate(metrics))
    for key in ("preprocessing", "label_tuned", "unclear"):
        values[key] = tuple(_list(values, key, str(path)))
    if values.get("published") is not None:
        values["published"] = PublishedSource(**_checked(values["published"], PublishedSource, f"{path}, published"))
    return Protocol(name=path.stem, **values)


_TEXTS = (str,)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "metrics": (list,), "preprocessing": (list,), "label_tuned": (list,), "unclear": (list,), "options": (dict,),
    "classes": (dict,), "published": (dict,), "cases_stated": (int,), "tolerance": (int, float),
}  # fmt: skip


def _checked(raw: Any, kind: type, where: str, given: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The mapping, with the fields of a dataclass as its keys and nothing else."""
    if not isinstance(raw, Mapping):
        raise SettingsError(f"{where}: expected `key: value`, got {type(raw).__name__}")
    known = {one.name: one for one in fields(kind) if one.name not in given}
    for key, value in raw.items():
        if key not in known:
            raise SettingsError(f"{where}: unknown key {key!r}; known: {', '.join(known)}")
        wanted = _TYPES.get(key, _TEXTS)
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise SettingsError(f"{where}, {key}: expected {wanted[0].__name__}, got {value!r}")
    for key, one in known.items():
        if raw.get(key) is None and one.default is MISSING and one.default_factory is MISSING:
            raise SettingsError(f"{where}: no key {key!r}")
    return {key: float(value) if key == "tolerance" else value for key, value in raw.items() if value is not None}


def _list(values: Mapping[str, Any], key: str, where: str) -> list[Any]:
    held = values.get(key, [])
    if key != "metrics" and not all(isinstance(one, str) for one in held):
        raise SettingsError(f"{where}, {key}: expected sentences, got {held!r}")
    return list(held)
