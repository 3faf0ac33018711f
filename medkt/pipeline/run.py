"""The models, loaded once, and any number of studies through them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from medkt.concepts import Concept, Package
from medkt.domains import Domain, check_plausible
from medkt.errors import InputError, NumericalError, SettingsError
from medkt.io import read_image
from medkt.io.mask_choice import MaskChoice
from medkt.io.masks import read_chosen, require_held
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.pipeline.load import resolve_device, segmenter_with_facts
from medkt.pipeline.look import View, look_at, shown_plane, spacing_in_mm, windows_of, with_window
from medkt.pipeline.result import ModelFacts, StudyResult, encoder_facts, finding_of, score_finding, too_small
from medkt.pipeline.words import (
    asked_of,
    contradicted,
    domain_of,
    is_learnt,
    misplaced,
    require_words,
    sentences_of,
    texts_of,
    wanted_in,
    word_notes,
)  # fmt: skip
from medkt.segmentation.segmenter import Segmenter
from medkt.segmentation.slicewise import ConceptResult, SegmentationSettings, segment_planes
from medkt.spatial import Image, Mask
from medkt.transfer.packages import Taught, TaughtFacts, is_package

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pipeline:
    """The models, loaded once, and the settings; any number of studies goes through.

    Attributes:
        encoder: as it was loaded.
        segmenter, segmenter_facts: the segmenter, and which it is.
        settings, preset: of the steps, and the name under which they are recorded.
        taught: the learnt concepts over that encoder; None for none.
    """

    encoder: DualEncoder
    segmenter: Segmenter
    segmenter_facts: ModelFacts
    settings: SegmentationSettings = field(default_factory=SegmentationSettings)
    preset: str = "default"
    taught: Taught | None = None

    @classmethod
    def load(
        cls,
        model: str = "small",
        *,
        segmenter: str | None = None,
        device: str = "auto",
        settings: SegmentationSettings | None = None,
        preset: str = "default",
        packages: Sequence[str | Path | Package] = (),
        together: bool = False,
    ) -> "Pipeline":
        """Load an encoder and a segmenter by name or from files of the user's.

        Args:
            model: the encoder.
            segmenter: None takes "small" beside the small encoder, "sam-vit-b" beside the others.
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            settings: None takes the defaults.
            preset: the name under which the settings are recorded.
            packages: `.medkt` files of learnt concepts, as for `with_packages`.
            together: see there.

        Raises:
            UnknownNameError, WeightsError, MissingDependencyError: from loading.
            SettingsError: the device does not exist here.
        """
        where = resolve_device(device)
        encoder = load_encoder(model, device=where)
        name = segmenter or ("small" if encoder.spec.family == "small" else "sam-vit-b")
        loaded, facts = segmenter_with_facts(name, where)
        return cls(
            encoder=encoder, segmenter=loaded, segmenter_facts=facts,
            settings=settings or SegmentationSettings(), preset=preset,
        ).with_packages(packages, together=together)  # fmt: skip

    def with_packages(self, packages: Sequence[str | Path | Package], *, together: bool = False) -> "Pipeline":
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
        return replace(self, taught=Taught.of(self.encoder, packages, together=together) if packages else None)

    def segment_file(
        self,
        path: Path,
        concepts: Sequence[Concept | str | Path],
        *,
        view: View | None = None,
        series: str | None = None,
        volume: int | str | None = None,
        regrid: bool = False,
        allow_incomplete: bool = False,
        check: Callable[[Image], None] | None = None,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Read a study and segment it; `series` to `allow_incomplete` are those of `medkt.read_image`.

        `check` is called with the image before anything is computed; what it raises ends the work.
        """
        require_words(concepts, self.encoder)
        began = time.perf_counter()
        image = read_image(path, series=series, volume=volume, regrid=regrid, allow_incomplete=allow_incomplete)
        seconds = time.perf_counter() - began
        try:
            if check is not None:
                check(image)
            result = self.segment(image, concepts, view=view, progress=progress)
        except (InputError, NumericalError) as error:
            raise type(error)(f"{path}: {error}") from error
        return replace(result, seconds={"read": seconds, **result.seconds})

    def segment(
        self,
        image: Image,
        concepts: Sequence[Concept | str | Path],
        *,
        view: View | None = None,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Look for several concepts in one study; a name that several modalities share means that of the study's.

        Raises:
            AmbiguousInputError: the image does not say its modality and neither does `view`.
            UnknownNameError: a concept is given by a name that nothing has.
            InputError: nothing to look at, a concept of another modality, an unusable image, or a text of which the
                encoder knows no word.
            NumericalError: a step gave NaN.
        """
        began = time.perf_counter()
        view, shown = with_window(view or View(), image, self.settings.window)
        taught = self.taught or Taught.of(self.encoder)
        kind = domain_of(image, view, [one for one in concepts if not is_learnt(taught, one)])
        asked = asked_of(taught, concepts, kind)
        settings = settled(self.settings, kind, self.encoder)
        warnings = [
            *image.provenance.warnings,
            *shown,
            *check_plausible(image, kind),
            *misplaced(asked, kind),
            *contradicted(asked, image, kind),
        ]
        require_words(asked, self.encoder)
        noted = {concept.id: word_notes(self.encoder, concept, kind) for concept in asked}
        warnings += [said for concept in asked for said in sentences_of(concept, noted[concept.id])]
        warnings += meeting(taught, asked)
        looks = {window: look_at(image, kind, view, window=window) for window in windows_of(kind, asked)}
        prepared = time.perf_counter()
        found: dict[str, ConceptResult] = {}
        facts: list[TaughtFacts] = []
        for route, of_route in _routes(taught, asked).items():
            with taught.encoder(route) as encoder:
                facts += [taught.facts(route, [concept.id for concept in of_route], encoder)] if route else []
                for window in windows_of(kind, of_route):
                    group = [concept for concept in of_route if kind.window_for(concept) == window]
                    looked = looks[window]
                    results = segment_planes(
                        encoder, self.segmenter, looked.positions, partial(shown_plane, image, looked),
                        [texts_of(kind, concept) for concept in group], settings,
                        spacing_mm=spacing_in_mm(image, looked.planes), progress=progress,
                    )  # fmt: skip
                    found.update({result.concept: result for result in results})
        done = time.perf_counter()
        findings = tuple(
            finding_of(image, looks[kind.window_for(c)], c, texts_of(kind, c), found[c.id], tuple(noted[c.id]))
            for c in asked
        )
        warnings += [warning for looked in looks.values() for warning in looked.intensity.warnings]
        warnings += [f"{f.concept.name}: {w}" for f in findings for w in (*f.found.warnings, *too_small(f))]
        return StudyResult(
            image=image, domain=kind, findings=findings, settings=settings, preset=self.preset,
            encoder=encoder_facts(self.encoder, facts), segmenter=self.segmenter_facts,
            warnings=tuple(dict.fromkeys(warnings)),
            seconds={"prepare": prepared - began, "models": done - prepared, "measure": time.perf_counter() - done},
        )  # fmt: skip

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


def segment(
    source: str | Path | Image,
    *,
    prompts: Sequence[str] = (),
    concepts: Sequence[str | Path | Concept] = (),
    model: str | Pipeline = "small",
    view: View | None = None,
    settings: SegmentationSettings | None = None,
    device: str = "auto",
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

    Raises:
        SettingsError: neither a prompt nor a concept.
        MedktError: from the steps.
    """
    if not concepts and not prompts:
        raise SettingsError("say what to look for: prompts=[...] or concepts=[...]")
    pipeline = model if isinstance(model, Pipeline) else Pipeline.load(model, device=device, settings=settings)
    if packages := [one for one in concepts if is_package(one)]:
        pipeline = pipeline.with_packages([*(pipeline.taught.packages if pipeline.taught else ()), *packages])
    wanted = wanted_in(concepts, prompts, taught=pipeline.taught, modality=view.modality if view else None)
    if isinstance(source, Image):
        return pipeline.segment(source, wanted, view=view)
    return pipeline.segment_file(Path(source), wanted, view=view)


def settled(settings: SegmentationSettings, kind: Domain, encoder: DualEncoder) -> SegmentationSettings:
    """Settings with what they leave open filled in: from the domain, then from the encoder."""
    m2ib, own = settings.m2ib, kind.saliency
    layers = (m2ib.layer, own.layer, encoder.spec.default_layer)
    beta = own.beta if m2ib.beta is None else m2ib.beta
    return replace(settings, m2ib=replace(m2ib, beta=beta, layer=next(k for k in layers if k is not None)))


def _routes(taught: Taught, concepts: Iterable[Concept]) -> Mapping[str, list[Concept]]:
    """The concepts by the encoder that they are asked of."""
    routes: dict[str, list[Concept]] = {}
    for concept in concepts:
        routes.setdefault(taught.route(concept.id), []).append(concept)
    return routes


def meeting(taught: Taught, asked: Iterable[Concept]) -> tuple[str, ...]:
    return taught.notes if any(taught.route(concept.id) for concept in asked) else ()
