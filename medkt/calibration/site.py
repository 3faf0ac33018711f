"""Segmentation, where a site is named with its calibrations: each concept that has one is decided by it, then outlined."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from medkt.bounds import several_of
from medkt.calibration.calibration import Calibration, Decision
from medkt.calibration.rule import CalibratedPresence, CalibrationRule
from medkt.calibration.scoring import ScoringKey, scoring_key
from medkt.calibration.store import SITE, find_calibration, require_calibration
from medkt.concepts import Concept
from medkt.errors import SettingsError
from medkt.pipeline import Pipeline, Study, StudyResult, StudyRules, View
from medkt.pipeline.look import with_window
from medkt.pipeline.words import wanted_in
from medkt.presence import PresenceRule
from medkt.progress import Progress
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Image
from medkt.transfer.packages import AdaptedEncoder, is_package

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
    rule = SiteCalibrations(site=site, find=find or partial(find_calibration, site=site), otherwise=_own_rule(pipeline))
    result = replace(pipeline, rule=rule).segment(image, concepts, view=view, before=before, progress=progress)
    answers = {finding.concept.id: finding.found.presence for finding in result.findings}
    decisions = {name: one.decision for name, one in answers.items() if isinstance(one, CalibratedPresence)}
    return CalibratedResult(result=result, decisions=decisions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteCalibrations:
    """Each concept of a study is decided by what a site has calibrated for it; a `Pipeline`'s rule.

    However many concepts are calibrated, an encoder looks at a study once: a decision needs no pass of its own.

    Attributes:
        site: whose calibrations are used.
        find: gives the calibration of a key, or None for a concept that `otherwise` decides; None looks in medkt's own folder
            and refuses where there is none.
        otherwise: decides the concepts without a calibration; None for the threshold of the settings.
    """

    site: str = SITE
    find: Find | None = None
    otherwise: PresenceRule | None = None

    def rule_for(self, study: Study, taught: AdaptedEncoder, view: View) -> CalibrationRule:
        """The calibrations of what is asked.

        Raises:
            SettingsError: only some of a concept's prompts are asked, or there is no calibration.
            InputError: the file of one is damaged.
        """
        find = self.find or partial(require_calibration, site=self.site)
        found = {
            key.concept: calibration for key in _keys_in(study, taught, view) if (calibration := find(key)) is not None
        }
        return CalibrationRule(calibrations=found, settings=study.settings.presence, otherwise=self.otherwise)


def keys_of(pipeline: Pipeline, study: Study, view: View) -> Iterator[ScoringKey]:
    """The key of the calibration that each concept of a study is decided by.

    Raises:
        SettingsError: only some of a concept's prompts are asked.
    """
    return _keys_in(study, pipeline.taught or AdaptedEncoder.of(pipeline.encoder), view)


def _keys_in(study: Study, taught: AdaptedEncoder, view: View) -> Iterator[ScoringKey]:
    if study.settings.texts != "all":
        raise SettingsError("calibrations are of all prompts of a concept: they need settings of texts=all")
    # a calibration is of one way of showing; where the settings' window does not fit, the pipeline says so
    view, _ = with_window(view, study.image, study.settings.window)
    for concept in study.asked:
        with taught.encoder(taught.route(concept.id)) as encoder:
            asked = taught.asked.get(concept.id)
            yield scoring_key(encoder, concept, study.kind, settings=study.settings.presence, view=view, asked=asked)


def _own_rule(pipeline: Pipeline) -> PresenceRule | None:
    return None if isinstance(pipeline.rule, StudyRules) else pipeline.rule


def segment(
    source: str | Path | Image,
    *,
    prompts: Iterable[str] = (),
    concepts: Iterable[str | Path | Concept] = (),
    model: str | Pipeline = "small",
    view: View | None = None,
    settings: SegmentationSettings | None = None,
    device: str = "auto",
    site: str | None = None,
) -> StudyResult:
    """Segment findings, named in words, on one study; the same as the command `medkt segment`.

    Args:
        source: a path (see `medkt.read_image`) or an image.
        prompts: free texts.
        concepts: names of concepts, YAML files, concepts, or `.medkt` files of learnt ones; a name that several modalities
            share means that of the study's.
        model: an encoder's name or weights file; a `Pipeline` where several studies follow each other.
        view: modality, window, axis and step, where the domain's choice is not wanted.
        settings: of the steps; None takes the defaults.
        device: see `Pipeline.load`.
        site: decide by the calibrations of this site (`medkt calibrate` makes them) and not by the threshold; None takes the
            pipeline's rule. The presence of a finding is then a `CalibratedPresence`.

    Raises:
        SettingsError: neither a prompt nor a concept, or the site has no calibration for one.
        MedktError: from the steps.
    """
    names, texts = several_of(concepts), several_of(prompts)
    if not names and not texts:
        raise SettingsError("say what to look for: prompts=[...] or concepts=[...]")
    pipeline = model if isinstance(model, Pipeline) else Pipeline.load(model, device=device, settings=settings)
    if packages := [one for one in names if is_package(one)]:
        pipeline = pipeline.with_packages([*(pipeline.taught.packages if pipeline.taught else ()), *packages])
    if site is not None:
        pipeline = replace(pipeline, rule=SiteCalibrations(site=site, otherwise=_own_rule(pipeline)))
    wanted = wanted_in(names, texts, taught=pipeline.taught, modality=view.modality if view else None)
    if isinstance(source, Image):
        return pipeline.segment(source, wanted, view=view)
    return pipeline.segment_file(Path(source), wanted, view=view)
