"""Requests: one set of names, values and defaults for the command line and for Python; nothing is printed."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from run_tables import make_outcomes, row, write_run

import medkt
from medkt.cli.fill import add_options, filled
from medkt.cli.main import COMMANDS
from medkt.errors import SettingsError
from medkt.requests.batch import BatchRequest
from medkt.requests.evaluate_request import EvaluateRequest
from medkt.requests.listener import Listener
from medkt.requests.option import Request, defaults_of, groups_of, options_of, requested
from medkt.requests.published import settled
from medkt.runs.outcomes import Outcome
from medkt.runs.progress import RunStatus, SilentWatcher

FUNCTIONS = {
    "segment": "segment_studies", "explain": "explain_study", "classify": "classify_studies", "invert": "invert_concepts",
    "learn": "learn_concept", "batch": "batch", "evaluate": "evaluate", "report": "write_report", "compare": "compare",
    "calibrate": "calibrate", "concepts": "find_concepts", "query": "query", "phantom": "write_phantom",
    "doctor": "check_installation",
}  # fmt: skip
"""The public function of each command that is one program."""

OF_SEVERAL = {
    "concept": ("new", "lint", "list", "show", "verify", "sign", "compose"),
    "models": ("list", "pull", "verify", "import", "export", "path", "show", "examine"),
}
"""Commands that are several programs; the public function of each is `COMMAND_ACTION`."""

ALL = FUNCTIONS | {f"{name} {one}": f"{name}_{one}" for name, actions in OF_SEVERAL.items() for one in actions}

WITHOUT = {
    "demo": "a recording of `phantom` and `segment`",
    "small-model": "says where the recipe of the small model went",
}
"""Commands without a function, and why."""

WITHOUT_OPTIONS = {"models list", "doctor"}
"""What takes no option, so that its function takes no request."""

OF_THE_TERMINAL = {"json", "dry_run", "help", "quiet", "verbose"}
"""Options that say how a command prints, or that it only plans."""

ACTIONS = {"status": "batch_status", "retry": "batch_retry", "merge": "batch_merge", "verify": "batch_verify"}
"""The public function of each action of `batch` but `run`."""

MORE = {"batch": {"action", "runs", "kind", "partial"}, "phantom": {"list"}, "query": {"format"}}
"""Options of a command that are of its actions or of another function (`list_phantoms`), or say how it prints."""

READ_APART = {"query": {"words": {"runs", "sql"}}, "models import": {"what": {"name", "path"}}}
"""Words of a command that only their number or their place tells apart, and the options that they are."""

WITHOUT_TEXT = {
    "calibrate": {"modality"}, "phantom": {"format", "seed"}, "concept new": {"modality"}, "concept lint": {"files"},
    "concept verify": {"file"}, "concept sign": {"file"}, "concept compose": {"files"}, "models pull": {"name"},
    "models export": {"names"}, "models path": {"name"},
}  # fmt: skip
"""Options that say what they are by their name alone."""


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of a command, or of an action of one."""
    name, _, action = command.partition(" ")
    parser = argparse.ArgumentParser()
    import_module(COMMANDS[name][0]).configure(parser)
    return actions_of(parser)[action] if action else parser


def actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a command's actions; none of one that is a single program."""
    (below,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)] or [None]
    return {} if below is None else dict(below.choices)


def request_of(function: Any) -> type[Request]:
    """What a function is asked for by."""
    hint = signature(function).parameters["request"].annotation
    (kind,) = (one for one in hint.__args__ if one is not type(None))
    return kind


def test_every_command_has_a_function_or_a_reason() -> None:
    assert {*FUNCTIONS, *OF_SEVERAL, *WITHOUT} == set(COMMANDS)
    assert len(FUNCTIONS) + len(OF_SEVERAL) + len(WITHOUT) == len(COMMANDS)
    assert {name: tuple(actions_of(parser_of(name))) for name in COMMANDS if actions_of(parser_of(name))} == OF_SEVERAL


@pytest.mark.parametrize("command", sorted(set(ALL) - WITHOUT_OPTIONS))
def test_a_command_and_its_function_have_the_same_names_and_defaults(command: str) -> None:
    function = getattr(medkt, ALL[command])
    kind = request_of(function)
    assert getattr(medkt, kind.__name__) is kind
    assert list(signature(function).parameters)[-1] == "options"
    own = OF_THE_TERMINAL | MORE.get(command, set())
    typed = {one.dest: one for one in parser_of(command)._actions if one.dest not in own}
    apart = READ_APART.get(command, {})
    assert {*typed, *(name for names in apart.values() for name in names)} - {*apart} == {
        name for name, _, _ in options_of(kind)
    }
    defaults, texts = defaults_of(kind), {name: option.text for name, _, option in options_of(kind)}
    for name, action in typed.items():
        if name in apart:
            assert action.required
            continue
        assert bool(action.required) is (name not in defaults), name
        assert (action.help or "") == texts[name]
        if name in defaults:
            assert (tuple(action.default) if isinstance(action.default, list) else action.default) == defaults[name]


@pytest.mark.parametrize("command", sorted(WITHOUT_OPTIONS))
def test_a_command_without_options_has_a_function_without_arguments(command: str) -> None:
    assert {one.dest for one in parser_of(command)._actions} <= OF_THE_TERMINAL
    assert not signature(getattr(medkt, ALL[command])).parameters


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_and_its_function_have_the_same_names_and_defaults(action: str) -> None:
    function = getattr(medkt, ACTIONS[action])
    kind = request_of(function)
    assert getattr(medkt, kind.__name__) is kind
    typed = {one.dest: one for one in parser_of("batch")._actions}
    for name, _, option in options_of(kind):
        assert (typed[name].default or defaults_of(kind)[name]) == defaults_of(kind)[name]
        assert typed[name].help == option.text
    with pytest.raises(SettingsError, match=f"say which run: medkt batch {action} RUN"):
        function()


def test_actions_on_runs_from_python(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", make_outcomes([row(dsc=0.5), row(dsc=0.25)]), shard="1/1")
    (status,) = medkt.batch_status(runs=run)
    assert (status.folder, status.summary.states["done"]) == (run, 2)
    assert medkt.batch_retry(runs=[run], kind="timeout, unreadable") == {run: 0}
    (looked,) = medkt.batch_verify(runs=str(run)).runs
    assert (looked.run, looked.checked["cases"]) == (run, 2)
    with pytest.raises(SettingsError, match="say where the merged run goes"):
        medkt.batch_merge(runs=run)
    merged = medkt.batch_merge(runs=run, output=tmp_path / "whole")
    assert (merged.folder, merged.summary.total) == (tmp_path / "whole", 2)
    assert capfd.readouterr() == ("", "")


def test_options_stand_below_what_they_are_about() -> None:
    groups = groups_of(BatchRequest)
    assert next(iter(groups)) is BatchRequest
    assert groups[BatchRequest] == ("manifest", "output")
    assert (
        sum(map(len, groups.values()))
        == len(options_of(BatchRequest))
        == len({n for n, *_ in options_of(BatchRequest)})
    )


def test_values_are_taken_as_python_gives_them() -> None:
    found = requested(
        EvaluateRequest, None, {"reference": "true", "prediction": Path("mine"), "concept": "lesion", "set": ["a=1"]}
    )
    assert (found.reference, found.prediction, found.concept, found.set) == (
        Path("true"),
        Path("mine"),
        ("lesion",),
        ("a=1",),
    )
    assert requested(EvaluateRequest, found, {"threshold": 1}).threshold == 1.0
    assert isinstance(requested(EvaluateRequest, found, {"threshold": 1}).threshold, float)
    with pytest.raises(AttributeError, match="cannot assign"):
        found.by = "sex"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"empty": "zero"}, "empty: 'zero' is none of standard, distances-missing, agreement-counts"),
        ({"modality": "pet"}, "modality: 'pet' is none of auto, cxr, ct, mri, ultrasound"),
        ({"axis": 3}, "axis: 3 is none of 0, 1, 2"),
        ({"resamples": "many"}, "resamples: expected a whole number, got 'many'"),
        ({"workers": True}, "workers: expected a whole number, got True"),
        ({"regrid": "yes"}, "regrid: expected True or False, got 'yes'"),
        ({"concept": [7]}, "concept: expected text, got 7"),
        ({"output": 7}, "output: expected a path, got 7"),
    ],
)
def test_a_value_that_an_option_does_not_take(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        medkt.evaluate(**options)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("function", "options", "name"),
    [
        (medkt.segment_studies, {"input": [], "concept": "cxr_nodule", "output": "out"}, "input"),
        (medkt.classify_studies, {"input": (), "concept": ["cxr_nodule"]}, "input"),
        (medkt.concept_lint, {"files": iter(())}, "files"),
        (medkt.concept_compose, {"files": [], "output": "whole.medkt"}, "files"),
        (medkt.models_export, {"names": [], "output": "models.zip"}, "names"),
    ],
)
def test_nothing_is_not_one_of_several(function: Callable[..., Any], options: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: expected at least one, got none$"):
        function(**options)


@pytest.mark.parametrize("command", ["concept verify", "models import"])
def test_keys_that_are_trusted_add_up(command: str) -> None:
    typed = parser_of(command).parse_args(["x", "--trusted", "a", "b", "--trusted", "c"])
    assert typed.trusted == [Path("a"), Path("b"), Path("c")]


def test_a_name_that_no_option_has() -> None:
    with pytest.raises(TypeError, match="of_tolerance"):
        medkt.evaluate(of_tolerance="2mm")


def test_what_was_typed_is_known_from_what_was_left_out() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, EvaluateRequest)
    left = filled(EvaluateRequest, parser.parse_args(["--manifest", "a", "--as-published", "m2ib"]))
    assert (left.gives("preset"), left.gives("manifest"), left.gives("by")) == (False, True, False)
    assert settled(left, "evaluate", "segmentation").preset == "m2ib"
    typed = parser.parse_args(["--manifest", "a", "--as-published", "m2ib", "--preset", "default"])
    with pytest.raises(SettingsError, match="--preset one group of settings alone: give one of the two"):
        settled(filled(EvaluateRequest, typed), "evaluate", "segmentation")


@pytest.mark.parametrize("command", sorted(set(ALL) - WITHOUT_OPTIONS))
def test_every_request_says_what_each_option_is_for(command: str) -> None:
    kind = request_of(getattr(medkt, ALL[command]))
    assert {name for name, _, option in options_of(kind) if not option.text} == WITHOUT_TEXT.get(command, set())


class Heard(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.cases: list[str] = []

    def watching(self) -> Any:
        from contextlib import nullcontext

        heard = self

        class Watcher(SilentWatcher):
            def ended(self, outcome: Outcome, words: str = "") -> None:
                heard.cases.append(outcome.state)

            def finish(self, summary: RunStatus) -> None:
                heard.cases.append(f"{summary.ended} of {summary.total}")

        return nullcontext(Watcher())


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of masks, `true` and `mine`, of three cases."""
    folder = tmp_path_factory.mktemp("masks")
    rows, columns = np.indices((40, 56))
    for case, reference, prediction in (("a", 9, 9), ("b", 12, 8), ("c", 7, 0)):
        for side, radius in (("true", reference), ("mine", prediction)):
            (folder / side).mkdir(exist_ok=True)
            inside = (rows - 20) ** 2 + (columns - 24) ** 2 < radius**2
            Picture.fromarray((inside * 255).astype(np.uint8)).save(folder / side / f"{case}.png")
    return folder


def test_two_folders_of_masks_in_one_call_without_a_word(masks: Path, capfd: pytest.CaptureFixture[str]) -> None:
    heard = Heard()
    found = medkt.evaluate(
        reference=masks / "true", prediction=str(masks / "mine"), output=masks / "run", concept="lesion", tolerance="1px",
        resamples=200, keep_ids=True, listener=heard,
    )  # fmt: skip
    assert (heard.cases.count("done"), heard.cases[-1]) == (3, "3 of 3")
    assert capfd.readouterr() == ("", "")
    lines = {(line.part, line.summary.metric): line.summary for line in found.evaluations[""].lines}
    assert lines["all", "dsc"].counts.used == 3
    again = medkt.evaluate(run=masks / "run", resamples=200)
    assert str(again.evaluations[""]) == str(found.evaluations[""])  # some of its numbers are no numbers
    page = medkt.write_report(run=masks / "run", resamples=200).page
    assert page == masks / "run" / "report.html"
    assert "lesion" in page.read_text(encoding="utf-8")
    with pytest.raises(SettingsError, match="differs in nothing"):
        medkt.compare(first=masks / "run", second=masks / "run")
    assert capfd.readouterr() == ("", "")


def test_a_script_of_two_lines_needs_no_guard(masks: Path, tmp_path: Path) -> None:
    """Workers are started by spawn, which would run the script again in each of them."""
    sides = f"reference={str(masks / 'true')!r}, prediction={str(masks / 'mine')!r}"
    script = tmp_path / "script.py"
    script.write_text(
        f"import medkt\nprint(medkt.evaluate({sides}, output='run', resamples=200).done[0].states['done'])\n",
        encoding="utf-8",
    )
    ran = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "3\n", "")
