"""What `medkt evaluate` and `medkt compare` print of what was evaluated."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medkt.report.run.class_comparison import ComparedClass
    from medkt.report.run.comparison import ComparedLine
    from medkt.requests.evaluate import EvaluateResult


def say_evaluated(found: "EvaluateResult", *, as_json: bool) -> None:
    """Words for the user, or JSON lines."""
    from medkt.records import as_plain

    for arm, evaluation in found.evaluations.items():
        if as_json:
            print(json.dumps({"event": "evaluation", "arm": arm, **as_plain(evaluation)}, allow_nan=False))
        elif found.classes:
            _say_classes(found.folders[arm], evaluation)
        else:
            _say_masks(found.folders[arm], evaluation)
    if len(found.evaluations) == 2:
        _say_comparison(found, as_json=as_json)
    if not as_json:
        _say_published(found)


def _say_masks(run: Path, evaluation: Any) -> None:
    from medkt.about import demonstration_of_run
    from medkt.report.run.words import text_lines
    from medkt.runs.folder import RunFolder

    print(f"\n{run}: the table of every case is results.csv (and .parquet), this one evaluation.csv (and .json)")
    print("\n".join(text_lines(evaluation)))
    if said := demonstration_of_run(RunFolder(run).read()):
        print(said)


def _say_classes(run: Path, evaluation: Any) -> None:
    from medkt.report.run.class_words import class_text_lines
    from medkt.runs.folder import RunFolder

    print(
        f"\n{run}: the table of every case is results.csv (and .parquet), this one evaluation.csv (and .json) and "
        "confusion.csv"
    )
    models = RunFolder(run).read()["models"] or {}  # none where no worker was ever ready
    asked_of = str(models.get("encoder", {}).get("classes_asked_of", ""))
    print(*([f"asked: {asked_of}"] if asked_of else []), *class_text_lines(evaluation), sep="\n")


def _say_comparison(found: "EvaluateResult", *, as_json: bool) -> None:
    from medkt.records import as_plain

    arms = list(found.folders)
    if as_json:
        print(json.dumps({"event": "comparison", "arms": arms, "lines": as_plain(found.compared)}, allow_nan=False))
        return
    pairs = "over patients" if found.classes else "a patient a pair"
    where = found.folders[arms[0]].parent / "comparison.json"
    print(f"\n{' and '.join(arms)} compared, second minus first, {pairs} (in full: {where}):")
    print("\n".join(compared_lines(found.compared, classes=found.classes)))


def compared_lines(lines: "Sequence[ComparedLine | ComparedClass]", *, classes: bool) -> list[str]:
    """What differs, a line each below a head."""
    from medkt.report.run import class_words, words_compared
    from medkt.report.run.words import aligned

    head: Sequence[str] = class_words.COMPARED_HEAD if classes else words_compared.COMPARED_HEAD
    row: Any = class_words.compared_class_row if classes else words_compared.compared_row
    return list(aligned(head, [row(line) for line in lines]))


def _say_published(found: "EvaluateResult") -> None:
    """Ours beside the published values, where a protocol was followed."""
    from medkt.requests.evaluated import by_kind, protocol_of

    protocol = found.protocol
    if found.classes:
        from medkt.report.run.class_published import class_protocol_lines

        if protocol := protocol or protocol_of(found.folders):
            evaluations: Any = found.evaluations
            print("", *class_protocol_lines(protocol, by_kind(found.folders, evaluations)), sep="\n")
    elif protocol is not None:
        from medkt.report.run.published import protocol_lines
        from medkt.report.write import LABEL_TUNED

        masks: Any = found.evaluations
        print("", *protocol_lines(protocol, masks, label_tuned=found.request.preset in LABEL_TUNED), sep="\n")
