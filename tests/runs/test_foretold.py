"""A run says how long it will take, from its first study, before a model has computed anything: once, whoever says it first."""

import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medkt.cli.main import main
from medkt.estimates.batch import FirstStudy
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline
from medkt.runs.engine import CaseExpected, ForecastingRunner
from medkt.runs.folder import RunFolder
from medkt.runs.progress import RunStatus, expected_line
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.tasks.segment.studies import StudyRunner, StudyRunnerFactory

pytestmark = (
    pytest.mark.slow
)  # each learns, or asks of drawn pictures, for tens of seconds; what learns elsewhere is quicker


def summary(pending: int, done: int = 0) -> RunStatus:
    states = {"pending": pending, "running": 0, "done": done, "failed": 0}
    return RunStatus(total=pending + done, states=states, failures={})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (expected_line(summary(100), 0.1, 0.1), "100 cases: about 10 s, if all are like the first"),
        (expected_line(summary(1), 30.0, 90.0), "1 case: about 30 s to 2 min, if all are like the first"),
        (
            expected_line(summary(10, 5), 3600.0, 7200.0),
            "10 cases of 15 left: about 10.0 h to 20.0 h, if all are like the first",
        ),
    ],
)
def test_the_line(found: str, said: str) -> None:
    assert found == said


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("s") / "p", domain="cxr", finding="cxr_nodule", seed=0, format="dicom")


def test_what_the_first_study_shows_is_shared_among_workers(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medkt.estimates.machine import Rates

    monkeypatch.setattr(
        "medkt.estimates.batch.measured_rates", lambda *_, **__: Rates(forward=1e10, back=1e10, half=1e10)
    )
    monkeypatch.setattr("medkt.estimates.batch.cores", lambda: 4)
    pipeline, asked = Pipeline.load("small"), []
    pipeline.segment_file(study, ["cxr_nodule"], before=asked.append)
    one, three, many = (
        pickle.loads(pickle.dumps(FirstStudy(workers=n, threads=1, device="cpu")))(asked[0], pipeline)
        for n in (1, 3, 16)
    )
    assert 0 < one[0] <= one[1]
    np.testing.assert_allclose(np.array(three) * 3, one)
    np.testing.assert_allclose(np.array(many) * 4, one)  # no more than there are cores


def test_a_run_says_it_once_before_its_first_case_has_ended(
    study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "cases.csv"
    table.write_text("case_id,image,patient_id\n" + "".join(f"c{n},{study},p{n}\n" for n in range(2)))
    words = ["batch", "--manifest", str(table), "-c", "cxr_nodule", "--set", "m2ib.steps=1", "-f", "nifti"]
    order: list[str] = []
    from medkt.runs import local

    heard = local.LocalEngine._heard

    def listening(self: Any, worker: Any, what: str, *rest: Any) -> Sequence[Any]:
        order.append(what)
        return heard(self, worker, what, *rest)

    monkeypatch.setattr(local.LocalEngine, "_heard", listening)
    assert main([*words, "-o", str(tmp_path / "run")]) == 0
    said = capfd.readouterr().err
    assert len(re.findall(r"medkt: 2 cases: about .*, if all are like the first", said)) == 1
    assert order.index("ready") < order.index("expects") < order.index("finished")
    assert order.count("expects") == 1


def test_a_runner_without_foresight_says_nothing(tmp_path: Path) -> None:
    quiet = StudyRunnerFactory(run=RunFolder(tmp_path), concepts={}, settings=SegmentationSettings())
    runner = StudyRunner(quiet, Pipeline.load("small"))
    runner.foresee(lambda least, most: pytest.fail("told though nobody asked"))
    assert runner.told == []

    class Runner:
        def read(self, work: Any) -> Any: ...

    class Seer:
        def foresee(self, tell: Callable[[float, float], None]) -> None:
            tell(1.0, 2.0)

    assert not isinstance(Runner(), ForecastingRunner)
    assert isinstance(Seer(), ForecastingRunner)
    assert CaseExpected(least=1.0, most=2.0) == CaseExpected(least=1.0, most=2.0)
