"""How a finding is taught, and the user's studies that take part."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from medkt.requests.listener import Listener
from medkt.requests.option import Option
from medkt.requests.published import PublishedOptions

if TYPE_CHECKING:
    from medkt.audit.probe import Probe
    from medkt.concepts import Concept
    from medkt.domains import Domain
    from medkt.learning.own_studies import Folders, OwnStudies
    from medkt.models.encoder import DualEncoder
    from medkt.pipeline.studies import StudyFolder
    from medkt.transfer.learn_settings import LearnSettings

PRESET_OF = {"images": "fast", "local": "local"}
LearnWay = Literal["images", "local", "text"]
DEFAULT: LearnWay = "images"


@dataclass(frozen=True, kw_only=True)
class TeachingOptions(PublishedOptions):
    """How it is taught, and on which studies."""

    how: Annotated[
        LearnWay | None,
        Option(
            "local: the model is trained on lesions made from the words inside normal studies, and rehearses studies with lesions; images: on "
            "whole images made from the words; text: nothing is trained, and the package says how the words are asked best and from which lead "
            f"on the finding is seen; seconds (default: {DEFAULT}, or as the preset says)"
        ),
    ] = None
    normals: Annotated[
        Path | None,
        Option(
            "studies of your own without any finding, a file or a folder (DICOM series) each, or a manifest: on them it is set from which "
            "lead on the finding is seen, in place of drawn ones; 19 or more. With --how local lesions are made inside them, too",
            metavar="DIR",
        ),
    ] = None
    rehearse: Annotated[
        Path | None,
        Option(
            "studies of your own of the usual mixture, of which nobody says what they show; used as --normals, in place of drawn known "
            "findings. With --how local what the model knows is held on them: 100 to 200, with lesions among them",
            metavar="DIR",
        ),
    ] = None
    images: Annotated[
        Path | None,
        Option(
            "studies of your own that show the finding, a file or a folder (DICOM series) each, or a manifest: they are learned from in place "
            "of lesions made from words (with --how local)",
            metavar="DIR",
        ),
    ] = None
    pool: Annotated[
        Path | None,
        Option(
            "studies of your own of which some may show the finding: those that stand out when asked for by the description are learned from, "
            "16 at most, the others rehearsed; refused where nothing stands out (with --how local)",
            metavar="DIR",
        ),
    ] = None
    dreamt_rehearsal: Annotated[
        bool,
        Option(
            "teach a published encoder without --rehearse: what it knows is held on images that were drawn or made from words alone"
        ),
    ] = False
    preset: Annotated[
        str,
        Option(
            "local, fast, quick, kt-paper, kt-code or kt-medclip (default: as --how says)", metavar="NAME", told=True
        ),
    ] = "fast"
    settings: Annotated[Path | None, Option("a file of settings over the preset", metavar="YAML")] = None
    set: Annotated[
        tuple[str, ...], Option("one setting, such as inversion.steps=50", metavar="KEY=VALUE", each=True)
    ] = ()


TeachingOptionsT = TypeVar("TeachingOptionsT", bound=TeachingOptions)


def taught_how(request: TeachingOptionsT) -> TeachingOptionsT:
    """With the preset that a way of teaching means, where none was given; a preset that was given says how itself.

    Raises:
        SettingsError: both were given and do not agree.
    """
    from medkt.config import read_preset
    from medkt.errors import SettingsError

    if request.gives("preset") or request.as_published is not None:
        says: LearnWay = read_preset(request.preset, "learn").get("how", "images")
        if request.how is not None and request.how != says:
            raise SettingsError(
                f"--how {request.how} and the preset {request.preset}, which teaches by {says}, do not go together; give one of the two"
            )
        return replace(request, how=says)
    asks_for_lesions = request.images is not None or request.pool is not None
    how: LearnWay = request.how or ("local" if asks_for_lesions else DEFAULT)
    return replace(request, how=how, preset=PRESET_OF.get(how, request.preset))


def require_own_fit(request: TeachingOptions, settings: "LearnSettings") -> None:
    """That studies are given only where they do something.

    Raises:
        SettingsError: some are not; the option is named.
    """
    from medkt.errors import SettingsError

    if settings.how != "local":
        given = [f"--{name}" for name in ("images", "pool") if getattr(request, name) is not None]
        if given:
            raise SettingsError(f"{given[0]} is for --how local; this learning is by {settings.how}")
    if request.images is not None and request.pool is not None:
        raise SettingsError("--images and --pool are two ways to learn from studies of your own; give one of them")
    if settings.augment.copies and request.images is None and request.pool is None:
        raise SettingsError(
            "augment.copies: studies that show the finding are changed, and none are given; say --images or --pool, or leave it out"
        )


def require_rehearsal(request: TeachingOptions, encoder: "DualEncoder", settings: "LearnSettings") -> None:
    """That a published encoder has studies to rehearse, or the user's word that it need not.

    Raises:
        SettingsError: it has none.
    """
    from medkt.errors import SettingsError

    published = request.as_published is not None or (settings.how == "images" and not settings.rehearsal_images)
    has = request.rehearse is not None and settings.how == "local"
    if encoder.spec.drawn or published or has or request.pool is not None or request.dreamt_rehearsal:
        return
    raise SettingsError(
        f"{encoder.spec.name}: this encoder needs studies to rehearse, or it forgets what it knows of patients: give 100 to 200 unlabelled "
        "studies of the usual mixture with --how local --rehearse DIR; or ask without training (--how text); or take a published way "
        "(--as-published); or say --dreamt-rehearsal to teach it all the same"
    )


def studies_of(request: TeachingOptions, kind: "Domain", concept: "Concept") -> "dict[str, StudyFolder]":
    """The user's studies that a lead is set on, by the option's name; checked for being there.

    Raises:
        InputError: there is no such folder or manifest, or nothing in it.
    """
    from medkt.pipeline.studies import StudyFolder

    named = {"normals": request.normals, "rehearse": request.rehearse}
    return {name: StudyFolder.of(path, kind, concept) for name, path in named.items() if path is not None}


def folders_of(
    request: TeachingOptions, kind: "Domain", concept: "Concept", shown: "Mapping[str, StudyFolder] | None" = None
) -> "Folders":
    """What is read, checked for being there.

    Args:
        request: what is asked for.
        kind: how studies are shown.
        concept: whose window is used.
        shown: those that a lead is set on, from `studies_of`; what is read of the same folders are they, unless they are more than are read.

    Raises:
        InputError: there is no such folder or manifest, or nothing in it.
    """
    from medkt.learning.own_studies import Folders, at_most
    from medkt.pipeline.studies import StudyFolder

    named = {name: getattr(request, name) for name in ("normals", "rehearse", "images", "pool")}
    given = {name: path for name, path in named.items() if path is not None}
    held = shown or {}
    found = {name: held[name] if name in held else StudyFolder.of(path, kind, concept) for name, path in given.items()}
    return Folders(**{name: at_most(one) for name, one in found.items()})


def read_for(
    request: TeachingOptions,
    encoder: "DualEncoder",
    concept: "Concept",
    kind: "Domain",
    settings: "LearnSettings",
    probe: "Probe | None",
    listener: Listener,
    shown: "Mapping[str, StudyFolder]",
) -> "OwnStudies | None":
    """The studies that a learning by lesions looks at; None where there are none, or it looks at none; `shown` as for `folders_of`."""
    from medkt.learning.own_studies import read_own
    from medkt.transfer.vocabulary import vocabulary_of

    folders = folders_of(request, kind, concept, shown)
    if settings.how != "local" or not any(True for _ in folders.named()):
        return None
    with listener.progress("reading studies") as tick:
        return read_own(
            encoder, concept, kind, folders, drawn=vocabulary_of(concept, kind).drawn,
            exam=None if probe is None else probe.fingerprints, progress=tick,
        )  # fmt: skip
