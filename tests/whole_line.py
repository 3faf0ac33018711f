"""The whole line at the size of a test: small phantom studies as files, and models whose answers are plain.

The encoder and the segmenter are those of `segmentation/bright_spots.py`: the words "bright" and "dark" mean what they
say, and a box is filled with what is bright in it. So masks are not empty and take milliseconds. Tests that speak of
the shipped models take them by `Pipeline.load` as a user does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from segmentation.bright_spots import BoxFiller, BrightSpots

from medkt.cli.main import main
from medkt.phantom.study import write_study
from medkt.pipeline import ModelFacts, Pipeline
from medkt.presence import Guard, PresenceRule
from medkt.segmentation.slicewise import SegmentationSettings

BRIGHT = ("-p", "a bright spot")
QUICK = ("--set", "m2ib.steps=2", "--set", "m2ib.samples=2")
"""Maps that are coarser than by default, in a fifth of the time."""

# name -> (options of `write_study`, options of `medkt segment`); no axis is as long as another, no spacing square
STUDIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "ct-series": ({"domain": "ct", "finding": "ct_nodule", "format": "dicom"}, ()),
    "ct-series-oblique": ({"domain": "ct", "finding": "ct_nodule", "format": "dicom", "oblique": True}, ()),
    "mr-series": ({"domain": "mri", "finding": "mri_glioma", "format": "dicom"}, ()),
    "dx": ({"domain": "cxr", "finding": "cxr_nodule", "format": "dicom"}, ()),
    "dx-inverted": ({"domain": "cxr", "finding": "cxr_nodule", "format": "dicom", "photometric": "MONOCHROME1"}, ()),
    "us": ({"domain": "ultrasound", "finding": "us_cyst", "format": "dicom"}, ()),
    "us-colour": ({"domain": "ultrasound", "finding": "us_cyst", "format": "dicom", "photometric": "RGB"}, ()),
    "us-clip": ({"domain": "ultrasound", "finding": "us_cyst", "format": "dicom", "frames": 3}, ()),
    "ct-nifti": ({"domain": "ct", "finding": "ct_nodule", "format": "nifti"}, ("--modality", "ct")),
    "ct-nifti-oblique": (
        {"domain": "ct", "finding": "ct_nodule", "format": "nifti", "oblique": True},
        ("--modality", "ct"),
    ),
    "mr-nifti": ({"domain": "mri", "finding": "mri_glioma", "format": "nifti"}, ("--modality", "mri")),
    "cxr-png": ({"domain": "cxr", "finding": "cxr_nodule", "format": "png"}, ("--modality", "cxr")),
    "us-png": ({"domain": "ultrasound", "finding": "us_cyst", "format": "png"}, ("--modality", "ultrasound")),
}
DICOM = tuple(name for name, (made, _) in STUDIES.items() if made["format"] == "dicom")
SHAPES = {
    "ct": {"shape": (5, 48, 40), "spacing_mm": (20.0, 7.0, 8.0)},
    "mri": {"shape": (5, 48, 40), "spacing_mm": (12.0, 5.0, 6.0)},
}


@dataclass
class Studies:
    """Phantom studies below a folder, each drawn when it is first asked for."""

    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Path:
        """The path to give to `medkt segment -i`."""
        if name not in self.made:
            options = STUDIES[name][0]
            size = SHAPES.get(options["domain"], {"side": 64})
            self.made[name] = write_study(self.folder / name, seed=5, **options, **size)
        return self.made[name]


@dataclass
class Ran:
    """What a command said: its exit code, and its two streams."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """Runs commands in this process, as the shell would."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *argv: str | Path) -> Ran:
        self.capsys.readouterr()
        try:
            code = main([str(word) for word in argv])
        except SystemExit as stop:  # from argparse
            code = int(stop.code or 0)
        captured = self.capsys.readouterr()
        return Ran(code=code, out=captured.out, err=captured.err)


def bright_pipeline(settings: SegmentationSettings | None = None, preset: str = "default") -> Pipeline:
    """A pipeline of the plain models."""
    facts = ModelFacts(name="box-filler", digest="", licence="none")
    return Pipeline(
        encoder=BrightSpots(),
        segmenter=BoxFiller(),
        segmenter_facts=facts,
        settings=settings or SegmentationSettings(),
        preset=preset,
    )


def load_bright(
    model: str = "small",
    *,
    segmenter: str | None = None,
    device: str = "auto",
    settings: SegmentationSettings | None = None,
    preset: str = "default",
    as_published: Mapping[str, Any] | None = None,
    packages: Sequence[Any] = (),
    together: bool = False,
    rule: PresenceRule | None = None,
    guarded: bool = True,
    guard: Guard | None = None,
) -> Pipeline:
    """Stands in for `Pipeline.load`."""
    own = guard if guarded else None  # the plain models have no guard of their own
    return replace(bright_pipeline(settings, preset), as_published=as_published or {}, rule=rule, guard=own)


def options_of(name: str) -> tuple[str, ...]:
    """What must be said about a study of `STUDIES` on the command line."""
    return STUDIES[name][1]


def files_below(folder: Path) -> Sequence[Path]:
    """Every file, hidden ones too."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


# fixtures: a folder's conftest.py takes those that it needs


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    """The studies; tests read them and leave them as they are."""
    return Studies(tmp_path_factory.mktemp("studies"))


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this test load the plain models, whatever they ask for."""
    monkeypatch.setattr(Pipeline, "load", load_bright)


@pytest.fixture
def medkt(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line."""
    return Command(capsys)
