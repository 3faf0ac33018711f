"""Finding as a task: its cases, its runner, its record, and what its table says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from medkt.about import __version__
from medkt.errors import InputError
from medkt.records import as_plain
from medkt.runs.folder import RunFolder
from medkt.tasks.base import CaseSource, ids_word, patients_word
from medkt.tasks.cases import CasePlan, concept_digest
from medkt.tasks.manifest import plan_of_source
from medkt.tasks.masks.base import MaskScoringTask
from medkt.tasks.masks.columns import SCORED
from medkt.tasks.segment.columns import FOUND
from medkt.tasks.segment.findings import RunFindings

if TYPE_CHECKING:
    from medkt.tasks.segment.studies import StudyRunnerFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentJob:
    """A run that looks for findings.

    Attributes:
        source: of the cases.
        findings: what is looked for; of a protocol, its concept or the only one of the user's own.
        look: how each case is looked at; the task puts run and concepts in.
        worded: gives the plan sentences of single images, where there are any.
        noted: of an evaluation, what else its record says: scoring, protocol, whether the packages' weights are in.
        scored: whether cases without a reference are refused, for nothing could be scored.
    """

    source: CaseSource
    findings: RunFindings
    look: "StudyRunnerFactory"
    worded: Callable[[CasePlan], CasePlan] = lambda plan: plan
    noted: Mapping[str, Any] = field(default_factory=dict)
    scored: bool = False


class SegmentTask(MaskScoringTask):
    """A mask of each finding in each study, scored where there is a reference; a `Task`."""

    name = "segment"
    columns = (*SCORED, *FOUND)

    def plan(self, asked: SegmentJob) -> CasePlan:
        """As `Task.plan`; with it `asked.findings` holds every concept that any case asks for."""
        source, findings = asked.source, asked.findings
        if source.protocol is not None:
            from medkt.tasks.protocols import plan_of_protocol  # it loads the builder of every layout

            # the user's words or learnt concept, else the protocol's words: the same question to both arms
            concept = findings.own[0] if findings.own else findings.identify(source.protocol.concept)
            plan = plan_of_protocol(
                source.protocol, source.data, concept=concept, shard=source.shard, keep_ids=source.keep_ids,
                columns=source.columns,
            )  # fmt: skip
        else:
            plan = plan_of_source(source, concepts=findings.identify, asked=findings.own)
        plan = asked.worded(plan)
        if asked.scored and not next(iter(plan.cases())).has_mask:
            raise InputError(
                f"{source.manifest}: its cases have no reference, so nothing can be scored; `medkt batch` runs them"
            )
        return plan

    def runner(self, asked: SegmentJob, run: RunFolder) -> "StudyRunnerFactory":
        """As `Task.runner`."""
        return replace(asked.look, run=run, concepts=dict(asked.findings.concepts))

    def identity(self, asked: SegmentJob, plan: CasePlan, work: Mapping[str, Any]) -> dict[str, Any]:
        """As `Task.identity`."""
        look, packages = asked.look, asked.findings.packages
        learnt = {"packages": [packages[path] for path in look.packages], "together": look.together}
        concepts = sorted(asked.findings.concepts.items())
        return {
            "medkt": __version__,
            "manifest": plan.digest,
            "shard": str(plan.shard),
            **work,
            "patients": patients_word(plan),
            "concepts": {name: concept_digest(concept) for name, concept in concepts},
            "asked": list(plan.asked),
            "preset": look.preset,
            **({"as_published": as_plain(look.as_published)} if look.as_published else {}),
            "settings": as_plain(look.settings),
            "view": as_plain(look.view),
            "regrid": look.regrid,
            "formats": as_plain(look.formats),
            "ids": ids_word(plan),
            "columns": list(plan.columns),
            **({"prompts": plan.prompts.as_json()} if plan.prompts else {}),
            **(learnt if look.packages else {}),
            **({"site": look.site} if look.site else {}),
            "guarded": look.guarded,  # runs of earlier versions say nothing of it, and were not
            **({"allow_incomplete": True} if look.allow_incomplete else {}),
            **asked.noted,
        }

    def today(self, identity: Mapping[str, Any]) -> Mapping[str, Any]:
        """As `Task.today`: settings that stood in a group of their own."""
        from medkt.segmentation.slicewise import SegmentationSettings

        settings = identity.get("settings")
        for old, (group, choice, _) in SegmentationSettings.FORMERLY.items():
            if isinstance(settings, Mapping) and isinstance(settings.get(old), Mapping):
                others = {key: value for key, value in settings.items() if key != old}
                settings = {**others, group: {choice: {"name": old, **settings[old]}}}
        return {**identity, "settings": settings}


TASK = SegmentTask()
