"""A published encoder is not taught without studies to rehearse, unless the user says so; no way learns from the exam."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image as Picture

from medkt.asking.pictures import PictureCounts
from medkt.cli.main import main
from medkt.config import resolve_learning
from medkt.errors import SettingsError
from medkt.models.small import load_small
from medkt.requests.learn import LearnRequest, learn_concept
from medkt.requests.learn_studies import require_rehearsal
from medkt.requests.listener import Listener
from medkt.transfer.learn_settings import LearnSettings


def asked(preset: str, drawn: bool = False, **given: Any) -> None:
    encoder: Any = SimpleNamespace(spec=SimpleNamespace(drawn=drawn, name="BiomedCLIP"))
    require_rehearsal(LearnRequest(concept="us_cyst", **given), encoder, resolve_learning(LearnSettings, preset=preset))


@pytest.mark.parametrize("preset", ["local", "fast"])
def test_a_published_encoder_needs_studies_to_rehearse(preset: str) -> None:
    with pytest.raises(
        SettingsError, match=r"BiomedCLIP: this encoder needs studies to rehearse.*--rehearse DIR.*--how text"
    ):
        asked(preset)


def test_studies_are_no_rehearsal_for_a_learning_that_does_not_look_at_them() -> None:
    with pytest.raises(SettingsError, match="needs studies to rehearse"):
        asked("fast", rehearse=Path("usual"))


@pytest.mark.parametrize(
    ("preset", "given"),
    [("local", {"rehearse": Path("usual")}), ("local", {"pool": Path("pool")}), ("local", {"dreamt_rehearsal": True}),
     ("fast", {"dreamt_rehearsal": True}), ("kt-paper", {"as_published": "kt-paper"}), ("kt-paper", {})],
)  # fmt: skip
def test_studies_a_published_way_or_the_users_word_let_it_pass(preset: str, given: dict[str, Any]) -> None:
    asked(preset, **given)


def test_the_small_model_may_be_taught_by_drawn_pictures() -> None:
    asked("local", drawn=True)
    asked("fast", drawn=True)


def grey(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48), dtype=np.uint8)).save(path)
    return path


@pytest.mark.parametrize("how", ["text", "images"])
@pytest.mark.parametrize("option", ["normals", "rehearse"])
def test_no_lead_is_set_on_a_study_of_the_exam(
    how: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same picture in a folder, and another one of the same patient in a manifest: refused before anything is learned."""
    monkeypatch.setattr("medkt.asking.calibration.COUNTS", PictureCounts(finding=0, others=0, normal=1, known=1))
    monkeypatch.setattr("medkt.learning.learning.learn_concept", None)
    own, exam, target = tmp_path / "own", tmp_path / "exam", tmp_path / "a.medkt"
    images = [grey(own / f"{seed}.png", seed) for seed in range(2)]
    (exam / "with").mkdir(parents=True)
    shutil.copy(images[1], exam / "with" / "other name.png")
    words = ["learn", "us_phyllodes", "--how", how, "-o", str(target)]
    assert main([*words, f"--{option}", str(own), "--probe", str(exam)]) == 2
    said = capsys.readouterr().err
    assert f"--{option}: a study of it is in the exam, too (the same image)" in said
    (tmp_path / "own.csv").write_text(f"case_id,image,patient_id\na,{images[0]},P1\n", encoding="utf-8")
    seen = f"b,{grey(tmp_path / 'c.png', 9)},P1,yes"
    (tmp_path / "exam.csv").write_text(f"case_id,image,patient_id,present\n{seen}\n", encoding="utf-8")
    assert main([*words, f"--{option}", str(tmp_path / "own.csv"), "--probe", str(tmp_path / "exam.csv")]) == 2
    said = capsys.readouterr().err
    assert f"--{option}: a study of it is in the exam, too (the same patient)" in said
    assert "P1" not in said
    assert not target.exists()


class _Advised(Listener):
    """Keeps what it is told to tell."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def advise(self, notes: Sequence[str]) -> None:
        self.notes += notes


@pytest.mark.parametrize(
    ("how", "starts"), [("text", "medkt.learning.text_learning.ask_well"), ("images", "medkt.learning.learn")]
)
def test_captions_that_are_cut_off_are_told_before_anything_is_learned(
    how: Literal["text", "images"], starts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caption that is longer than the model reads, and one that is so only with the name before it."""
    encoder, words = load_small(), "a round bright mass with a sharp margin and"
    while not encoder.tokenize([f"{words} very bright"]).truncated[0]:
        words += " very"
    assert encoder.tokenize([f"A granular speck is {words} bright"]).truncated[0]
    captions = {"inversion": [f"{words} bright", "a round dark spot " * 30], "prompt": ["a granular speck"]}
    entry = {"id": "speck", "name": "granular speck", "source": ["own"], "captions": captions}
    file = {
        "version": 1,
        "modality": "ultrasound",
        "licence": "CC0-1.0",
        "author": "a test",
        "sources": {"own": "ours"},
    }
    (tmp_path / "speck.yaml").write_text(json.dumps({**file, "concepts": [entry]}), encoding="utf-8")

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(starts, stopped)
    heard = _Advised()
    with pytest.raises(KeyboardInterrupt):
        learn_concept(
            concept=str(tmp_path / "speck.yaml"), how=how, audit="none", output=tmp_path / "a.medkt", listener=heard
        )
    cut = [note for note in heard.notes if "cut off" in note]
    reads = f"longer than the {encoder.spec.text_length} tokens that small reads"
    assert len(cut) == 2
    assert cut[0].startswith("speck: 'a round dark spot a round")
    assert cut[1].startswith("speck: with the name before it, 'A granular speck is a round bright mass with")
    assert all(reads in note for note in cut)
