"""Studies in which nothing is to be found, as an encoder sees them: what a question scores there is its null.

A score has no scale of its own: "fibroadenoma" comes near to a drawn breast without any, "cyst" never does. So a question is
held against what the very same question scores in studies that are known to hold nothing. Kept are directions of drawn planes,
a byte a number; no plane, and nothing of any patient.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from medkt.models.encoder import DualEncoder
from medkt.models.family import family_of
from medkt.models.shipped_files import read_shipped
from medkt.presence.state import NoNormals
from medkt.records import fill

NAME = "normals.safetensors"
VERSION = "1"
_STEPS = 127  # of a byte with a sign


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NormalStudies:
    """Studies of one modality without a finding, as one window shows them.

    Attributes:
        modality, body: a domain's name, and the part of the body as its words name it.
        window: a named one of the domain; "" for the domain's own rule.
        step_mm: between neighbouring planes of a study; 0 for single images.
        features: (planes, width) unit image features.
        studies: (planes,) which study each plane is of, ascending.
        places: (planes,) of each in its study, ascending; neighbours differ by 1.
    """

    modality: str
    body: str
    window: str
    step_mm: float
    features: Float32[np.ndarray, "planes width"]
    studies: Int64[np.ndarray, " planes"]
    places: Int64[np.ndarray, " planes"]

    @property
    def name(self) -> str:
        """Names it in a file."""
        return "/".join((self.modality, self.body, self.window, f"{self.step_mm:g}"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normals:
    """What ships with an encoder.

    Attributes:
        encoder: the digest of the weights that the features are of.
        groups: one a modality, window and kind of study.
        covered: by `cover_key`, the most of the body that an answer of the model may cover.
    """

    encoder: str
    groups: tuple[NormalStudies, ...]
    covered: Mapping[str, float] = field(default_factory=dict)

    def of(self, modality: str, body: str, window: str | None, *, is_volume: bool) -> "NormalStudies | NoNormals":
        """Those that a study is held against; why there are none, where there are none of its kind.

        `window` is the named one in which the study is shown, "" for the domain's own rule where that is none of them, None for another.
        """
        of_part = [one for one in self.groups if (one.modality, one.body) == (modality, body)]
        if not of_part:
            return NoNormals(code="other-part", sentence=f"no normal study of {modality} of the {body} is known")
        of_kind = [one for one in of_part if (one.step_mm > 0) == is_volume]
        if not of_kind:
            kind = "volume" if is_volume else "single image"
            return NoNormals(code="other-kind", sentence=f"no normal {kind} of {modality} is known")
        for one in of_kind:
            if one.window == window:
                return one
        return NoNormals(code="other-window", sentence=f"no normal study of {modality} is known as this one is shown")


def cover_key(modality: str, *, is_volume: bool, concept: str | None = None) -> str:
    """Under which `Normals.covered` has a limit: a lesion fills more of the one plane that it is seen in than of a volume.

    >>> cover_key("mri", is_volume=False), cover_key("mri", is_volume=True, concept="mri_glioma")
    ('mri/plane', 'mri/volume/mri_glioma')
    """
    return "/".join((modality, "volume" if is_volume else "plane", *([concept] if concept else [])))


def default_normals(encoder: DualEncoder) -> Normals | None:
    """Those that ship with an encoder as it was loaded; None where none do, or where it was taught something since.

    Raises:
        WeightsError: what ships with the small model cannot be read.
    """
    family = family_of(encoder)
    if family is None or family.beside is None or not (family.beside / NAME).exists():
        return None
    shipped = _shipped(family.beside / NAME)
    return shipped if shipped.encoder == encoder.spec.digest else None


@cache
def _shipped(path: Path) -> Normals:
    return read_normals(path)


def write_normals(normals: Normals, path: Path) -> None:
    """Write a safetensors file, the same bytes for the same numbers."""
    from safetensors.numpy import save_file

    tensors: dict[str, Any] = {}
    groups = []
    for one in normals.groups:
        scale = float(np.abs(one.features).max()) / _STEPS
        tensors[f"{one.name}:features"] = np.rint(one.features / scale).astype(np.int8)
        tensors[f"{one.name}:studies"] = one.studies.astype(np.int16)
        tensors[f"{one.name}:places"] = one.places.astype(np.int16)
        groups.append({"modality": one.modality, "body": one.body, "window": one.window, "step_mm": one.step_mm,
                       "scale": scale})  # fmt: skip
    about = {"version": VERSION, "encoder": normals.encoder, "groups": groups, "covered": dict(normals.covered)}
    save_file(tensors, path, metadata={"normals": json.dumps(about, sort_keys=True, allow_nan=False)})


def read_normals(path: Path) -> Normals:
    """What `write_normals` wrote; features to within half a percent of their largest number.

    Raises:
        WeightsError: it is missing, damaged, or of another version.
    """
    return read_shipped(path, key="normals", version=VERSION, make=_normals)


def _normals(about: Mapping[str, Any], tensors: Mapping[str, Any]) -> Normals:
    groups = [_with_arrays(one, tensors) for one in about["groups"]]
    return fill(Normals, {**about, "groups": groups})


def _with_arrays(plain: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in plain.items() if name != "scale"}
    name = "/".join((*(told[part] for part in ("modality", "body", "window")), f"{told['step_mm']:g}"))
    features = tensors[f"{name}:features"].astype(np.float32) * np.float32(plain["scale"])
    return {
        **told, "features": features / np.linalg.norm(features, axis=1, keepdims=True),
        "studies": tensors[f"{name}:studies"].astype(np.int64), "places": tensors[f"{name}:places"].astype(np.int64),
    }  # fmt: skip
