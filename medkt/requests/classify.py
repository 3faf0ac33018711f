"""`classify`: which of several findings, named in words, fits a study best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.listener import SILENT, Listener
from medkt.requests.models import DEVICE, ENCODER, GuardOptions, ThreadOptions, is_guarded, use_threads
from medkt.requests.option import Option, requested
from medkt.requests.published import PublishedOptions, settled, standing_of
from medkt.requests.reading import ReadingOptions, image_of, in_turn, modality_of, view_of
from medkt.requests.words import LearntWordOptions, packages_of, wanted_of

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.concepts import Concept
    from medkt.errors import MedktError
    from medkt.pipeline import Classification
    from medkt.segmentation.zero_shot import ClassSettings
    from medkt.transfer.packages import AdaptedEncoder

RULE = Option(
    "how prompts become a share: default (their mean direction), largest or mean (over their cosines), medclip or "
    "medclip-ensemble (the same as MedCLIP's own classifier has it, on MedCLIP alone), phrases (each phrase where in the "
    "picture it fits: for sentences of two lesions and denials; the small model alone)",
    metavar="NAME",
    told=True,
)


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions(PublishedOptions):
    """Which encoder, and by which rule."""

    model: Annotated[str, Option(ENCODER, short="-m")] = "small"
    device: Annotated[str, Option(DEVICE, short="-d")] = "auto"
    rule: Annotated[str, RULE] = "default"


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest(LearntWordOptions, ReadingOptions, ClassifierOptions, ThreadOptions, GuardOptions):
    """Which studies."""

    input: Annotated[
        tuple[Path, ...],
        Option("as for `medkt segment`; several are done one after another", short="-i", metavar="STUDY"),
    ]
    no_normal: Annotated[bool, Option("compare the findings with each other only, not with a normal study")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedStudy:
    """What became of one study.

    Attributes:
        path: of the study.
        result: the scores; None where it failed.
        failure: why it failed; None where it did not.
        as_published: how the settings stand to a published way; empty where none was asked for.
    """

    path: Path
    result: "Classification | None" = None
    failure: "MedktError | None" = None
    as_published: Mapping[str, Any] = field(default_factory=dict)


def classify_studies(
    request: ClassifyRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> tuple[ClassifiedStudy, ...]:
    """Score studies against findings, one after another.

    Args:
        request: what is asked for.
        listener: is told how it goes on.
        **options: fields of the request by name, in its place or over it.

    Returns:
        What became of each study; one that fails among several stands there with its error.

    Raises:
        SettingsError: options that do not go together.
        MedktError: nothing can be begun, or the only study fails.
    """
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device
    from medkt.pipeline.words import require_words
    from medkt.saliency import TextFeatureCache, texts_kept
    from medkt.transfer.packages import AdaptedEncoder

    request, stands = standing_of_classification(requested(ClassifyRequest, request, options))
    settings = rule_of(request.rule)
    wanted = wanted_of(request, modality_of(request))
    use_threads(request)
    encoder = load_encoder(request.model, device=resolve_device(request.device))
    taught = AdaptedEncoder.of(encoder, packages_of(request), together=request.together)
    require_words(wanted, encoder)
    kept = TextFeatureCache()

    def classified(_: int, path: Path) -> ClassifiedStudy:
        with texts_kept(kept):
            result = _classified(path, wanted, taught, settings, request, listener)
        return ClassifiedStudy(path=path, result=result, as_published=stands.as_json())

    return in_turn(request.input, classified, ClassifiedStudy, listener)


def standing_of_classification(request: ClassifyRequest) -> "tuple[ClassifyRequest, Standing]":
    """The request as it would be carried out, and every setting with where it is from."""
    request = settled(request, "classify", "classification")
    own = {"no_normal": False, "window": None}
    return request, standing_of(request, "classify", "classification", rule_of(request.rule), own=own)


def rule_of(rule: str) -> "ClassSettings":
    """The settings of the rule by which classes are told apart."""
    from medkt.config import resolve
    from medkt.segmentation.zero_shot import ClassSettings

    return resolve(ClassSettings, preset=rule, folder="classification")


def _classified(
    path: Path,
    wanted: "tuple[Concept | str | Path, ...]",
    taught: "AdaptedEncoder",
    settings: "ClassSettings",
    request: ClassifyRequest,
    listener: Listener,
) -> "Classification":
    from medkt.errors import InputError
    from medkt.pipeline import classify

    image = image_of(request, path)
    try:
        with listener.progress(path.name) as tick:
            return classify(
                image, concepts=wanted, model=taught, view=view_of(request), normal=not request.no_normal, settings=settings,
                guarded=is_guarded(request), progress=tick,
            )  # fmt: skip
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
