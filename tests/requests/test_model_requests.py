"""The store of models from Python: what `medkt models` does, in one call each, without a word."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import medkt
from medkt.errors import InputError, OutputError, SettingsError, UnknownNameError, WeightsError
from medkt.examine import IllustratedExamination, read_examination
from medkt.examine.store import SHIPPED
from medkt.io.sha256 import sha256_of
from medkt.models import store

SMALL = read_examination(SHIPPED)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "home"))
    yield
    assert capfd.readouterr() == ("", "")


def install(name: str) -> Path:
    with store.assembling(name) as folder:
        (folder / "w.pth").write_bytes(b"weights")
        entry = store.StoredFile(sha256=sha256_of(folder / "w.pth"), size=7, source="here", stated=False)
        store.write_manifest(folder, name, "w.pth", {"w.pth": entry})
    return store.folder_of(name)


def test_the_list_and_a_card() -> None:
    folder = install("sam-vit-b")
    entries = {(one.name, one.kind): one for one in medkt.models_list()}
    here = entries["sam-vit-b", "segmenter"]
    assert (here.state, here.folder, here.bytes, here.recognised) == ("yes", folder, 7, None)
    assert (entries["medclip-swin", "encoder"].state, entries["small", "encoder"].state) == ("no", "ships with medkt")
    card = medkt.models_show(name="small")
    assert (card.entry, card.digest, card.examination) == (entries["small", "encoder"], SMALL.digest, SMALL)
    of_segmenter = medkt.models_show(name="sam-vit-b")
    assert (of_segmenter.entry, of_segmenter.examination) == (here, None)
    assert of_segmenter.digest == sha256_of(folder / "w.pth")
    with pytest.raises(UnknownNameError, match="no model called 'nobody'"):
        medkt.models_show(name="nobody")


def test_where_a_model_lies_and_whether_it_is_sound() -> None:
    assert medkt.models_verify().files == ()
    folder = install("sam-vit-b")
    assert medkt.models_path(name="sam-vit-b") == folder
    with pytest.raises(WeightsError, match="medkt models pull medsam"):
        medkt.models_path(name="medsam")
    found = medkt.models_verify()
    (file,) = found.files
    assert (file.model, file.file, file.state, file.stated, file.vouched_by) == ("sam-vit-b", "w.pth", "ok", False, "")
    assert (found.sound, [one.folder for one in found.models]) == (True, [folder])
    (folder / "w.pth").write_bytes(b"changed")
    assert not medkt.models_verify(names="sam-vit-b").sound
    with pytest.raises(WeightsError, match="medsam is not in"):
        medkt.models_verify(names=["medsam"])


def test_a_bundle_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("sam-vit-b")
    bundle = tmp_path / "bundle.zip"
    assert [one.name for one in medkt.models_export(names="sam-vit-b", output=bundle)] == ["sam-vit-b"]
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="is a bundle, which says itself"):
        medkt.models_import(path=bundle, model="sam-vit-b")
    (brought,) = medkt.models_import(path=bundle, accept_unpublished=True)
    assert (brought.folder / "w.pth").read_bytes() == b"weights"
    with pytest.raises(InputError, match="does not exist"):
        medkt.models_import(path=tmp_path / "absent.pth")


class Heard(medkt.Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[str, int, int]] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def progress(self, what: str) -> Iterator[Any]:
        self.lines.append(what)
        yield lambda *step: self.steps.append(step)


def test_a_licence_is_told_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    with pytest.raises(SettingsError, match="--accept-licence"):
        medkt.models_pull(name="biomedclip", listener=heard)
    assert "Licence of the weights" in heard.lines[0]

    limits = []

    def pull(record: Any, *, accept_licence: bool, progress: Any, limit_s: float) -> Any:
        limits.append((accept_licence, limit_s))
        progress("w.pth", 3, None)
        progress("w.pth", 7, 7)
        return store.read_manifest(install(record.name))

    monkeypatch.setattr("medkt.models.download.pull", pull)
    assert medkt.models_pull(name="biomedclip", accept_licence=True, listener=heard).name == "biomedclip"
    assert medkt.models_pull(name="biomedclip", timeout=0).name == "biomedclip"
    assert heard.steps == [("w.pth", 3, 0), ("w.pth", 7, 7)]
    assert limits == [(True, 6 * 3600.0), (False, float("inf"))]


def test_what_an_encoder_understands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def examine(encoder: Any, settings: Any, *, progress: Any) -> IllustratedExamination:
        progress("shape", settings.pairs, 100)
        return IllustratedExamination(examination=SMALL, examples={}, lesions=())

    monkeypatch.setattr("medkt.examine.examine", examine)
    heard = Heard()
    found = medkt.models_examine(name="small", pairs=61, output=tmp_path / "out", listener=heard)
    assert (found.examination, heard.lines, heard.steps) == (SMALL, ["examining small"], [("shape", 61, 100)])
    assert [one.name for one in found.files[2:]] == ["examination.html", "examination.json"]
    assert all(one.is_file() for one in found.files)
    with pytest.raises(OutputError, match="exists already"):
        medkt.models_examine(name="small")
    with pytest.raises(SettingsError, match="fewer than 60"):
        medkt.models_examine(name="small", pictures=59)
    with pytest.raises(SettingsError, match="at least 1 is needed"):
        medkt.models_examine(name="small", overwrite=True, threads=0)
