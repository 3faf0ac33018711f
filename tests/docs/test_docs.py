"""The README and docs/: every code block runs, every link leads somewhere, the reference names all there is."""

import inspect
import json
from collections import Counter
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import yaml
from generated import command_parts, made, parts_of, preset_parts, settings_parts
from pages import LANGUAGES, ROOT, Block, anchors_of, blocks_of, links_of, name_of, pages, prose_of
from running import Shell, commands_of, shows

import medkt
from medkt import errors
from medkt.cli.main import COMMANDS, main
from medkt.config import presets
from medkt.models.records import records
from medkt.saliency import M2IBSettings

UPDATE = "run `python tests/docs/generated.py`"

# How many blocks of each page are only read. A new one is added here on purpose, with its reason on the page.
NOT_RUN = Counter(
    {
        "README.md": 2,
        "docs/get_started.md": 1,
        "docs/how_to/as_published.md": 1,  # needs a data set and the authors' file
        "docs/how_to/ask_well.md": 2,  # studies and a model of the reader's
        "docs/how_to/check_on_your_model.md": 1,  # an evening
        "docs/how_to/evaluate.md": 2,
        "docs/how_to/share_a_learnt_concept.md": 5,
        "docs/how_to/bring_weights.md": 1,
        "docs/how_to/examine_a_model.md": 1,  # minutes
        "docs/how_to/monai.md": 3,  # a concept asked well takes half a minute
        "docs/how_to/use_biomedclip_offline.md": 2,
        "docs/how_to/when_a_codec_is_missing.md": 1,
        "docs/tutorials/teach_a_finding.md": 3,
    }
)

every_page = pytest.mark.parametrize("page", pages(), ids=name_of)
LONG = {
    "concepts/saliency",
    "how_to/ask_well",
    "how_to/batch",
    "how_to/change_settings",
    "how_to/evaluate",
    "how_to/find_images_by_words",
    "how_to/many_studies",
    "how_to/report",
    "how_to/slicer_and_itk",
    "tutorials/read_a_saliency_map",
    "tutorials/segment_with_your_own_words",
}
"""Pages whose commands take tens of seconds; `make slow` runs them."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if any(name_of(page).endswith(f"{one}.md") for one in LONG) else ())
        for page in pages()
    ],
    ids=name_of,
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [block for block in blocks_of(page) if block.not_run is None]
    monkeypatch.chdir(tmp_path)
    _with_few_noise_samples(monkeypatch)
    shell = Shell()
    for block in blocks:
        shell.run(block, name_of(page))


def _with_few_noise_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map from 2 samples and not 10: the pages promise that their code runs, and no number of it."""
    monkeypatch.setitem(inspect.unwrap(M2IBSettings.__init__).__kwdefaults__, "samples", 2)
    assert M2IBSettings().samples == 2


def test_blocks_that_are_only_read_are_counted_and_say_why() -> None:
    found = {(name_of(page), block.line): block for page in pages() for block in blocks_of(page)}
    unread = {where: block for where, block in found.items() if block.not_run is not None}
    assert Counter(page for page, _ in unread) == NOT_RUN, sorted(unread)
    for where, block in unread.items():
        assert len((block.not_run or "").split()) >= 3, f"{where}: say why the block is not run"


@every_page
def test_blocks_have_a_known_language(page: Path) -> None:
    assert {block.language for block in blocks_of(page)} <= set(LANGUAGES)


@every_page
def test_yaml_and_json_can_be_read(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "yaml":
            yaml.safe_load(block.code)
        elif block.language == "json":
            json.loads(block.code)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{name_of(page)}: {link} leads nowhere"
        assert not anchor or anchor in anchors_of(target), f"{name_of(page)}: {link}: {sorted(anchors_of(target))}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.is_file():
            reached.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links_of(page)]
    assert set(pages()) <= reached


@every_page
def test_generated_parts_are_up_to_date(page: Path) -> None:
    for name, text in parts_of(page).items():
        assert text == made(name), f"{name_of(page)}: {name} has changed: {UPDATE}"


def test_the_reference_holds_a_part_for_everything() -> None:
    wanted = {
        *command_parts(),
        *settings_parts(),
        *preset_parts(),
        "errors",
        "records",
        "models encoders",
        "models segmenters",
    }
    held = {name for page in pages() for name in parts_of(page)}
    assert held == wanted, f"add `<!-- generated: NAME -->` and `<!-- end generated -->` to a page, then {UPDATE}"


def test_the_reference_names_every_command_setting_error_model_and_name() -> None:
    cli = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert all(f"## medkt {name}\n" in cli for name, (module, _) in COMMANDS.items() if util.find_spec(module))
    python = prose_of(ROOT / "docs/reference/python.md")
    assert [name for name in medkt.__all__ if f"`{name}" not in python] == []
    known = {"errors.md": _error_names(), "models.md": {*records("encoder"), *records("segmenter")}}
    known["settings.md"] = set(presets())
    for page, names in known.items():
        text = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
        assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def _error_names() -> set[str]:
    return {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}


def test_every_field_of_a_result_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_few_noise_samples(monkeypatch)
    study = str(tmp_path / "study")
    assert main(["phantom", "--finding", "us_cyst", "-o", study, "-q"]) == 0
    inputs = ["-i", f"{study}/image.dcm", "-c", "us_cyst", "--reference", f"{study}/reference.nii.gz"]
    assert main(["segment", *inputs, "-o", str(tmp_path / "out"), "--set", "presence.gate=false", "-q"]) == 0
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/reference/result_json.md").read_text(encoding="utf-8")
    assert [key for key in sorted(set(_keys(record))) if f"`{key}`" not in text] == []


def _keys(value: Any) -> Iterator[str]:
    """Every key of nested mappings, but those whose keys are data: settings and scores have pages of their own."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            if key not in ("settings", "numbers", "missing", "files"):
                yield from _keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from _keys(below)


# ---- the checks themselves


def test_commands_are_told_from_what_they_print() -> None:
    code = "$ medkt demo \\\n  -o out\nmask out\n\n$ echo $?\n0"
    assert commands_of(code) == [("medkt demo -o out", ["mask out"]), ("echo $?", ["0"])]
    with pytest.raises(ValueError, match="begins with a command"):
        commands_of("mask out")


@pytest.mark.parametrize(("line", "there"), [("score 0...1 mL", True), ("b c", True), ("score 1", False)])
def test_dots_stand_for_anything(line: str, there: bool) -> None:
    assert shows("a b\n  c score 0.50, 1 mL", line) is there


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("$ medkt concepts no_such_concept", "ended with 2"),
        ("$ medkt concepts ct_nodule\nno such line", "did not print"),
        ("$ medkt concepts no_such_concept\n$ echo $?\n3", "exit code 2"),
    ],
)
def test_a_page_that_says_what_is_not_so_fails(code: str, complaint: str) -> None:
    block = Block(line=1, language="console", code=code, not_run=None, file=None)
    with pytest.raises(AssertionError, match=complaint):
        Shell().run(block, "page.md")


def test_a_page_may_not_run_any_program() -> None:
    block = Block(line=1, language="console", code="$ curl example.org", not_run=None, file=None)
    with pytest.raises(ValueError, match="not 'curl'"):
        Shell().run(block, "page.md")
