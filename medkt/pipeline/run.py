"""The models, loaded once, and any number of studies through them."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from medkt.bounds import several_of
from medkt.concepts import Concept, Package
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.facts import ModelFacts, TaughtFacts
from medkt.guard import default_guard
from medkt.io import read_image
from medkt.io.mask_choice import MaskChoice
from medkt.io.masks import read_chosen, require_held
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.pipeline.answer import StudyAnswers
from medkt.pipeline.cover import held_to_size
from medkt.pipeline.load import resolve_device, segmenter_with_facts
from medkt.pipeline.look import View, shown_plane, spacing_in_mm
from medkt.pipeline.result import StudyResult, encoder_facts, finding_of, score_finding, too_small
from medkt.pipeline.study import Study, StudyRules, study_of
from medkt.pipeline.words import require_words, texts_of
from medkt.presence import Guard, PresenceRule, TappingGuard
from medkt.presence.normals import Normals, default_normals
from medkt.progress import Progress
from medkt.segmentation.presence import ThresholdRule
from medkt.segmentation.segmenter import Segmenter
from medkt.segmentation.slicewise import ConceptResult, SegmentationSettings, segment_planes
from medkt.spatial import Image, Mask
from medkt.transfer.packages import AdaptedEncoder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pipeline:
    """The models, loaded once, and the settings; any number of studies goes through.

    Attributes:
        encoder: as it was loaded.
        segmenter, segmenter_facts: the segmenter, and which it is.
        settings, preset: of the steps, and the name under which they are recorded.
        as_published: for the record, how they stand to a published way; empty where none was asked for.
        taught: the learnt concepts over that encoder; None for none.
        rule: who decides what is there, in all studies alike or by what is asked of each (a site's calibrations:
            `medkt.calibration.SiteCalibrations`); None for the threshold of the settings.
        guard: who may hold an answer back; None for nobody.
        normals: studies without a finding that the encoder as loaded has seen; None where none ship with it.
    """

    encoder: DualEncoder
    segmenter: Segmenter
    segmenter_facts: ModelFacts
    settings: SegmentationSettings = field(default_factory=SegmentationSettings)
    preset: str = "default"
    as_published: Mapping[str, Any] = field(default_factory=dict)
    taught: AdaptedEncoder | None = None
    rule: PresenceRule | StudyRules | None = None
    guard: Guard | None = None
    normals: Normals | None = None

    @classmethod
    def load(
        cls,
        model: str = "small",
        *,
        segmenter: str | None = None,
        device: str = "auto",
        settings: SegmentationSettings | None = None,
        preset: str = "default",
        as_published: Mapping[str, Any] | None = None,
        packages: Iterable[str | Path | Package] = (),
        together: bool = False,
        rule: PresenceRule | StudyRules | None = None,
        guarded: bool = True,
        guard: Guard | None = None,
    ) -> "Pipeline":
        """Load an encoder and a segmenter by name or from files of the user's.

        Args:
            model: the encoder.
            segmenter: None takes that which goes with the encoder: "small" with the small one, else mostly "sam-vit-b".
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            settings: None takes the defaults.
            preset: the name under which the settings are recorded.
            as_published: for the record, as `medkt.as_published.Standing.as_json` gives it.
            packages: `.medkt` files of learnt concepts, as for `with_packages`.
            together: see there.
            rule: who decides; see the attributes.
            guarded: whether an answer may be held back at all.
            guard: who may; None takes the encoder's own (`medkt.guard.default_guard`).

        Raises:
            UnknownNameError, WeightsError, MissingDependencyError: from loading.
            SettingsError: the device does not exist here.
        """
        where = resolve_device(device)
        encoder = load_encoder(model, device=where)
        name = segmenter or encoder.spec.segmenter
        loaded, facts = segmenter_with_facts(name, where)
        return cls(
            encoder=encoder, segmenter=loaded, segmenter_facts=facts,
            settings=settings or SegmentationSettings(), preset=preset, as_published=as_published or {}, rule=rule,
            guard=(guard or default_guard(encoder)) if guarded else None, normals=default_normals(encoder),
        ).with_packages(packages, together=together)  # fmt: skip

    def with_packages(self, packages: Iterable[str | Path | Package], *, together: bool = False) -> "Pipeline":
        """The same models with learnt concepts, in place of those that it had.

        A concept of a package is asked of the encoder that was taught it, by its id or name too; every other concept and
        every free text of the encoder as it was loaded, which stays as it is.

        Args:
            packages: `.medkt` files, or packages.
            together: sum what was learnt for several concepts into one encoder; a warning says how they meet.

        Raises:
            WeightsError: a package belongs to another model.
            MedktError: as `medkt.concepts.read_package`.
        """
        held = several_of(packages)
        return replace(self, taught=AdaptedEncoder.of(self.encoder, held, together=together) if held else None)

    def segment_file(
        self,
        path: Path,
        concepts: Iterable[Concept | str | Path],
        *,
        view: View | None = None,
        series: str | None = None,
        volume: int | str | None = None,
        regrid: bool = False,
        allow_incomplete: bool = False,
        check: Callable[[Image], None] | None = None,
        before: Callable[[Study], None] | None = None,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Read a study and segment it; `series` to `allow_incomplete` are those of `medkt.read_image`.

        `check` is called with the image before anything is computed; what it raises ends the work. `before` as for `segment`.
        """
        wanted = several_of(concepts)
        require_words(wanted, self.encoder)
        began = time.perf_counter()
        image = read_image(path, series=series, volume=volume, regrid=regrid, allow_incomplete=allow_incomplete)
        seconds = time.perf_counter() - began
        try:
            if check is not None:
                check(image)
            result = self.segment(image, wanted, view=view, before=before, progress=progress)
        except (InputError, NumericalError) as error:
            raise type(error)(f"{path}: {error}") from error
        return replace(result, seconds={"read": seconds, **result.seconds})

    def segment(
        self,
        image: Image,
        concepts: Iterable[Concept | str | Path],
        *,
        view: View | None = None,
        before: Callable[[Study], None] | None = None,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Look for several concepts in one study; a name that several modalities share means that of the study's.

        `before` is told what is asked of the study before a model computes anything.

        Raises:
            AmbiguousInputError: the image does not say its modality and neither does `view`.
            UnknownNameError: a concept is given by a name that nothing has.
            InputError: nothing to look at, a concept of another modality, an unusable image, or a text of which the
                encoder knows no word.
            SettingsError: nothing is asked for.
            NumericalError: a step gave NaN.
        """
        wanted = several_of(concepts)
        if not wanted:
            raise SettingsError("say what to look for: at least one concept")
        began = time.perf_counter()
        taught = self.taught or AdaptedEncoder.of(self.encoder)
        study = study_of(taught, image, wanted, self.settings, view)
        kind, settings, looks = study.kind, study.settings, study.looks
        if before is not None:
            before(study)
        rule = self._rule_for(study, taught, view or View())
        texts = {one.id: texts_of(kind, one, settings.texts, taught.asked.get(one.id)) for one in study.asked}
        prepared = time.perf_counter()
        found: dict[str, ConceptResult] = {}
        facts: list[TaughtFacts] = []
        for route, of_route in groupby(study.groups(taught), key=lambda group: group[0]):
            with taught.encoder(route) as encoder:
                groups = list(of_route)
                together = [concept.id for _, _, group in groups for concept in group]
                facts += taught.facts(route, together, encoder)
                for _, window, group in groups:
                    looked = looks[window]
                    asked = [(concept, texts[concept.id]) for concept in group]
                    tap = self.guard.tap(encoder) if isinstance(self.guard, TappingGuard) else None
                    decide = StudyAnswers(
                        rule=rule, guard=self.guard,
                        settings=settings.presence, encoder=encoder, image=image, kind=kind, looked=looked, asked=asked,
                        normals=self.normals, tapped=tap,
                    )  # fmt: skip
                    results = segment_planes(
                        encoder, self.segmenter, looked.positions, partial(shown_plane, image, looked),
                        [words for _, words in asked], settings, spacing_mm=spacing_in_mm(image, looked.planes), decide=decide,
                        tap=tap, progress=progress,
                    )  # fmt: skip
                    found.update(held_to_size(results, group, self.guard, image, kind, looked))
        done = time.perf_counter()
        findings = tuple(
            finding_of(
                image,
                looks[kind.window_for(c)],
                c,
                texts[c.id],
                found[c.id],
                tuple(study.noted[c.id]),
            )
            for c in study.asked
        )
        warnings = list(study.warnings)
        warnings += [warning for looked in looks.values() for warning in looked.intensity.warnings]
        warnings += [f"{f.concept.name}: {w}" for f in findings for w in (*f.found.warnings, *too_small(f))]
        warnings += [f.found.presence.reason for f in findings if not f.found.presence.claims]
        return StudyResult(
            image=image, domain=kind, findings=findings, settings=settings, preset=self.preset, as_published=self.as_published,
            guard=None if self.guard is None else self.guard.facts, encoder=encoder_facts(self.encoder, facts), segmenter=self.segmenter_facts,
            warnings=tuple(dict.fromkeys(warnings)),
            seconds={"prepare": prepared - began, "models": done - prepared, "measure": time.perf_counter() - done},
        )  # fmt: skip

    def _rule_for(self, study: Study, taught: AdaptedEncoder, view: View) -> PresenceRule:
        if isinstance(self.rule, StudyRules):
            return self.rule.rule_for(study, taught, view)
        return self.rule or ThresholdRule(settings=study.settings.presence)

    def score(self, result: StudyResult, reference: Path, choice: MaskChoice | None = None) -> StudyResult:
        """The same result with DSC, NSD and IoU of its only finding against a reference mask; `choice` of its labels.

        Raises:
            InputError: the reference is no mask, or does not hold the label; see `medkt.io.read_mask`.
            SettingsError: the result has several findings.
            GeometryMismatchError: the reference lies on another grid.
        """
        if len(result.findings) != 1:
            raise SettingsError(f"a reference goes with one finding, the result has {len(result.findings)}")
        (finding,) = result.findings
        mask = reference_of(result.image, reference, choice or MaskChoice())
        case = score_finding(result, finding, mask)
        return replace(result, findings=(replace(finding, case=case, reference=mask),))


def reference_of(image: Image, reference: Path, choice: MaskChoice) -> Mask:
    """The mask in a file that a study is scored against, on the study's grid."""
    return require_held(read_chosen(reference, choice, like=image), choice, str(reference))
