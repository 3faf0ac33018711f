"""What every reader must do: the phantom's own voxels and place, the same each time, from a path of either kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from whole_line import STUDIES, Studies

import medkt
from medkt.errors import InputError

PAIRS = [
    ("ct-series", "ct-nifti"),
    ("ct-series-oblique", "ct-nifti-oblique"),
    ("mr-series", "mr-nifti"),
    ("dx", "dx-inverted"),
    ("us", "us-colour"),
]


@pytest.mark.parametrize("name", STUDIES)
def test_an_image(name: str, studies: Studies) -> None:
    image = medkt.read_image(studies[name])
    assert image.values.ndim == 3
    assert image.values.shape == image.geometry.shape
    assert np.isfinite(image.values).all()
    assert image.values.flags.c_contiguous
    assert image.values.dtype.isnative
    assert len(image.provenance.digest) == 64
    assert image.provenance.source == ("nifti" if "nifti" in name else "raster" if "png" in name else "dicom")
    assert image.geometry.unit == ("pixel" if "png" in name else "mm")
    assert bool(image.modality) is (image.provenance.source == "dicom")


@pytest.mark.parametrize("name", STUDIES)
def test_the_same_each_time_from_a_text_or_a_path(name: str, studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    path = studies[name]
    first, second = medkt.read_image(path), medkt.read_image(str(path))
    np.testing.assert_array_equal(first.values, second.values)
    assert first.provenance.digest == second.provenance.digest
    monkeypatch.chdir(path.parent)
    assert medkt.read_image(Path(path.name)).provenance.digest == first.provenance.digest


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_files_of_one_study_are_one_image(one: str, other: str, studies: Studies) -> None:
    first, second = medkt.read_image(studies[one]), medkt.read_image(studies[other])
    if one == "dx":  # MONOCHROME1 keeps its stored values and says that low is bright
        np.testing.assert_array_equal(first.values, 4095 - second.values.astype(int))
        assert second.display.inverted is not first.display.inverted
    else:
        np.testing.assert_array_equal(first.values, second.values)
    placed = replace(second.geometry, frame_of_reference_uid=first.geometry.frame_of_reference_uid)
    first.geometry.require_same_grid(placed, what="image")


@pytest.mark.parametrize("name", ["gone", "gone.dcm", "gone.nii.gz", "gone.png", "gone.zip"])
def test_what_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name}: there is no such file or folder"):
        medkt.read_image(tmp_path / name)
