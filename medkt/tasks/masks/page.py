"""What a page shows of one or two runs with masks: statistics, curves, cases to look at, published values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from medkt.datasets.protocol import LABEL_TUNED, load_protocol, protocols
from medkt.errors import SettingsError
from medkt.runs.folder import RunFolder
from medkt.statistics import BootstrapSettings
from medkt.tasks.base import RunComparison
from medkt.tasks.masks.agreement import lesion_curves, volume_agreement
from medkt.tasks.masks.evaluation import evaluate_scores
from medkt.tasks.masks.pictures import cases_to_look_at
from medkt.tasks.masks.plots import Curves
from medkt.tasks.masks.presence import presence_curves
from medkt.tasks.masks.published import PublishedComparison, beside_published, stamps
from medkt.tasks.masks.scores import read_scores
from medkt.tasks.masks.sections import Arm, RunReport
from medkt.tasks.record_form import require_form


def page_of(
    runs: Mapping[str, Path],
    compared: RunComparison | None,
    *,
    by: Sequence[str],
    settings: BootstrapSettings,
    cases: int,
) -> RunReport:
    """As `Task.page`."""
    arms = tuple(arm_of(name, path, by=by, settings=settings, cases=cases) for name, path in runs.items())
    beside, said = _published(arms)
    title = f"{arms[0].name} and {arms[1].name} compared" if compared else "Report of a run"
    lines = tuple(compared.lines) if compared else ()
    return RunReport(title=title, arms=arms, compared=lines, beside=beside, stamps=said)


def arm_of(name: str, path: Path, *, by: Sequence[str], settings: BootstrapSettings, cases: int) -> Arm:
    """A run's statistics, record and cases to look at."""
    if cases < 0:
        raise SettingsError(f"--cases {cases}: 0 or more")
    record = RunFolder(path).read()
    require_form(record, path)
    scores = read_scores(RunFolder(path).require_table("results"), by=by)
    curves = Curves(
        presence=tuple(presence_curves(scores, level=settings.level)),
        volumes=tuple(volume_agreement(scores, settings)), lesions=tuple(lesion_curves(scores)),
    )  # fmt: skip
    return Arm(
        name=name, evaluation=evaluate_scores(scores, settings, identity=record.identity), record=record, curves=curves,
        cases=cases_to_look_at(path, scores, count=cases),
    )  # fmt: skip


def _published(arms: Sequence[Arm]) -> tuple[tuple[PublishedComparison, ...], tuple[str, ...]]:
    """Ours beside the published values, where the runs follow a protocol that ships with medkt.

    Which published column is meant stands in each run's record; two runs that are both of the base, or both of KT, have
    none between them.
    """
    identities = [arm.record.identity for arm in arms]
    kinds = ["kt" if identity.get("learnt") else "base" for identity in identities]
    names = {identity.get("protocol") for identity in identities}
    name = next(iter(names)) if len(names) == 1 else None
    if name not in protocols() or len(set(kinds)) < len(kinds):
        return (), ()
    protocol = load_protocol(name)
    tuned = any(identity.get("preset") in LABEL_TUNED for identity in identities)
    beside = beside_published(protocol, {kind: arm.evaluation for kind, arm in zip(kinds, arms, strict=True)})
    return beside, (f"{protocol.title}: {protocol.citation}", *stamps(protocol, label_tuned=tuned))
