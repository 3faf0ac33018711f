"""`evaluate` of two folders of masks that are there already."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.requests.evaluate_request import WHERE, EvaluateRequest
from medkt.requests.listening import Listener
from medkt.requests.masks import SIDES, choice_of
from medkt.requests.option import present
from medkt.requests.scoring import scoring_of
from medkt.requests.words import packages_of
from medkt.requests.work import identity_of_work, patients_word, require_work, run_plan

if TYPE_CHECKING:
    from medkt.runs.progress import Summary
    from medkt.tasks.cases import CasePlan
    from medkt.tasks.masks import MaskRunnerFactory


def run_masks(request: EvaluateRequest, listener: Listener) -> "tuple[Mapping[str, Path], tuple[Summary, ...]]":
    """Score the masks of two folders; gives the folder of the run, and what it came to."""
    from medkt.datasets.patients import WhoseFiles
    from medkt.errors import SettingsError
    from medkt.runs.folder import RunFolder
    from medkt.tasks.masks import MaskRunnerFactory, plan_of_masks

    if request.reference is None or request.prediction is None:
        raise SettingsError("masks are scored from two folders: --reference DIR --prediction DIR")
    if len(request.concept) > 1 or request.prompt or packages_of(request) or request.site:
        raise SettingsError(
            "masks that are there need no words, no package and no site; one -c NAME only names their rows"
        )
    if request.by:
        raise SettingsError("--by needs a manifest; two folders of masks say nothing about their patients")
    require_work(request)
    choices = {side: choice_of(request, side) for side in SIDES}
    plan = plan_of_masks(
        references=request.reference, predictions=request.prediction, concept=(*request.concept, "mask")[0],
        keep_ids=request.keep_ids, whose=WhoseFiles(table=request.patients, pattern=request.patient_pattern),
    )  # fmt: skip
    folder = RunFolder(present(request.output, WHERE))
    folder.make()
    factory = MaskRunnerFactory(scoring=scoring_of(request, None), **choices)
    folder.claim({**_identity(plan, factory), **identity_of_work(request)}, accept_versions=request.accept_versions)
    done = run_plan(request, folder, plan, factory, folder.salt(request.salt), listener)
    return {"": folder.path}, (done,)


def _identity(plan: "CasePlan", factory: "MaskRunnerFactory") -> dict[str, Any]:
    from medkt.about import __version__
    from medkt.records import as_plain

    return {
        "medkt": __version__,
        "masks": plan.digest,
        "shard": str(plan.shard),
        "scoring": as_plain(factory.scoring),
        "choice": {"reference": as_plain(factory.reference), "prediction": as_plain(factory.prediction)},
        "ids": "the manifest's" if plan.keep_ids else "pseudonyms",
        "patients": patients_word(plan),
    }
