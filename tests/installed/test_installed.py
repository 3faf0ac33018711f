"""The package as it stands: its data files are found, the small model loads, one study goes through.

Run twice: in the checkout, and by `run.py` against the built wheel from a folder outside it.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

import medkt
from medkt.cli.main import main
from medkt.resources import data_file

DATA = (
    "configs/phantom/findings.yaml",
    "configs/models.yaml",
    "configs/presets/default.yaml",
    "configs/presets/medclip-samv2.yaml",
    *(f"configs/domains/{name}.yaml" for name in ("cxr", "ct", "mri", "ultrasound")),
    *(f"radiology_captions/{name}.yaml" for name in ("cxr", "ct", "mri", "ultrasound")),
)


@pytest.mark.parametrize("relative", DATA)
def test_data_files_are_found(relative: str) -> None:
    found = data_file(relative)
    assert found.is_file()
    if "MEDKT_INSTALLED" in os.environ:
        assert Path(os.environ["MEDKT_INSTALLED"]).resolve() in found.resolve().parents


def test_a_missing_data_file_says_what_to_do() -> None:
    with pytest.raises(FileNotFoundError, match="reinstall medkt"):
        data_file("configs/absent.yaml")


def test_it_is_the_installed_package_and_says_its_version() -> None:
    assert version("medkt") == medkt.__version__
    if "MEDKT_INSTALLED" in os.environ:
        assert Path(os.environ["MEDKT_INSTALLED"]).resolve() in Path(medkt.__file__).resolve().parents


def test_one_picture_goes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", "-o", str(tmp_path / "study"), "--finding", "us_cyst", "--format", "png", "--json"]) == 0
    study = json.loads(capsys.readouterr().out)["study"]
    options = ["-o", str(tmp_path / "result"), "-c", "us_cyst", "--modality", "ultrasound", "--json"]
    assert main(["segment", "-i", study, *options]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"us_cyst.png", "us_cyst.nii.gz", "report.html", "overlay.png", "result.json"} <= set(
        os.listdir(tmp_path / "result")
    )
    assert record["models"]["encoder"]["digest"]
