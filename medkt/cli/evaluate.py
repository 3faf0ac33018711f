"""`medkt evaluate`: masks against references, or classes against the truth, with the statistics that a reviewer asks for.

medkt evaluate --manifest cases.csv -c ct_nodule -o runs/x --by sex,site
medkt evaluate --reference masks/ --prediction mine/ -o runs/mine
medkt evaluate --protocol busi --data Dataset_BUSI_with_GT -o runs/busi -c tumour.medkt
medkt evaluate --protocol chexpert --data CheXpert -o runs/chexpert
medkt evaluate --classify --manifest cases.csv -o runs/classes
medkt evaluate runs/x --by scanner
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.cohort_options import (
    Asked,
    add_privacy,
    add_prompts,
    add_reading,
    add_site,
    add_work,
    asked_of,
    exit_code,
    factory_of,
    identity_of,
    manifest_plan_of,
    of_work,
    patients_word,
    require_work,
    run_arms,
    run_plan,
    salt_of,
    shard_exit,
    worded,
)
from medkt.cli.evaluate_classes import add_classes, run_classes
from medkt.cli.mask_options import SIDES, add_mask_choice, choice_of, given
from medkt.cli.published import SETTINGS_ONLY, WINDOW, say_settings, settle, standing_of
from medkt.cli.say_classes import say_classes, tells_classes

if TYPE_CHECKING:
    from medkt.datasets.protocol import Protocol
    from medkt.report.run.evaluation import Evaluation
    from medkt.runs.folder import RunFolder
    from medkt.runs.progress import Summary
    from medkt.runs.work import Shard
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.masks import MaskRunnerFactory
    from medkt.tasks.segment.scoring import Scoring

MODES = "a RUN, --manifest, --protocol with --data, or --reference with --prediction"


def configure(parser: argparse.ArgumentParser) -> None:
    from medkt.cli.segment import add_guard, add_models, add_words

    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="the statistics of a run that has ended")
    parser.add_argument(
        "--manifest", type=Path, metavar="TABLE", help="the cases with their references: CSV or Parquet"
    )
    parser.add_argument("--reference", type=Path, metavar="DIR", help="masks that count as true, named by case")
    parser.add_argument("--prediction", type=Path, metavar="DIR", help="masks to score, with the same names")
    parser.add_argument(
        "--patients", type=Path, metavar="TABLE",
        help="of two folders: CSV with columns file and patient, where several files are of one patient",
    )  # fmt: skip
    parser.add_argument(
        "--patient-pattern",
        metavar="RE",
        help="the same, by the name: a regular expression whose first group is the patient",
    )
    parser.add_argument("--protocol", metavar="NAME", help="a published data set (busi, udiat ...), or a YAML file")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where that data set lies")
    parser.add_argument("-o", "--output", type=Path, metavar="RUN", help="the run's folder; one that is there goes on")
    add_mask_choice(parser, sides=True)
    add_classes(parser)
    _add_statistics(parser)
    add_words(parser, learnt=True)
    add_reading(parser)
    add_models(parser)
    add_site(parser)
    add_guard(parser)
    add_work(parser)
    add_privacy(parser)
    add_prompts(parser)
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout: the batch's, then the statistics")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


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
        help="bring a mask on another grid onto the reference's (nearest), extended to hold both; else it is refused",
    )  # fmt: skip
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="of the bootstrap over patients")


def run(arguments: argparse.Namespace) -> int:
    """One of the ways to come by masks or classes, then the statistics."""
    from medkt.cli.segment import guard_words, settings_of
    from medkt.errors import SettingsError
    from medkt.statistics import BootstrapSettings
    from medkt.tasks.arms import arms_below

    BootstrapSettings(resamples=arguments.resamples)  # what it refuses is refused before the work
    masks = arguments.reference is not None or arguments.prediction is not None
    modes = [arguments.run is not None, arguments.manifest is not None, masks, arguments.protocol is not None]
    if sum(modes) != 1:
        raise SettingsError(f"say what to evaluate, one of: {MODES}")
    if (modes[0] or masks) and (arguments.as_published or arguments.dry_run or arguments.prompts):
        raise SettingsError(
            "--as-published, --prompts and --dry-run go with --manifest or --protocol; here no model is asked"
        )
    if arguments.classify and arguments.manifest is None:
        raise SettingsError("--classify goes with --manifest; a protocol says itself what its task is")
    if modes[0]:
        runs = arms_below(arguments.run) or {"": arguments.run}
        return say_classes(arguments, runs) if tells_classes(runs) else _say(arguments, runs)
    if arguments.output is None and not arguments.dry_run:
        raise SettingsError("say where the run goes: -o RUN")
    protocol = _protocol(arguments)
    if arguments.classify or (protocol is not None and protocol.task == "classification"):
        return run_classes(arguments, protocol)
    if arguments.rule != "default":
        raise SettingsError("--rule is for classes that are told apart; masks have --preset")
    if arguments.apart:
        raise SettingsError("--apart is for classes that are told apart; masks are asked of each concept's own encoder")
    if not masks and (arguments.patients or arguments.patient_pattern):
        raise SettingsError("--patients goes with two folders of masks; a manifest has the column patient_id")
    if not masks and given(arguments):
        raise SettingsError(
            f"{given(arguments)[0]} goes with two folders of masks; in a manifest the column reference_key says which label"
        )
    if protocol is not None and protocol.window:  # before what the user sets
        arguments.set = [f"window={protocol.window}", *arguments.set]
    if masks:
        return _run_masks(arguments)
    settle(arguments, "evaluate", "segmentation")
    if arguments.dry_run:
        found = standing_of(arguments, "evaluate", "segmentation", settings_of(arguments), own=WINDOW)
        return say_settings(found, as_json=arguments.json, guard=guard_words(arguments))
    return _run_models(arguments, protocol)


def _run_masks(arguments: argparse.Namespace) -> int:
    from medkt.cli.segment import packages_of
    from medkt.datasets.patients import WhoseFiles
    from medkt.errors import SettingsError
    from medkt.runs.folder import RunFolder
    from medkt.tasks.masks import MaskRunnerFactory, plan_of_masks

    if arguments.reference is None or arguments.prediction is None:
        raise SettingsError("masks are scored from two folders: --reference DIR --prediction DIR")
    if len(arguments.concept) > 1 or arguments.prompt or packages_of(arguments) or arguments.site:
        raise SettingsError(
            "masks that are there need no words, no package and no site; one -c NAME only names their rows"
        )
    if arguments.by:
        raise SettingsError("--by needs a manifest; two folders of masks say nothing about their patients")
    require_work(arguments)
    choices = {side: choice_of(arguments, side) for side in SIDES}
    plan = plan_of_masks(
        references=arguments.reference, predictions=arguments.prediction, concept=(*arguments.concept, "mask")[0],
        keep_ids=arguments.keep_ids, whose=WhoseFiles(table=arguments.patients, pattern=arguments.patient_pattern),
    )  # fmt: skip
    folder = RunFolder(arguments.output)
    folder.make()
    factory = MaskRunnerFactory(scoring=_scoring(arguments, None), **choices)
    folder.claim({**_masks_identity(plan, factory), **of_work(arguments)}, accept_versions=arguments.accept_versions)
    done = run_plan(arguments, folder, plan, factory, folder.salt(arguments.salt))
    return exit_code(done) if done.stopped else _say(arguments, {"": arguments.output}, [done])


def _masks_identity(plan: "CasePlan", factory: "MaskRunnerFactory") -> dict[str, Any]:
    from medkt.about import __version__
    from medkt.records import as_plain

    ids = "the manifest's" if plan.keep_ids else "pseudonyms"
    return {
        "medkt": __version__,
        "masks": plan.digest,
        "shard": str(plan.shard),
        "scoring": as_plain(factory.scoring),
        "choice": {"reference": as_plain(factory.reference), "prediction": as_plain(factory.prediction)},
        "ids": ids,
        "patients": patients_word(plan),
    }


def _run_models(arguments: argparse.Namespace, protocol: "Protocol | None") -> int:
    """Base alone; or, where something learnt is asked for, base and then KT over the same cases."""
    shard = require_work(arguments)
    asked = asked_of(arguments)
    _require_one_finding(asked, protocol)
    arm = partial(_run_arm, arguments, asked, protocol, shard=shard)
    folders, done = run_arms(arguments, arm, learnt=bool(asked.packages))
    if arguments.shard != "1/1":
        return shard_exit(arguments, folders, done)
    if done[-1].stopped:
        return exit_code(done[-1])
    return _say(arguments, folders, done, protocol=protocol)


def _protocol(arguments: argparse.Namespace) -> "Protocol | None":
    from medkt.errors import SettingsError

    if arguments.protocol is None:
        return None
    from medkt.datasets.protocol import load_protocol  # with the builder of every layout

    protocol = load_protocol(arguments.protocol)
    if arguments.data is None:
        raise SettingsError(f"say where the data set lies: --data DIR ({protocol.title}: {protocol.access})")
    return protocol


def _require_one_finding(asked: Asked, protocol: "Protocol | None") -> None:
    from medkt.errors import SettingsError

    if protocol is not None and len(asked.own) > 1:
        raise SettingsError(
            f"a protocol looks for one finding, got {', '.join(asked.own)}: give one -c, -p or .medkt file"
        )


def _run_arm(
    arguments: argparse.Namespace,
    asked: Asked,
    protocol: "Protocol | None",
    path: Path,
    *,
    shard: "Shard",
    learnt: bool,
    salt: Path | None,
) -> "Summary":
    from medkt.errors import InputError
    from medkt.records import as_plain
    from medkt.runs.folder import RunFolder
    from medkt.runs.merge import shard_folder

    folder = RunFolder(shard_folder(path, shard))
    folder.make()
    plan = _plan(arguments, asked, protocol, folder, shard)
    first = next(iter(plan.cases()))
    if not first.has_mask:
        raise InputError(
            f"{arguments.manifest}: its cases have no reference, so nothing can be scored; `medkt batch` runs them"
        )
    scoring = _scoring(arguments, protocol)
    factory = factory_of(arguments, folder, asked, learnt=learnt, scoring=scoring)
    made = salt_of(folder, path, salt)
    named = {"protocol": protocol.name if protocol else None, "learnt": learnt}
    folder.claim(
        {**identity_of(arguments, asked, plan, factory), "scoring": as_plain(scoring), **named},
        accept_versions=arguments.accept_versions,
    )
    return run_plan(arguments, folder, plan, factory, made)


def _plan(
    arguments: argparse.Namespace, asked: Asked, protocol: "Protocol | None", folder: "RunFolder", shard: "Shard"
) -> "CasePlan":
    from medkt.tasks.protocols import plan_of_protocol

    columns = list(dict.fromkeys([*arguments.keep_column, *_by(arguments)]))
    if protocol is None:
        return manifest_plan_of(arguments, asked, folder, shard, columns)
    # the user's words or learnt concept, else the protocol's words: the same question to both arms
    concept = asked.own[0] if asked.own else asked.identify(protocol.concept)
    plan = plan_of_protocol(
        protocol, arguments.data, concept=concept, shard=shard, keep_ids=arguments.keep_ids, columns=columns
    )
    return worded(arguments, plan)


def _scoring(arguments: argparse.Namespace, protocol: "Protocol | None") -> "Scoring":
    """The options over the protocol's metrics over the defaults."""
    from medkt.metrics import MetricSettings
    from medkt.tasks.segment.scoring import Scoring

    base = _scoring_of(protocol) if protocol is not None else Scoring()
    metrics = MetricSettings(
        metrics=_listed(arguments.metrics) if arguments.metrics else base.metrics.metrics, empty=arguments.empty,
        resample_to_reference=arguments.resample_to_reference,
    )  # fmt: skip
    if arguments.tolerance:
        return Scoring.parse(arguments.tolerance, metrics)
    return replace(base, metrics=metrics)


def _scoring_of(protocol: "Protocol") -> "Scoring":
    from medkt.tasks.protocols import scoring_of_protocol  # it loads the builder of every layout

    return scoring_of_protocol(protocol)


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
            from medkt.records import as_plain

            print(json.dumps({"event": "evaluation", "arm": arm, **as_plain(evaluation)}, allow_nan=False))
            continue
        print(
            f"\n{runs[arm]}: the table of every case is results.csv (and .parquet), this one evaluation.csv (and .json)"
        )
        print("\n".join(text_lines(evaluation)))
        say_demonstration_of(runs[arm])
    if len(runs) == 2:
        _say_comparison(arguments, runs)
    if protocol is not None and not arguments.json:
        _say_published(arguments, protocol, evaluations)
    return max((exit_code(one) for one in done or ()), default=0)


def _evaluated(arguments: argparse.Namespace, path: Path) -> "Evaluation":
    from medkt.records import as_plain
    from medkt.report.run.evaluation import evaluate_scores
    from medkt.report.run.scores import read_scores
    from medkt.report.run.write import write_evaluation
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    record = RunFolder(path).read()
    settings = BootstrapSettings(resamples=arguments.resamples)
    scores = read_scores(RunFolder(path).require_table("results"), by=_by(arguments))
    evaluation = evaluate_scores(scores, settings, identity=record["identity"])
    used = {"by": list(_by(arguments)), "statistics": as_plain(settings), "scoring": record["identity"].get("scoring")}
    write_evaluation(path, evaluation, used)
    return evaluation


def say_demonstration_of(run: Path) -> None:
    """That the encoder of a run is a demonstration, where it is."""
    from medkt.about import demonstration_of_run
    from medkt.runs.folder import RunFolder

    if said := demonstration_of_run(RunFolder(run).read()):
        print(said)


def _say_comparison(arguments: argparse.Namespace, runs: Mapping[str, Path]) -> None:
    """The second arm minus the first: words or a JSON line, and a file beside the arms."""
    from medkt.records import as_plain
    from medkt.report.run.comparison import compare_runs
    from medkt.report.run.words import aligned
    from medkt.report.run.words_compared import COMPARED_HEAD, compared_row
    from medkt.report.run.write import write_comparison
    from medkt.runs.folder import RunFolder
    from medkt.statistics import BootstrapSettings

    first, second = (RunFolder(path).require_table("results") for path in runs.values())
    settings = BootstrapSettings(resamples=arguments.resamples)
    lines = compare_runs(first, second, settings=settings).lines
    parent = first.parent.parent
    write_comparison(parent, tuple(runs), lines, settings)
    if arguments.json:
        print(json.dumps({"event": "comparison", "arms": list(runs), "lines": as_plain(lines)}, allow_nan=False))
        return
    print(f"\n{' and '.join(runs)} compared, second minus first, a patient a pair (in full: {parent}/comparison.json):")
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
