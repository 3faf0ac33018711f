"""Segmentation with the site's calibrations: each concept that has one is decided by it before anything is outlined."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medkt.calibration.calibration import Calibration, Decision
from medkt.calibration.rule import CalibratedPresence, CalibrationRule
from medkt.calibration.scoring import ScoringKey, scoring_key
from medkt.calibration.store import SITE, find_calibration
from medkt.concepts import Concept
from medkt.errors import SettingsError
from medkt.pipeline import Pipeline, Progress, Study, StudyResult, View, study_of
from medkt.pipeline.look import with_window
from medkt.pipeline.words import asked_of, domain_of, is_learnt
from medkt.spatial import Image
from medkt.transfer.packages import Taught

Find = Callable[[ScoringKey], Calibration | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratedResult:
    """A study, with what was decided by calibrations.

    Attributes:
        result: as of `Pipeline.segment`; the presence of a calibrated concept is a `CalibratedPresence`, and where nothing
            is claimed its mask is empty and the reason stands among the warnings.
        decisions: by concept id; concepts without a calibration are absent.
    """

    result: StudyResult
    decisions: Mapping[str, Decision]


def segment_calibrated(
    pipeline: Pipeline,
    image: Image,
    concepts: Sequence[Concept | str | Path],
    *,
    view: View | None = None,
    site: str = SITE,
    find: Find | None = None,
    before: Callable[[Study], None] | None = None,
    progress: Progress | None = None,
) -> CalibratedResult:
    """As `Pipeline.segment`, with the calibration of each concept where this site has one for exactly these settings.

    A learnt concept is scored by the encoder that was taught it, so its calibration is one of these weights too.
    Without the gate (`presence.gate=false`) maps are made whatever is decided, and masks too where something is claimed.

    Args:
        pipeline: models and settings.
        image: the study.
        concepts: what is asked for.
        view: how the study is read and cut.
        site: whose calibrations are used.
        find: gives the calibration of a key, or None; None looks in medkt's own folder.
        before: see `Pipeline.segment`.
        progress: see there.

    Raises:
        InputError: as `Pipeline.segment`, or a calibration's file is damaged.
    """
    # a calibration is of one way of showing; where the settings' window does not fit, the pipeline says so
    view, _ = with_window(view or View(), image, pipeline.settings.window)
    taught = pipeline.taught or Taught.of(pipeline.encoder)
    kind = domain_of(image, view, [one for one in concepts if not is_learnt(taught, one)])
    asked = asked_of(taught, concepts, kind)
    presence = pipeline.settings.presence
    if before is not None:
        before(study_of(taught, image, asked, pipeline.settings, view))
    found: dict[str, Calibration] = {}
    for concept in asked:
        with taught.encoder(taught.route(concept.id)) as encoder:
            key = scoring_key(encoder, concept, kind, settings=presence, view=view, asked=taught.asked.get(concept.id))
        calibration = find_calibration(key, site=site) if find is None else find(key)
        if calibration is not None:
            found[concept.id] = calibration
    rule = CalibrationRule(calibrations=found, settings=presence, otherwise=pipeline.rule)
    result = replace(pipeline, rule=rule).segment(image, asked, view=view, progress=progress)
    answers = {finding.concept.id: finding.found.presence for finding in result.findings}
    decisions = {name: one.decision for name, one in answers.items() if isinstance(one, CalibratedPresence)}
    return CalibratedResult(result=result, decisions=decisions)


def keys_of(pipeline: Pipeline, study: Study, view: View) -> Iterator[ScoringKey]:
    """The key of the calibration that each concept of a study is decided by.

    Raises:
        SettingsError: only some of a concept's prompts are asked.
    """
    if pipeline.settings.texts != "all":
        raise SettingsError("calibrations are of all prompts of a concept: they need settings of texts=all")
    view, _ = with_window(view, study.image, pipeline.settings.window)
    taught = pipeline.taught or Taught.of(pipeline.encoder)
    for concept in study.asked:
        with taught.encoder(taught.route(concept.id)) as encoder:
            asked = taught.asked.get(concept.id)
            yield scoring_key(encoder, concept, study.kind, settings=pipeline.settings.presence, view=view, asked=asked)
