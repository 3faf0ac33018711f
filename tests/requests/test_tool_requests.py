"""`query`, `phantom` and `doctor` from Python, in one call each, without a word."""

from pathlib import Path

import pytest
from run_tables import make_outcomes, row, write_run

import medkt
from medkt.about import __version__
from medkt.errors import OutputError, SettingsError, UnknownNameError
from medkt.extras import EXTRAS
from medkt.io import read_image, read_mask
from medkt.phantom.finding import findings


def test_a_question_to_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", make_outcomes([row(dsc=0.5), row(dsc=0.25)]), shard="1/1")
    found = medkt.query(runs=run, sql="SELECT count(*) AS n, avg(dsc) AS mean FROM results")
    assert (found.columns, list(found.rows)) == (("n", "mean"), [(2, 0.375)])
    request = medkt.QueryRequest(runs=(run,), sql="SELECT 1")
    assert list(medkt.query(request, sql="SELECT max(dsc) FROM results").rows) == [(0.5,)]
    with pytest.raises(SettingsError, match="give a run and a question"):
        medkt.query(runs=[], sql="SELECT 1")
    with pytest.raises(TypeError, match="sql"):
        medkt.query(runs=run)
    assert capfd.readouterr() == ("", "")


def test_a_study_is_drawn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = medkt.write_phantom(output=tmp_path, finding="us_cyst", format="nifti", seed=3)
    assert made.domain == "ultrasound"
    assert read_mask(made.reference, like=read_image(made.study)).values.any()
    normal = medkt.write_phantom(output=tmp_path / "normal", finding="none", domain="cxr", format="png")
    assert not read_mask(normal.reference).values.any()
    assert [one.id for one in medkt.list_phantoms()] == list(findings())
    assert capfd.readouterr() == ("", "")


def test_a_study_that_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="-o FOLDER"):
        medkt.write_phantom()
    with pytest.raises(SettingsError, match="needs --domain"):
        medkt.write_phantom(output=tmp_path, finding="none")
    with pytest.raises(SettingsError, match="is a finding of ct, not of mri"):
        medkt.write_phantom(output=tmp_path, domain="mri")
    with pytest.raises(SettingsError, match="format: 'jpeg' is none of dicom, nifti, png"):
        medkt.write_phantom(output=tmp_path, format="jpeg")
    with pytest.raises(UnknownNameError, match="known: "):
        medkt.write_phantom(output=tmp_path, finding="ct_nodle")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        medkt.write_phantom(output=tmp_path / "taken", finding="us_cyst")


def test_an_installation(capfd: pytest.CaptureFixture[str]) -> None:
    here = medkt.check_installation()
    assert (here.versions["medkt"], set(here.extras)) == (__version__, set(EXTRAS))
    assert here.threads >= 1
    syntaxes = {one.uid: one for one in medkt.list_syntaxes()}
    assert (syntaxes["1.2.840.10008.1.2.1"].readable, syntaxes["1.2.840.10008.1.2.1"].by) == (True, ("pydicom",))
    assert not any(one.needs for one in syntaxes.values() if one.readable)
    assert capfd.readouterr() == ("", "")
