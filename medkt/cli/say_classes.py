"""What `medkt evaluate`, `compare` and `report` say of runs that tell classes apart."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.cohort_options import exit_code

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.report.run.class_comparison import ComparedClass
    from medkt.report.run.class_evaluation import ClassEvaluation
    from medkt.report.run.class_page import ClassReport
    from medkt.runs.progress import Summary
    from medkt.statistics import BootstrapSettings


def tells_classes(runs: Mapping[str, Path]) -> bool:
    """Whether runs tell classes apart.

    Raises:
        SettingsError: one does and another segments. InputError: a folder holds no run.
    """
    from medkt.errors import SettingsError
    from medkt.report.run.class_scores import classifies
    from medkt.runs.folder import RunFolder

    found = {path: classifies(RunFolder(path).read()) for path in runs.values()}
    if len(set(found.values())) > 1:
        (classifying,) = [path for path, held in found.items() if held]
        raise SettingsError(
            f"{classifying} tells classes apart and the other run segments; two runs of one task can be compared"
        )
    return any(found.values())


def say_classes(
    arguments: argparse.Namespace,
    runs: Mapping[str, Path],
    done: "Sequence[Summary]" = (),
    *,
    protocol: "Protocol | None" = None,
) -> int:
    """Statistics of each arm: files beside its tables, and words for the user.

    `protocol` is theirs; where it is not given, it is found by the name that the runs recorded.
    """
    from medkt.records import as_plain
    from medkt.report.run.class_words import class_text_lines
    from medkt.runs.folder import RunFolder

    evaluations = {arm: _written(arguments, path) for arm, path in runs.items()}
    for arm, evaluation in evaluations.items():
        if arguments.json:
            print(json.dumps({"event": "evaluation", "arm": arm, **as_plain(evaluation)}, allow_nan=False))
            continue
        print(
            f"\n{runs[arm]}: the table of every case is results.csv (and .parquet), this one evaluation.csv (and .json) and "
            "confusion.csv"
        )
        asked_of = _asked_of(RunFolder(runs[arm]).read())
        print(*([f"asked: {asked_of}"] if asked_of else []), *class_text_lines(evaluation), sep="\n")
    if len(runs) == 2:
        _say_comparison(arguments, runs)
    if not arguments.json:
        _say_published(protocol or _shipped_protocol(runs), _by_kind(runs, evaluations))
    return max((exit_code(one) for one in done), default=0)


def _asked_of(record: Mapping[str, Any]) -> str:
    models = record["models"] or {}  # none where no worker was ever ready
    return str(models.get("encoder", {}).get("classes_asked_of", ""))


def _written(arguments: argparse.Namespace, path: Path) -> "ClassEvaluation":
    from medkt.records import as_plain
    from medkt.report.run.write import write_classes

    evaluation, settings = class_evaluation_of(arguments, path)
    write_classes(path, evaluation, {"by": list(by_of(arguments)), "statistics": as_plain(settings)})
    return evaluation


def class_evaluation_of(arguments: argparse.Namespace, path: Path) -> "tuple[ClassEvaluation, BootstrapSettings]":
    """The statistics of a run, with their settings.

    Raises:
        MedktError: as `read_class_scores`.
    """
    from medkt.report.run.class_evaluation import evaluate_classes
    from medkt.report.run.class_scores import read_class_scores
    from medkt.report.run.record_form import require_form
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    settings, record = BootstrapSettings(resamples=arguments.resamples), RunFolder(path).read()
    require_form(record, path)
    scores = read_class_scores(RunFolder(path).require_table("results"), record, by=by_of(arguments))
    return evaluate_classes(scores, settings), settings


def compared_classes(
    arguments: argparse.Namespace, first: Path, second: Path
) -> "tuple[tuple[ComparedClass, ...], BootstrapSettings]":
    """The second run minus the first, with the settings of the statistics."""
    from medkt.report.run.class_comparison import compare_classes
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    settings = BootstrapSettings(resamples=arguments.resamples)
    one, other = (RunFolder(path).require_table("results") for path in (first, second))
    records = {one: RunFolder(first).read(), other: RunFolder(second).read()}
    return compare_classes(one, other, records, settings), settings


def compared_class_lines(lines: "Sequence[ComparedClass]") -> list[str]:
    """Compared classes for a terminal."""
    from medkt.report.run.class_words import COMPARED_HEAD, compared_class_row
    from medkt.report.run.words import aligned

    return list(aligned(COMPARED_HEAD, [compared_class_row(line) for line in lines]))


def _say_comparison(arguments: argparse.Namespace, runs: Mapping[str, Path]) -> None:
    from medkt.records import as_plain
    from medkt.report.run.write import write_comparison

    first, second = runs.values()
    lines, settings = compared_classes(arguments, first, second)
    write_comparison(first.parent, tuple(runs), lines, settings)
    if arguments.json:
        print(json.dumps({"event": "comparison", "arms": list(runs), "lines": as_plain(lines)}, allow_nan=False))
        return
    print(
        f"\n{' and '.join(runs)} compared, second minus first, over patients (in full: {first.parent}/comparison.json):"
    )
    print("\n".join(compared_class_lines(lines)))


def _say_published(protocol: "Protocol | None", evaluations: "Mapping[str, ClassEvaluation]") -> None:
    from medkt.report.run.class_published import class_protocol_lines

    if protocol is not None:
        print()
        print("\n".join(class_protocol_lines(protocol, evaluations)))


def _by_kind(runs: Mapping[str, Path], evaluations: "Mapping[str, ClassEvaluation]") -> "dict[str, ClassEvaluation]":
    """Base and KT by what the runs recorded; nothing for two of one kind, which would stand beside one published value."""
    from medkt.runs.folder import RunFolder

    learnt = [RunFolder(path).read()["identity"]["learnt"] for path in runs.values()]
    if len(set(learnt)) < len(learnt):
        return {}
    return {"kt" if held else "base": one for held, one in zip(learnt, evaluations.values(), strict=True)}


def _shipped_protocol(runs: Mapping[str, Path]) -> "Protocol | None":
    """The protocol of the runs; None where they follow none, or one of the user's own."""
    from medkt.datasets.protocol import load_protocol, protocols
    from medkt.runs.folder import RunFolder

    names = {RunFolder(path).read()["identity"].get("protocol") for path in runs.values()}
    name = next(iter(names)) if len(names) == 1 else None
    return load_protocol(name) if name in protocols() else None


def class_report_of(arguments: argparse.Namespace, runs: Mapping[str, Path]) -> "ClassReport":
    """The page of a run, or of two over the same cases."""
    from medkt.report.run.class_page import ClassArm, ClassReport
    from medkt.report.run.class_published import beside_classes, class_stamps
    from medkt.runs.folder import RunFolder

    arms = tuple(
        ClassArm(name=name, evaluation=class_evaluation_of(arguments, path)[0], record=RunFolder(path).read())
        for name, path in runs.items()
    )
    compared = compared_classes(arguments, *runs.values())[0] if len(arms) == 2 else ()
    protocol = _shipped_protocol(runs)
    title = f"{arms[0].name} and {arms[1].name} compared" if len(arms) == 2 else "Report of a classification"
    if protocol is None:
        return ClassReport(title=title, arms=arms, compared=compared)
    evaluations = _by_kind(runs, {arm.name: arm.evaluation for arm in arms})
    return ClassReport(
        title=title, arms=arms, compared=compared, beside=beside_classes(protocol, evaluations),
        stamps=(f"{protocol.title}: {protocol.citation}", *class_stamps(protocol)),
    )  # fmt: skip


def write_class_page(arguments: argparse.Namespace, runs: Mapping[str, Path], target: Path) -> str:
    """Write the page whole or not at all; gives what to tell the user."""
    from medkt.io.atomic import write_atomically
    from medkt.report.run.class_page import render_classes

    page = render_classes(class_report_of(arguments, runs))
    write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))
    return f"{target}: open it in a browser; it needs no network"


def by_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The columns that subgroups are made of."""
    return tuple(dict.fromkeys(word.strip() for word in arguments.by.split(",") if word.strip()))
