"""What a result table of masks says, whoever made them: statistics, comparison, and words for them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.about import demonstration_of_run
from medkt.runs.folder import RunFolder
from medkt.runs.record import RunRecord
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import EvaluatedRun, RunComparison, Task, TextTable
from medkt.tasks.evaluation_record import COMPARISON_FORM, FORM, evaluation_record
from medkt.tasks.masks.abstention import headlines, unclaimed_of
from medkt.tasks.masks.comparison import compare_runs, require_same_rules
from medkt.tasks.masks.evaluation import Evaluation, evaluate_scores
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.masks.words import CSV_HEAD, csv_row, text_lines
from medkt.tasks.masks.words_compared import COMPARED_HEAD, compared_row

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.report.sections import Section
    from medkt.tasks.masks.sections import RunReport


class MaskScoringTask(Task):
    """What a result table of masks says, whoever made them."""

    does = "segments"
    makes_masks = True

    def evaluate(self, run: RunFolder, *, by: Sequence[str], settings: BootstrapSettings) -> Evaluation:
        """As `Task.evaluate`."""
        identity = run.read().identity
        scores = read_scores(run.require_table("results"), by=by)
        return evaluate_scores(scores, settings, identity=identity)

    def used(self, record: RunRecord) -> Mapping[str, Any]:
        """How masks were scored."""
        return {"scoring": record.identity.get("scoring")}

    def record(self, evaluation: Evaluation, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As `Task.record`."""
        return evaluation_record(evaluation, settings, FORM)

    def tables(self, evaluation: Evaluation) -> Mapping[str, TextTable]:
        """The summaries, a line each."""
        return {"evaluation.csv": (CSV_HEAD, [csv_row(line) for line in evaluation.lines])}

    def say(self, run: EvaluatedRun) -> Iterator[str]:
        """As `Task.say`."""
        yield from text_lines(run.evaluation)
        if said := demonstration_of_run(run.record.models):
            yield said

    def compare(self, first: RunFolder, second: RunFolder, settings: BootstrapSettings) -> RunComparison:
        """A patient's cases count as one pair."""
        found = compare_runs(*(run.require_table("results") for run in (first, second)), settings=settings)
        require_same_rules(first.read().identity, second.read().identity, found)
        ahead = {
            name: tuple(headlines(unclaimed_of(scores, level=settings.level)))
            for name, scores in (("first", found.first), ("second", found.second))
        }
        rows = [compared_row(line) for line in found.lines]
        return RunComparison(
            lines=found.lines,
            head=COMPARED_HEAD,
            rows=rows,
            pairing=", a patient a pair",
            explained="; a patient's cases count as one pair",
            ahead=ahead,
            form=COMPARISON_FORM,
        )

    def page(
        self,
        runs: Mapping[str, Path],
        compared: RunComparison | None,
        *,
        by: Sequence[str],
        settings: BootstrapSettings,
        cases: int,
    ) -> "RunReport":
        """As `Task.page`."""
        from medkt.tasks.masks.page import page_of  # with all that draws

        return page_of(runs, compared, by=by, settings=settings, cases=cases)

    def sections(self, page: "RunReport") -> "list[Section]":
        """As `Task.sections`."""
        from medkt.tasks.masks.sections import sections_of_run

        return sections_of_run(page)

    def say_published(
        self, arms: Mapping[str, EvaluatedRun], protocol: "Protocol | None", *, label_tuned: bool
    ) -> Iterator[str]:
        """As `Task.say_published`; only where the protocol was just named."""
        if protocol is not None:
            from medkt.tasks.masks.published import protocol_lines  # it loads the builder of every layout

            evaluations = {arm: run.evaluation for arm, run in arms.items()}
            yield from protocol_lines(protocol, evaluations, label_tuned=label_tuned)
