"""`medkt learn`: how a finding is taught, and the user's studies that take part."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medkt.audit.probe import Probe
    from medkt.concepts import Concept
    from medkt.domains import Domain
    from medkt.learning.own import Folders, Own
    from medkt.models.encoder import DualEncoder
    from medkt.transfer.learn_settings import LearnSettings

HOWS = ("images", "local", "text")
PRESET_OF = {"images": "fast", "local": "local"}
DEFAULT = "images"


def add_studies(parser: argparse.ArgumentParser) -> None:
    """`--images`, `--pool` and `--dreamt-rehearsal`, beside `--normals` and `--rehearse`."""
    parser.add_argument(
        "--images", type=Path, metavar="DIR",
        help="studies of your own that show the finding, a file or a folder (DICOM series) each, or a manifest: they are learned from in place "
        "of lesions made from words (with --how local)",
    )  # fmt: skip
    parser.add_argument(
        "--pool", type=Path, metavar="DIR",
        help="studies of your own of which some may show the finding: those that stand out when asked for by the description are learned from, "
        "16 at most, the others rehearsed; refused where nothing stands out (with --how local)",
    )  # fmt: skip
    parser.add_argument(
        "--dreamt-rehearsal", action="store_true",
        help="teach a published encoder without --rehearse: what it knows is held on images that were drawn or made from words alone",
    )  # fmt: skip


def settle_how(arguments: argparse.Namespace) -> None:
    """The preset that a way of teaching means, where none was given; a preset that was given says how itself.

    Raises:
        SettingsError: both were given and do not agree; or studies for a way that looks at none.
    """
    from medkt.config import read_preset
    from medkt.errors import SettingsError

    named = "preset" in getattr(arguments, "given", ()) or arguments.as_published is not None
    if named:
        says = read_preset(arguments.preset, "learn").get("how", "images")
        if arguments.how is not None and arguments.how != says:
            raise SettingsError(
                f"--how {arguments.how} and the preset {arguments.preset}, which teaches by {says}, do not go together; give one of the two"
            )
        arguments.how = str(says)
        return
    asks_for_lesions = arguments.images is not None or arguments.pool is not None
    arguments.how = arguments.how or ("local" if asks_for_lesions else DEFAULT)
    arguments.preset = PRESET_OF.get(arguments.how, arguments.preset)


def require_own_fit(arguments: argparse.Namespace, settings: "LearnSettings") -> None:
    """That studies are given only where they do something.

    Raises:
        SettingsError: some are not; the option is named.
    """
    from medkt.errors import SettingsError

    if settings.how != "local":
        given = [f"--{name}" for name in ("images", "pool") if getattr(arguments, name) is not None]
        if given:
            raise SettingsError(f"{given[0]} is for --how local; this learning is by {settings.how}")
    if arguments.images is not None and arguments.pool is not None:
        raise SettingsError("--images and --pool are two ways to learn from studies of your own; give one of them")


def require_rehearsal(arguments: argparse.Namespace, encoder: "DualEncoder", settings: "LearnSettings") -> None:
    """That a published encoder has studies to rehearse, or the user's word that it need not.

    Raises:
        SettingsError: it has none.
    """
    from medkt.errors import SettingsError

    published = arguments.as_published is not None or (settings.how == "images" and not settings.rehearsal_images)
    has = arguments.rehearse is not None and settings.how == "local"
    if encoder.spec.family == "small" or published or has or arguments.pool is not None or arguments.dreamt_rehearsal:
        return
    raise SettingsError(
        f"{encoder.spec.name}: this encoder needs studies to rehearse, or it forgets what it knows of patients: give 100 to 200 unlabelled "
        "studies of the usual mixture with --how local --rehearse DIR; or ask without training (--how text); or take a published way "
        "(--as-published); or say --dreamt-rehearsal to teach it all the same"
    )


def folders_of(arguments: argparse.Namespace, kind: "Domain", concept: "Concept") -> "Folders":
    """What is read, checked for being there.

    Raises:
        InputError: there is no such folder or manifest, or nothing in it.
    """
    from medkt.learning.own import Folders, at_most
    from medkt.pipeline.studies import StudyFolder

    named = {name: getattr(arguments, name) for name in ("normals", "rehearse", "images", "pool")}
    found = {name: StudyFolder.of(path, kind, concept) for name, path in named.items() if path is not None}
    return Folders(**{name: at_most(one) for name, one in found.items()})


def read_for(
    arguments: argparse.Namespace,
    encoder: "DualEncoder",
    concept: "Concept",
    kind: "Domain",
    settings: "LearnSettings",
    probe: "Probe | None",
) -> "Own | None":
    """The studies that a learning by lesions looks at; None where there are none, or it looks at none."""
    from medkt.cli.segment import progress
    from medkt.learning.own import read_own
    from medkt.transfer.vocabulary import vocabulary_of

    folders = folders_of(arguments, kind, concept)
    if settings.how != "local" or not any(True for _ in folders.named()):
        return None
    quiet = arguments.quiet or arguments.json
    with progress(quiet, "reading studies") as tick:
        return read_own(
            encoder, concept, kind, folders, drawn=vocabulary_of(concept, kind).drawn,
            exam=None if probe is None else probe.fingerprints, progress=tick,
        )  # fmt: skip
