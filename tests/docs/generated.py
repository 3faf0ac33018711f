"""The parts of the reference that follow from the code. `python tests/docs/generated.py` writes them into the pages.

A part stands between `<!-- generated: NAME -->` and `<!-- end generated -->`; a test compares each with the code.
"""

import argparse
import ast
import builtins
import dataclasses
import inspect
import re
import types
import typing
from importlib import import_module, util
from pathlib import Path
from typing import Any

from pages import name_of, pages
from schemas import FORMS, file_of

from medkt import errors
from medkt.cli.main import COMMANDS
from medkt.config import read_yaml
from medkt.inversion import InversionSettings
from medkt.models.records import records
from medkt.records import RecordForm
from medkt.resources import data_file
from medkt.saliency.methods import METHODS
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.transfer.augment import AugmentSettings
from medkt.transfer.choice import ChoiceSettings
from medkt.transfer.finetune import FinetuneSettings
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.trainable import TrainableParts

LEARNING = {
    "learn": LearnSettings, "inversion": InversionSettings, "augment": AugmentSettings, "finetune": FinetuneSettings,
    "finetune.trains": TrainableParts, "choice": ChoiceSettings,
}  # fmt: skip
"""The groups of `medkt learn`, by the path of their keys; those of the first have none."""

PRESETS = {"": "presets", "learn": "learn", "inversion": "inversion", "transfer": "transfer"}
"""The folders of `configs` with presets, by what a page asks for."""

_PART = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end generated -->)", re.DOTALL)


def parts_of(page: Path) -> dict[str, str]:
    """The generated parts of a page as they stand, by name."""
    text = page.read_text(encoding="utf-8")
    return {found[2]: found[0].removeprefix(found[1]).removesuffix(found[3]) for found in _PART.finditer(text)}


def made(name: str) -> str:
    """What a part should hold.

    Raises:
        LookupError: no part has this name.
    """
    kind, _, what = name.partition(" ")
    makers = {
        "options": _options, "settings": _settings, "method": _method, "errors": _errors, "models": _models, "presets": _presets,
        "learning": _learning, "records": _records,
    }  # fmt: skip
    if kind not in makers:
        raise LookupError(f"no generated part {name!r}")
    return makers[kind](what) + "\n"


def command_parts() -> list[str]:
    """The parts that the commands there are ask for."""
    return [f"options {name}" for name, (module, _) in COMMANDS.items() if util.find_spec(module)]


def settings_parts() -> list[str]:
    """The parts that the settings ask for."""
    return [
        "settings",
        *(f"settings {field.name}" for field in _groups()),
        *(f"method {name}" for name in METHODS),
        *(f"learning {name}" for name in LEARNING),
    ]


def preset_parts() -> list[str]:
    """The parts that the presets ask for."""
    return [f"presets {name}".strip() for name in PRESETS]


# ---- commands


def _options(command: str) -> str:
    parser = argparse.ArgumentParser(prog=f"medkt {command}")
    import_module(COMMANDS[command][0]).configure(parser)
    return "\n\n".join(_parser_tables(parser))


def _parser_tables(parser: argparse.ArgumentParser) -> list[str]:
    tables, rows = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, below in action.choices.items():
                tables += [f"`{parser.prog} {name}`: {helps.get(name) or ''}".rstrip(": "), *_parser_tables(below)]
        elif not isinstance(action, argparse._HelpAction):
            rows.append(_option_row(action))
    head = [_table(("option", "values", "default", "meaning"), rows)] if rows else []
    return [*head, *tables]


def _option_row(action: argparse.Action) -> tuple[str, ...]:
    name = ", ".join(f"`{text}`" for text in action.option_strings) or f"`{action.metavar or action.dest}`"
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    values = ", ".join(f"`{choice}`" for choice in action.choices) if action.choices else f"`{shown}`"
    values = "" if action.nargs == 0 else values + (", several" if action.nargs in ("+", "*") else "")
    plain = action.default in (None, False, argparse.SUPPRESS) or action.default == []
    default = "required" if action.required and action.option_strings else "" if plain else f"`{action.default}`"
    help_ = (action.help or "").replace(" (default: %(default)s)", "").replace("%%", "%")
    return name, values, default, help_


# ---- settings


def _groups() -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(SegmentationSettings) if dataclasses.is_dataclass(_hint(f.name))]


def _hint(name: str) -> Any:
    return typing.get_type_hints(SegmentationSettings)[name]


def _settings(group: str) -> str:
    return _fields(_hint(group) if group else SegmentationSettings, group)


def _method(name: str) -> str:
    return _fields(METHODS[name], "saliency.method")


def _learning(group: str) -> str:
    return _fields(LEARNING[group], "" if group == "learn" else group)


def _fields(kind: Any, group: str) -> str:
    hints, meanings = typing.get_type_hints(kind), field_texts(kind)
    rows = []
    for field in dataclasses.fields(kind):
        key = f"{group}.{field.name}" if group else field.name
        nested = dataclasses.is_dataclass(hints[field.name]) or "named" in field.metadata
        values = "a group, see below" if nested else _said(hints[field.name])
        default = "" if nested else f"`{_yaml(field.default)}`"
        rows.append((f"`{key}`", values, default, meanings.get(field.name, "")))
    return _table(("key", "values", "default", "meaning"), rows)


def field_texts(kind: type) -> dict[str, str]:
    """The text under each field of a dataclass, from its source."""
    (body,) = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    texts = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            text = " ".join(str(after.value.value).split())
            texts[field.target.id] = re.sub(r"\bNone\b", "`null`", text)  # as YAML writes it
    return texts


def _said(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{_yaml(value)}`" for value in typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_said(one) for one in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        kinds = [one for one in typing.get_args(hint) if one is not ...]
        return "list of " + ("s, ".join(dict.fromkeys(_said(one) for one in kinds)) + "s")
    names = {int: "whole number", float: "number", bool: "`true`, `false`", str: "text", types.NoneType: "`null`"}
    return names[hint]


def _yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    words = {"None": "null", "True": "true", "False": "false", "off": '"off"'}  # YAML takes a bare off for false
    return words.get(str(value), str(value))


def _presets(what: str) -> str:
    folder = data_file(f"configs/{PRESETS[what]}")
    files = {path.stem: read_yaml(path) for path in sorted(folder.glob("*.yaml"), key=lambda one: one.stem)}
    rows = [(f"`{name}`", str(values["about"]), str(values["source"])) for name, values in files.items()]
    return _table(("preset", "what it is", "source"), rows)


# ---- errors, records and models


def _records(_: str) -> str:
    rows = [(where, f"`{file_of(form).name}`", *_numbers(form)) for form, where in FORMS]
    return _table(("record", "schema", "number today", "numbers read"), rows)


def _numbers(form: RecordForm[Any]) -> tuple[str, str]:
    if not form.key:
        return "that of the file that it is in", "as of that file"
    return f"`{form.key}` {form.number}", f"{form.unnamed or 1} to {form.number}"


def _errors(_: str) -> str:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.MedktError)]
    rows = []
    for kind in kinds:
        above = next(base.__name__ for base in kind.__mro__[1:] if base in (*kinds, Exception))
        inherited = [base.__name__ for base in kind.__mro__[1:] if hasattr(builtins, base.__name__)]
        text = " ".join((kind.__doc__ or "").split()).removesuffix(" Exit code 3.")
        rows.append((f"`{kind.__name__}`", f"`{above}`", f"`{inherited[0]}`", str(kind.exit_code), text))
    return _table(("class", "is a", "and a", "exit code", "meaning"), rows)


def _models(kind: str) -> str:
    rows = [
        (f"`{name}`", record.title, record.licence.title, f"`{record.extra}`" if record.extra else "", record.citation)
        for name, record in records("encoder" if kind == "encoders" else "segmenter").items()
    ]
    return _table(("name", "model", "licence of the weights", "extra", "published in"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def write() -> None:
    """Bring every generated part up to date."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        fresh = _PART.sub(lambda found: found[1] + made(found[2]) + found[3], text)
        if fresh != text:
            page.write_text(fresh, encoding="utf-8")
            print(f"written: {name_of(page)}")


if __name__ == "__main__":
    write()
