"""A published encoder is not taught without studies to rehearse, unless the user says so."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medkt.config import resolve_learning
from medkt.errors import SettingsError
from medkt.requests.learn import LearnRequest
from medkt.requests.learn_studies import require_rehearsal
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
