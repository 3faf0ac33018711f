"""`medkt evaluate`: masks against references, with the statistics that a reviewer asks for.

medkt evaluate --manifest cases.csv -c ct_nodule -o runs/x --by sex,site
medkt evaluate --reference masks/ --prediction mine/ -o runs/mine
medkt evaluate --protocol busi --data Dataset_BUSI_with_GT -o runs/busi --package tumour.medkt
medkt evaluate runs/x --by scanner
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli import batch

if TYPE_CHECKING:
    from medkt.cohort.engine import Engine, RunnerFactory
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.plan import Plan
    from medkt.cohort.progress import Summary
    from medkt.cohort.scoring import Scoring
    from medkt.concepts import Concept
    from medkt.datasets.protocol import Protocol
    from medkt.report.run.evaluation import Evaluation

MODES = "a RUN, --manifest, --protocol with --data, or --reference with --prediction"
ARMS = ("base", "kt")


def configure(parser: argparse.ArgumentParser) -> None:
    from medkt.cli.segment import add_models, add_words

    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="the statistics of a run that has ended")
    parser.add_argument(
        "--manifest", type=Path, metavar="TABLE", help="the cases with their references: CSV or Parquet"
    )
    parser.add_argument("--reference", type=Path, metavar="DIR", help="masks that count as true, named by case")
    parser.add_argument("--prediction", type=Path, metavar="DIR", help="masks to score, with the same names")
    parser.add_argument("--protocol", metavar="NAME", help="a published data set (busi, udiat ...), or a YAML file")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where that data set lies")
    parser.add_argument("-o", "--output", type=Path, metavar="RUN", help="the run's folder; one that is there goes on")
    parser.add_argument(
        "--package", action="append", default=[], type=Path, metavar="X.medkt",
        help="a learnt concept: the run is done without it (RUN/base) and with it (RUN/kt), and both are compared",
    )  # fmt: skip
    _add_statistics(parser)
    add_words(parser)
    batch._add_reading(parser)
    add_models(parser)
    batch._add_work(parser)
    batch._add_privacy(parser)
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout: the batch's, then the statistics")


def _add_statistics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by", default="", metavar="LIST", help="columns of the manifest to make subgroups of: sex,scanner,site"
    )
    parser.add_argument(
        "--metrics", metavar="LIST",
        help="of dsc, iou, nsd, nsd_slab, hd, hd95, assd, volume, lesions (default: dsc,iou,nsd, or the protocol's)",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", metavar="T", help="of the NSD: 2mm, 2px or 2 (default: 2, mm where there are any)"
    )
    parser.add_argument(
        "--empty", default="standard", choices=("standard", "distances-missing", "agreement-counts"),
        help="what a metric is where a mask is empty (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--resample-to-reference", action="store_true",
        help="bring a mask on another grid onto the reference's (nearest); else it is refused",
    )  # fmt: skip
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="of the bootstrap over patients")


def run(arguments: argparse.Namespace) -> int:
    """One of the four ways to come by masks, then the same statistics."""
    from medkt.errors import SettingsError

    masks = arguments.reference is not None or arguments.prediction is not None
    modes = [arguments.run is not None, arguments.manifest is not None, masks, arguments.protocol is not None]
    if sum(modes) != 1:
        raise SettingsError(f"say what to evaluate, one of: {MODES}")
    if modes[0]:
        return _say(arguments, {"": arguments.run})
    if arguments.output is None:
        raise SettingsError("say where the run goes: -o RUN")
    return _run_masks(arguments) if masks else _run_models(arguments)


def _run_masks(arguments: argparse.Namespace) -> int:
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.masks import MaskRunnerFactory, plan_of_masks
    from medkt.errors import SettingsError

    if arguments.reference is None or arguments.prediction is None:
        raise SettingsError("masks are scored from two folders: --reference DIR --prediction DIR")
    if len(arguments.concept) > 1 or arguments.prompt or arguments.package:
        raise SettingsError("masks that are there need no words and no package; one -c NAME only names their rows")
    if arguments.by:
        raise SettingsError("--by needs a manifest; two folders of masks say nothing about their patients")
    plan = plan_of_masks(
        references=arguments.reference, predictions=arguments.prediction, concept=(*arguments.concept, "mask")[0],
        keep_ids=arguments.keep_ids,
    )  # fmt: skip
    folder = RunFolder(arguments.output)
    folder.make()
    scoring = _scoring(arguments, None)
    folder.claim(_masks_identity(plan, scoring))
    done = _run_plan(arguments, folder, plan, MaskRunnerFactory(scoring=scoring), folder.salt(arguments.salt))
    return _say(arguments, {"": arguments.output}, [done])


def _masks_identity(plan: "Plan", scoring: "Scoring") -> dict[str, Any]:
    from medkt.about import __version__
    from medkt.report.plain import as_plain

    ids = "the manifest's" if plan.keep_ids else "pseudonyms"
    return {
        "medkt": __version__,
        "masks": plan.digest,
        "shard": str(plan.shard),
        "scoring": as_plain(scoring),
        "ids": ids,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the models are asked, the same in both arms.

    Attributes:
        concepts: by id, those that rows name too.
        own: ids of what the options ask for.
        learnt: those of the packages, by id.
        protocol: None for a manifest.
    """

    concepts: "dict[str, Concept]"
    own: tuple[str, ...]
    learnt: "Mapping[str, Concept]"
    protocol: "Protocol | None"

    def identify(self, name: str) -> str:
        """The id of what a row calls a concept; a learnt concept of that id or name comes first."""
        from medkt.concepts import load_concept

        for concept in self.learnt.values():
            if name == concept.id or name.casefold() in (one.casefold() for one in concept.names):
                self.concepts[concept.id] = concept
                return concept.id
        concept = load_concept(name)
        self.concepts[concept.id] = concept
        return concept.id


def _run_models(arguments: argparse.Namespace) -> int:
    """Base alone, or base and then the learnt concepts over the same cases."""
    asked = _asked(arguments)
    arms = ARMS if arguments.package else ARMS[:1]
    folders = {arm: arguments.output / arm if arguments.package else arguments.output for arm in arms}
    done = []
    for arm, path in folders.items():
        given = path.parent / "base" / "salt" if arm == "kt" else arguments.salt
        done.append(_run_arm(arguments, asked, path, learnt=arm == "kt", salt=given))
        if done[-1].stopped:
            break
    if arguments.shard != "1/1":
        print(f"medkt: a shard; `medkt batch merge {arguments.output}`, then `medkt evaluate`", file=sys.stderr)
        return max(batch._code(one) for one in done)
    if done[-1].stopped:
        return batch._code(done[-1])
    return _say(arguments, folders, done, protocol=asked.protocol)


def _asked(arguments: argparse.Namespace) -> _Asked:
    from medkt.cli.segment import concepts_of
    from medkt.concepts import read_package
    from medkt.datasets.protocol import load_protocol
    from medkt.errors import SettingsError

    learnt = {concept.id: concept for path in arguments.package for concept in read_package(path).concepts}
    own = concepts_of(arguments) if arguments.concept or arguments.prompt else ()
    protocol = load_protocol(arguments.protocol) if arguments.protocol else None
    if protocol is not None:
        if arguments.data is None:
            raise SettingsError(f"say where the data set lies: --data DIR ({protocol.title}: {protocol.access})")
        if protocol.task != "segmentation":
            raise SettingsError(
                f"protocol {protocol.name!r} asks for {protocol.task}; this command segments. Score its images with "
                "`medkt classify`"
            )
        if len(own) > 1 or len(learnt) > 1:
            raise SettingsError("a protocol looks for one finding: give one -c, -p or package")
    concepts = {one.id: learnt.get(one.id, one) for one in own}
    return _Asked(concepts=concepts, own=tuple(concepts), learnt=learnt, protocol=protocol)


def _run_arm(arguments: argparse.Namespace, asked: _Asked, path: Path, *, learnt: bool, salt: Path | None) -> "Summary":
    from medkt.cohort.folder import RunFolder
    from medkt.cohort.merge import shard_folder
    from medkt.cohort.work import Shard
    from medkt.errors import InputError
    from medkt.report.plain import as_plain

    shard = Shard.parse(arguments.shard)
    folder = RunFolder(shard_folder(path, shard))
    folder.make()
    plan = _plan(arguments, asked, folder, shard)
    first = next(iter(plan.cases()))
    if not first.has_mask:
        raise InputError(
            f"{arguments.manifest}: its cases have no reference, so nothing can be scored; `medkt batch` runs them"
        )
    scoring = _scoring(arguments, asked.protocol)
    factory = replace(
        batch._factory(arguments, folder, asked.concepts), scoring=scoring,
        packages=tuple(one.resolve() for one in arguments.package) if learnt else (),
    )  # fmt: skip
    whole = argparse.Namespace(**{**vars(arguments), "output": path, "salt": salt})
    made = batch._salt(whole, folder)
    named = {"protocol": asked.protocol.name if asked.protocol else None, "learnt": learnt}
    folder.claim({**batch._identity(arguments, plan, factory), "scoring": as_plain(scoring), **named})
    return _run_plan(arguments, folder, plan, factory, made)


def _plan(arguments: argparse.Namespace, asked: _Asked, folder: "RunFolder", shard: Any) -> "Plan":
    from medkt.cohort.plan import plan_of
    from medkt.cohort.protocols import plan_of_protocol

    columns = list(dict.fromkeys([*arguments.keep_column, *_by(arguments)]))
    if asked.protocol is None:
        return plan_of(
            arguments.manifest, concepts=asked.identify, asked=asked.own, shard=shard, keep_ids=arguments.keep_ids,
            columns=columns, cache=folder.path / "manifest.json",
        )  # fmt: skip
    # the user's words, else the learnt concept's, else the protocol's: the same question to both arms
    concept = asked.own[0] if asked.own else asked.identify(next(iter(asked.learnt), asked.protocol.concept))
    return plan_of_protocol(
        asked.protocol, arguments.data, concept=concept, shard=shard, keep_ids=arguments.keep_ids, columns=columns
    )


def _run_plan(
    arguments: argparse.Namespace, folder: "RunFolder", plan: "Plan", factory: "RunnerFactory", salt: bytes
) -> "Summary":
    from medkt.cohort.coordinator import Limit, run_cohort
    from medkt.cohort.progress import Printer

    watcher = Printer(stream=sys.stdout if arguments.json else None, quiet=arguments.quiet)
    limit = Limit.parse(arguments.max_failures or "100%")
    return run_cohort(folder, plan, _engine(arguments, factory, folder), salt=salt, limit=limit, watcher=watcher)


def _engine(arguments: argparse.Namespace, factory: Any, folder: "RunFolder") -> "Engine":
    from medkt.errors import SettingsError

    if arguments.workers < 1:
        raise SettingsError(f"--workers {arguments.workers}: at least 1 is needed")
    return batch._engine(arguments, factory, folder)


def _scoring(arguments: argparse.Namespace, protocol: "Protocol | None") -> "Scoring":
    """The options over the protocol's metrics over the defaults."""
    from medkt.cohort.protocols import scoring_of_protocol
    from medkt.cohort.scoring import Scoring
    from medkt.metrics import MetricSettings

    base = scoring_of_protocol(protocol) if protocol is not None else Scoring()
    metrics = MetricSettings(
        metrics=_listed(arguments.metrics) if arguments.metrics else base.metrics.metrics, empty=arguments.empty,
        resample_to_reference=arguments.resample_to_reference,
    )  # fmt: skip
    if arguments.tolerance:
        return Scoring.parse(arguments.tolerance, metrics)
    return replace(base, metrics=metrics)


def _say(
    arguments: argparse.Namespace,
    runs: Mapping[str, Path],
    done: "list[Summary] | None" = None,
    *,
    protocol: "Protocol | None" = None,
) -> int:
    """Statistics of each arm: files beside its tables, and words for the user."""
    from medkt.report.run.words import text_lines

    evaluations = {arm: _evaluated(arguments, path) for arm, path in runs.items()}
    for arm, evaluation in evaluations.items():
        if arguments.json:
            from medkt.report.plain import as_plain

            print(json.dumps({"event": "evaluation", "arm": arm, **as_plain(evaluation)}, allow_nan=False))
            continue
        print(
            f"\n{runs[arm]}: the table of every case is results.csv (and .parquet), this one evaluation.csv (and .json)"
        )
        print("\n".join(text_lines(evaluation)))
    if len(runs) == 2 and not arguments.json:
        _say_comparison(arguments, runs)
    if protocol is not None and not arguments.json:
        _say_published(arguments, protocol, evaluations)
    return max((batch._code(one) for one in done or ()), default=0)


def _evaluated(arguments: argparse.Namespace, path: Path) -> "Evaluation":
    from medkt.cohort.folder import RunFolder
    from medkt.report.plain import as_plain
    from medkt.report.run.evaluation import evaluate_scores
    from medkt.report.run.scores import read_scores
    from medkt.report.run.write import write_evaluation
    from medkt.statistics import BootstrapSettings

    record = RunFolder(path).read()
    settings = BootstrapSettings(resamples=arguments.resamples)
    evaluation = evaluate_scores(read_scores(path / "results.parquet", by=_by(arguments)), settings)
    used = {"by": list(_by(arguments)), "statistics": as_plain(settings), "scoring": record["identity"].get("scoring")}
    write_evaluation(path, evaluation, used)
    return evaluation


def _say_comparison(arguments: argparse.Namespace, runs: Mapping[str, Path]) -> None:
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.words import aligned
    from medkt.report.run.words_compared import COMPARED_HEAD, compared_row

    first, second = (path / "results.parquet" for path in runs.values())
    lines = compare_runs(first, second).lines
    print(f"\n{' and '.join(runs)} compared, second minus first, a patient a pair:")
    print("\n".join(aligned(COMPARED_HEAD, [compared_row(line) for line in lines])))


def _say_published(
    arguments: argparse.Namespace, protocol: "Protocol", evaluations: "Mapping[str, Evaluation]"
) -> None:
    from medkt.report.run.published import protocol_lines
    from medkt.report.write import LABEL_TUNED

    print()
    print("\n".join(protocol_lines(protocol, evaluations, label_tuned=arguments.preset in LABEL_TUNED)))


def _by(arguments: argparse.Namespace) -> tuple[str, ...]:
    return _listed(arguments.by)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
