"""`medkt doctor`: what can be decoded, and a code that says whether anything is missing."""

import json

import pytest
from whole_line import Command

from medkt.about import __version__
from medkt.cli import doctor


def test_every_transfer_syntax_that_there_is_a_decoder_for(medkt: Command) -> None:
    ran = medkt("doctor", "--json")
    found = json.loads(ran.out)
    assert ran.code == 0
    names = {row["uid"]: row for row in found["transfer_syntaxes"]}
    for uid in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"):
        assert names[uid]["readable"] is True
        assert names[uid]["by"]
    assert not any(row["needs"] for row in found["transfer_syntaxes"] if row["readable"])
    assert found["medkt"]["medkt"] == __version__
    assert found["device"]["threads"] >= 1


def test_the_table(medkt: Command) -> None:
    ran = medkt("doctor")
    assert ran.code == 0
    assert "DICOM pixel data" in ran.out
    assert "JPEG 2000" in ran.out


def test_a_missing_decoder_is_code_2_and_says_what_it_needs(medkt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"uid": "1.2", "name": "JPEG-LS", "readable": False, "by": [], "needs": ["pyjpegls"]}
    monkeypatch.setattr(doctor, "_codecs", lambda: [missing])
    ran = medkt("doctor")
    assert ran.code == 2
    assert "pyjpegls" in ran.out


def test_a_decoder_that_an_extra_would_bring_is_named_and_no_fault(
    medkt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {"uid": "1.2", "name": "HTJ2K", "readable": False, "by": [], "needs": [doctor.CODECS]}
    monkeypatch.setattr(doctor, "_codecs", lambda: [missing])
    monkeypatch.setattr("medkt.extras.is_installed", lambda name: name != "ray")
    ran = medkt("doctor")
    assert ran.code == 0
    assert "medkt[codecs]" in ran.out
    assert "clip, codecs" in ran.out
    assert "ray (not installed)" in ran.out
