"""Runs on a Ray cluster of several nodes on this machine, one of which is killed in the middle."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medkt.errors import MissingDependencyError
from medkt.runs.coordinator import run_cohort
from medkt.runs.local import LocalEngine
from medkt.runs.outcomes import Outcome
from medkt.runs.progress import SilentWatcher
from medkt.runs.ray import RayEngine

from .fake_studies import FakeFactory
from .runs import SALT, make_cases, make_plan, make_run, steps_in, tables_of


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors, and three nodes of one each; the first test takes one of them away."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'medkt[ray]'")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.extra = [made.add_node(num_cpus=1) for _ in range(3)]
    ray.init(address=made.address, log_to_driver=False, configure_logging=False)
    yield made
    ray.shutdown()
    made.shutdown()


class _NodeKiller(SilentWatcher):
    """Removes a node without warning when five cases have ended."""

    def __init__(self, cluster: Any) -> None:
        self.cluster, self.ended_cases = cluster, 0

    def ended(self, outcome: Outcome, words: str = "") -> None:
        self.ended_cases += 1
        if self.ended_cases == 5:
            self.cluster.remove_node(self.cluster.extra[0], allow_graceful=False)


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_node_that_dies_costs_only_its_cases_in_hand(tmp_path: Path, cluster: Any) -> None:
    words = ["slow 0.2", "ok", "missing", "slow 0.1"] * 8
    plan = make_plan(make_cases(tmp_path / "images", words))
    straight = make_run(tmp_path / "straight", plan)
    run_cohort(straight, plan, LocalEngine(FakeFactory(tmp_path / "first"), straight.workers, workers=2), salt=SALT)
    folder = make_run(tmp_path / "ray", plan)
    engine = RayEngine(FakeFactory(tmp_path / "second"), folder.workers, workers=3)
    killer = _NodeKiller(cluster)
    summary = run_cohort(folder, plan, engine, salt=SALT, watcher=killer)
    assert killer.ended_cases == len(words)
    assert summary.states == {"pending": 0, "running": 0, "done": 24, "failed": 8}
    assert tables_of(folder) == tables_of(straight)
    twice = [case for case, steps in steps_in(tmp_path / "second").items() if steps.count("write") > 1]
    assert len(twice) <= 4  # what one worker has in hand


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_hanging_case_is_stopped_by_its_actor(tmp_path: Path, cluster: Any) -> None:
    plan = make_plan(make_cases(tmp_path / "images", ["ok", "slow 120", "ok", "die"]))
    folder = make_run(tmp_path / "run", plan)
    engine = RayEngine(FakeFactory(tmp_path / "log"), folder.workers, workers=2, timeout_s=2.0)
    began = time.monotonic()
    summary = run_cohort(folder, plan, engine, salt=SALT)
    assert time.monotonic() - began < 100
    assert summary.failures == {"crash": 1, "timeout": 1}
    assert summary.states["done"] == 2


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'medkt\[ray\]'"):
        RayEngine(FakeFactory(tmp_path / "log"), tmp_path)
