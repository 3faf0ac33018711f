"""The domains, read from `configs/domains` and from packages that add some; which of them an image belongs to."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from medkt.domains.augmentation import Augmentation
from medkt.domains.domain import BodyWords, Domain, Modality, Percentiles, SaliencyDefaults, SliceRule, Window
from medkt.domains.extent import Extent, require_extent
from medkt.errors import AmbiguousInputError, SettingsError, UnsupportedError
from medkt.modalities import MODALITIES
from medkt.resources import data_yaml
from medkt.spatial import Image
from medkt.spatial.modality import written_modality

T = TypeVar("T")

_KEYS = {"version", "name", "title", "codes", "spacing", "intensity", "slices", "saliency"}
_KEYS |= {"default_body", "words", "findings"}
_MAY_LACK = {"augmentation"}


@cache
def domains() -> Mapping[str, Domain]:
    """Every domain by name."""
    return MappingProxyType({name: domain(name) for name in MODALITIES})


@cache
def domain(name: str) -> Domain:
    """The domain of that name.

    Raises:
        UnknownNameError: there is none; the message lists those there are.
        ExtensionError: the package that adds it cannot be used.
    """
    return _load(name, MODALITIES[name])


def detect_domain(image: Image) -> Domain:
    """The domain that the image's modality code means.

    Raises:
        AmbiguousInputError: the file does not say its modality (NIfTI, pictures).
        UnsupportedError: it says one that medkt has no domain for, such as MG or PT.
    """
    if not image.modality:
        names = ", ".join(MODALITIES)
        raise AmbiguousInputError(f"the file does not say what modality it is: say --modality ({names})")
    for one in domains().values():
        if image.modality.upper() in one.codes:
            return one
    known = ", ".join(code for one in domains().values() for code in one.codes)
    raise UnsupportedError(f"medkt has no domain for modality {image.modality!r}; it knows {known}. {_advice(image)}")


def check_plausible(image: Image, domain: Domain) -> tuple[str, ...]:
    """Warnings about an image that may not belong to the domain it is read as; empty where nothing is odd.

    Raises:
        InputError: the image holds NaN or infinity.
        GeometryError: it is larger than an image of a patient can be.
    """
    require_extent(image, domain.extent, domain.title)
    warnings = list(domain.implausible(image))
    code = image.modality.upper()
    if code and code not in domain.codes:
        warnings.insert(0, f"the file says modality {written_modality(code)}, it is read as {domain.title}")
    if domain.expects_mm and image.geometry.unit != "mm":
        warnings.append(f"no spacing: lengths are in pixels, though {domain.title} is measured in millimetres")
    return tuple(warnings)


def _advice(image: Image) -> str:
    if image.modality.upper() == "MG":
        return "No concept or window of medkt describes mammograms, so a result would mean nothing."
    return "Say --modality where you know that one of these fits."


def _load(name: str, modality: Modality) -> Domain:
    path = modality.file
    raw = data_yaml(path)
    if set(raw) - _MAY_LACK != _KEYS:
        wrong = ", ".join(sorted((set(raw) - _MAY_LACK) ^ _KEYS))
        raise SettingsError(f"{path}: unknown or missing keys: {wrong}")
    if raw["name"] != name:
        raise SettingsError(f"{path}: says the name {raw['name']!r} and is known by {name!r}; make them the same")
    intensity, spacing = raw["intensity"], raw["spacing"]
    try:
        return modality.kind(
            name=raw["name"], title=raw["title"], codes=tuple(raw["codes"]),
            expects_mm=spacing["expects_mm"], spacing_rule=spacing["rule"], extent=_extent(spacing),
            intensity_rule=intensity["rule"],
            percentiles=_made(Percentiles, intensity["percentiles"]), windows=_windows(intensity["windows"]),
            default_window=intensity["default_window"], slice_rule=_made(SliceRule, raw["slices"]),
            saliency=_made(SaliencyDefaults, raw["saliency"]), default_body=raw["default_body"],
            words=_words(raw["words"]), findings=tuple(raw["findings"]), augmentation=_augmentation(raw.get("augmentation")),
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _extent(raw: dict[str, Any]) -> Extent:
    widest, longest = float(raw["widest_mm"]), float(raw["longest_mm"])
    return Extent(widest_mm=widest, longest_mm=longest, source=raw["largest_source"].removeprefix("our choice: "))


def _augmentation(raw: dict[str, Any] | None) -> Augmentation:
    return Augmentation() if raw is None else _made(Augmentation, {**raw, "symmetric": tuple(raw.get("symmetric", ()))})


def _made(kind: type[T], raw: dict[str, Any]) -> T:
    """A dataclass of a YAML mapping, whose whole numbers may stand for any number."""
    floats = {one.name for one in fields(kind) if one.type is float}  # type: ignore[arg-type]
    return kind(**{key: float(value) if key in floats else value for key, value in raw.items()})


def _windows(raw: dict[str, Any]) -> dict[str, Window]:
    return {name: _made(Window, numbers) for name, numbers in raw.items()}


def _words(raw: dict[str, Any]) -> dict[str, BodyWords]:
    return {body: BodyWords(**{kind: tuple(texts) for kind, texts in lists.items()}) for body, lists in raw.items()}
