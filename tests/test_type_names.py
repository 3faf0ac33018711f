"""A public type of `medkt/` has a name of its own, and it is a noun: classes, and names that stand for types."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "medkt"

NO_NOUNS = re.compile(
    r"(.*(ed|[^t]able|ible)|ahead|asked|beside|broken|found|given|held|inert|inside|kept|known|learnt|lost|made|null|out|read|ready|said|seen"
    r"|shown|silent|spoken|taught|told|virtual|with|written)"
)
"""What the last word of a name must not be: a participle, an adjective, or a word that asks for another."""

NOUNS_ALL_THE_SAME = {
    "Confusable": "a term of the glossary: a finding that may be taken for another",
    "WorkerReady": "an event of a run: what happened, and to what",
    "CaseExpected": "an event of a run",
    "CaseFinished": "an event of a run",
    "CaseTimedOut": "an event of a run",
    "WorkerLost": "an event of a run",
    "EngineBroken": "an event of a run",
}


def _types(module: ast.Module) -> set[str]:
    named = {node.name for node in module.body if isinstance(node, ast.ClassDef)}
    given = [node.targets[0] for node in module.body if isinstance(node, ast.Assign)]
    named |= {one.id for one in given if isinstance(one, ast.Name) and one.id[0].isupper() and not one.id.isupper()}
    return {name for name in named if not name.startswith("_")}


@cache
def _all_types() -> tuple[str, ...]:
    return tuple(
        name for path in sorted(PACKAGE.rglob("*.py")) for name in _types(ast.parse(path.read_text(encoding="utf-8")))
    )


def _is_noun(name: str) -> bool:
    return not NO_NOUNS.fullmatch(re.findall(r"[A-Z][a-z0-9]*", name)[-1].lower())


def test_no_public_type_name_stands_for_two_things() -> None:
    assert [name for name, count in Counter(_all_types()).items() if count > 1] == []


def test_a_public_type_is_named_by_a_noun() -> None:
    assert {name for name in _all_types() if not _is_noun(name)} == set(NOUNS_ALL_THE_SAME)


def test_names_that_say_no_thing_are_found_out() -> None:
    said = ("Taught", "RunsCompared", "MadeWith", "Trainable", "LearnedConcept", "DicomFile")
    assert [name for name in said if not _is_noun(name)] == ["Taught", "RunsCompared", "MadeWith", "Trainable"]
