"""`evaluate` of two folders of masks that are there already."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medkt.requests.evaluate_request import WHERE, EvaluateRequest
from medkt.requests.listener import Listener
from medkt.requests.masks import SIDES, choice_of
from medkt.requests.option import present
from medkt.requests.scoring import scoring_of
from medkt.requests.words import packages_of
from medkt.requests.work import require_work, run_asked

if TYPE_CHECKING:
    from medkt.runs.progress import RunStatus


def run_masks(request: EvaluateRequest, listener: Listener) -> "tuple[Mapping[str, Path], tuple[RunStatus, ...]]":
    """Score the masks of two folders; gives the folder of the run, and what it came to."""
    from medkt.datasets.patients import FileOwners
    from medkt.errors import SettingsError
    from medkt.runs.folder import RunFolder
    from medkt.tasks.masks.pairs import MaskRunnerFactory
    from medkt.tasks.masks.task import MasksJob
    from medkt.tasks.registry import task_named

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
    asked = MasksJob(
        references=request.reference, predictions=request.prediction, concept=(*request.concept, "mask")[0],
        keep_ids=request.keep_ids, whose=FileOwners(table=request.patients, pattern=request.patient_pattern),
        look=MaskRunnerFactory(scoring=scoring_of(request, None), **choices),
    )  # fmt: skip
    folder = RunFolder(present(request.output, WHERE))
    done = run_asked(
        request, task_named("masks"), asked, folder, whole=folder.path, salt=request.salt, listener=listener
    )
    return {"": folder.path}, (done,)
