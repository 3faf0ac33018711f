"""The files beside a page that let its volumes be looked at: the viewer, the library that it draws with, the voxels.

Browsers load neither modules nor data from `file://`, but scripts they do: voxels are gzipped NIfTI as base64 in a script
that is loaded when a reader opens the case.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from medkt.errors import OutputError
from medkt.io.atomic import write_atomically
from medkt.report.run.volumes import Bytes, LayerView, VolumeView, nifti_bytes
from medkt.spatial import Geometry, planes_of

LIBRARY = ("niivue.min.js", "niivue.LICENSE.txt")
VIEWER = "viewer.js"
VOXELS = ("volume-*.js", "found-*.js")  # images with references; what the runs found in them


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVolume:
    """What the page has to know of a case that can be looked at.

    Attributes:
        scripts: addresses of the scripts with its voxels, from the page.
        megabytes: of these together.
        facts: what the viewer needs, as JSON: layers, grid, first place to look at.
        words: how it is shown, and what is not there.
    """

    scripts: tuple[str, ...]
    megabytes: float
    facts: str
    words: str


@dataclass(frozen=True, slots=True)
class ViewerFiles:
    """The folder beside a page, as browsers name it when they save one: `report_files` beside `report.html`."""

    path: Path

    @classmethod
    def of_page(cls, page: Path) -> "ViewerFiles":
        return cls(page.with_name(f"{page.stem}_files"))

    def remove(self) -> None:
        """Remove what an earlier page of this name had; of a folder with other files, only what is the viewer's.

        Raises:
            OutputError: it cannot be removed.
        """
        try:
            for pattern in (*VOXELS, VIEWER, *LIBRARY):
                for path in self.path.glob(pattern):
                    path.unlink()
            if self.path.is_dir() and not any(self.path.iterdir()):
                self.path.rmdir()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be replaced ({error.strerror}); remove it") from error

    def begin(self) -> None:
        """Make the folder anew with the viewer and its library.

        Raises:
            OutputError: it cannot be written.
        """
        self.remove()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror}); choose another folder") from error
        ours = files("medkt.report")
        for source in (ours / "run" / VIEWER, *(ours / "vendor" / "niivue" / name for name in LIBRARY)):
            self._write(source.name, source.read_bytes())

    def address(self, name: str) -> str:
        """How the page names a file of the folder."""
        return f"{quote(self.path.name)}/{quote(name)}"

    def add_study(self, key: str, shown: VolumeView) -> str:
        """Write an image with its reference; gives the name of the script."""
        layers = {"image": shown.image, "reference": shown.reference}
        return self._write_voxels(f"volume-{key}.js", layers, shown.geometry)

    def add_layers(self, key: str, arm: str, shown: VolumeView, layers: LayerView) -> str:
        """Write what one run found of it; gives the name of the script."""
        held = {"mask": layers.mask, "saliency": layers.saliency}
        there = {name: values for name, values in held.items() if values is not None}
        name = "-".join(filter(None, ("found", arm.lower(), key)))
        return self._write_voxels(f"{name}.js", there, shown.geometry)

    def case_volume(self, scripts: tuple[str, ...], shown: VolumeView, layers: LayerView) -> CaseVolume:
        """What the page says of a case whose scripts are written."""
        size = sum((self.path / name).stat().st_size for name in scripts)
        return CaseVolume(
            scripts=tuple(self.address(name) for name in scripts), megabytes=size / 1e6,
            facts=json.dumps(_facts(scripts, shown, layers), allow_nan=False), words=_words(shown, layers),
        )  # fmt: skip

    def _write_voxels(self, name: str, layers: Mapping[str, Bytes], geometry: Geometry) -> str:
        packed = {
            layer: base64.b64encode(nifti_bytes(values, geometry)).decode("ascii") for layer, values in layers.items()
        }
        call = json.dumps([name, packed], allow_nan=False)[1:-1]
        self._write(name, f"medktVolume({call});\n".encode("ascii"))
        return name

    def _write(self, name: str, content: bytes) -> None:
        write_atomically(self.path / name, lambda path: path.write_bytes(content))


def _facts(scripts: tuple[str, ...], shown: VolumeView, layers: LayerView) -> dict[str, Any]:
    return {
        "parts": scripts,
        "layers": ["image", *_overlays(layers)],
        "shape": shown.whole.shape,
        "steps": shown.steps,
        "start": layers.start,
        "planes": _plane_names(shown.whole),
    }


def _plane_names(geometry: Geometry) -> list[str]:
    """What the planes across each array axis are called; of clips and pictures without a place only the first has a name."""
    names = [planes_of(geometry, axis).orientation for axis in range(3)]
    return (
        ["frame" if geometry.stack == "time" else "plane"] if {"as stored", "single plane"} & {*names} else list(names)
    )


def _overlays(layers: LayerView) -> list[str]:
    """Those that there are, the lowest first."""
    there = {"saliency": layers.saliency is not None, "mask": layers.mask is not None, "reference": True}
    return [name for name, is_there in there.items() if is_there]


def _words(shown: VolumeView, layers: LayerView) -> str:
    said = [f"Shown as the run saw it, {shown.window}, in 256 greys."]
    if max(shown.steps) > 1:
        blocks = " x ".join(map(str, shown.steps))
        said.append(f"One voxel here is {blocks} of the study (slices, rows, columns).")
    missing = [name for name, values in (("mask", layers.mask), ("saliency map", layers.saliency)) if values is None]
    said += [f"The run wrote no {name}." for name in missing]
    said += ["Saliency is there only in planes that were looked at."] if layers.saliency is not None else []
    return " ".join(said)
