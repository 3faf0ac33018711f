"""Commands on studies whose codec crashes, takes all memory or hangs: a line, exit 2; in a batch the others go on."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from io_codecs import BAD, PATCHED
from whole_line import Command

from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.io import apart

pytestmark = pytest.mark.usefixtures("inline", "bright")
QUICK = ("--set", "m2ib.steps=1", "--set", "m2ib.samples=1", "--set", "presence.gate=false")
WAYS = {"crash": ("unreadable", "decoder-died"), "memory": ("memory", "memory"), "hang": ("unreadable", "decoder-slow")}


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    apart.end_all()
    yield
    apart.end_all()


def films(folder: Path) -> list[Path]:
    """Three, the second of which does to the codec what the test asks for."""
    plane = np.random.default_rng(1).integers(0, 255, (40, 52)).astype(np.uint8)
    for name in ("a", "bad", "c"):
        tifffile.imwrite(folder / f"{name}.tif", plane, compression="zlib")
    return [folder / f"{name}.tif" for name in ("a", "bad", "c")]


WAITING = {"hang": pytest.mark.slow}  # `tests/io/test_apart.py` waits for one as well


@pytest.mark.parametrize("what", [pytest.param(one, marks=WAITING.get(one, ())) for one in WAYS])
def test_one_study_is_a_line_and_of_several_the_others_are_done(
    what: str, tmp_path: Path, medkt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_CHILD", PATCHED.format(what=BAD[what]))
    monkeypatch.setenv("MEDKT_DECODE_SECONDS", "1")
    paths, words = films(tmp_path), ("-p", "a bright spot", "--modality", "ultrasound", *QUICK)
    ran = medkt("segment", "-i", paths[1], "-o", tmp_path / "one", *words)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
    assert str(paths[1]) in ran.err
    assert list((tmp_path / "one").rglob("*")) == []
    cases = [
        Case(case_id=str(number), patient_id=str(number), image=path, modality="ultrasound", concept="us_cyst")
        for number, path in enumerate(paths)
    ]
    run = tmp_path / "run"
    ran = medkt("batch", "--manifest", write_manifest(cases, tmp_path / "list.csv"), "-o", run, "--json", *QUICK)
    assert ran.code == 4, ran.err
    ends = [json.loads(line) for line in ran.out.splitlines() if '"event": "case"' in line]
    assert sorted(one["status"] for one in ends) == ["done", "done", "failed"]
    assert [(one["failure"], one["code"]) for one in ends if one["status"] == "failed"] == [WAYS[what]]
    assert not list(run.rglob(".medkt-scratch-*"))
