"""`medkt learn`: from a description to a small file that makes a model see the finding."""

import argparse
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medkt.cli.ahead import Stages
from medkt.cli.dry_run import add_dry_run, say_plan
from medkt.cli.from_prose import is_prose, taught
from medkt.cli.learn_studies import (
    DEFAULT,
    HOWS,
    add_studies,
    folders_of,
    read_for,
    require_own_fit,
    require_rehearsal,
    settle_how,
)  # fmt: skip
from medkt.cli.learn_text import run_text, studies_of, telling
from medkt.cli.outputs import add_output, require_output
from medkt.cli.published import Given, add_as_published, settings_section, settings_values, settle, standing_of
from medkt.cli.segment import modality_of, progress, say_demonstration, say_notes

if TYPE_CHECKING:
    from medkt.as_published import Standing
    from medkt.concepts import Concept
    from medkt.concepts.package import Package
    from medkt.domains import Domain
    from medkt.estimates.learn import LearnPlan
    from medkt.estimates.models import ModelPlan
    from medkt.learning import LearnedConcept
    from medkt.models.encoder import DualEncoder
    from medkt.transfer.learn_settings import LearnSettings

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "concept",
        metavar="CONCEPT",
        help="a concept file (`medkt concept new` makes one), the name of a concept, or a .txt that describes a finding in prose",
    )
    parser.add_argument("--name", default="", help="how the finding that a .txt describes is called")
    add_output(parser, "NAME.medkt", "the package to write")
    parser.add_argument(
        "--modality", default="auto", choices=("auto", "cxr", "ct", "mri", "ultrasound"),
        help="whose known findings it is told apart from; the concept says so itself where it has a modality",
    )  # fmt: skip
    parser.add_argument(
        "-m", "--model", default="small", help="the encoder: a name of `medkt models list`, or a weights file"
    )
    parser.add_argument(
        "--how", choices=HOWS,
        help="local: the model is trained on lesions made from the words inside normal studies, and rehearses studies with lesions; images: on "
        "whole images made from the words; text: nothing is trained, and the package says how the words are asked best and from which lead "
        f"on the finding is seen; seconds (default: {DEFAULT}, or as the preset says)",
    )  # fmt: skip
    parser.add_argument(
        "--normals", type=Path, metavar="DIR",
        help="studies of your own without any finding, a file or a folder (DICOM series) each, or a manifest: on them it is set from which "
        "lead on the finding is seen, in place of drawn ones; 19 or more. With --how local lesions are made inside them, too",
    )  # fmt: skip
    parser.add_argument(
        "--rehearse", type=Path, metavar="DIR",
        help="studies of your own of the usual mixture, of which nobody says what they show; used as --normals, in place of drawn known findings. "
        "With --how local what the model knows is held on them: 100 to 200, with lesions among them",
    )  # fmt: skip
    add_studies(parser)
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    parser.add_argument(
        "--preset",
        default="fast",
        action=Given,
        metavar="NAME",
        help="local, fast, quick, kt-paper, kt-code or kt-medclip (default: as --how says)",
    )
    add_as_published(parser)
    parser.add_argument("--settings", type=Path, metavar="YAML", help="a file of settings over the preset")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, such as inversion.steps=50"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="learn with so many seeds, for intervals (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default: %(default)s)")
    parser.add_argument(
        "--audit",
        choices=("full", "quick", "none"),
        default="quick",
        help="what is asked of the result (default: quick); with none the words are never shown to be carried",
    )
    parser.add_argument(
        "--probe", type=Path, metavar="DIR",
        help="set the exam on studies of your own, too: DIR/with holds those that show the finding, DIR/without those that do not, a file or "
        "a folder (DICOM series) each; one of the two is enough to be shown, ten studies of each decide",
    )  # fmt: skip
    parser.add_argument(
        "--second", metavar="MODEL",
        help="ask another encoder, too, whether the images mean to it what they were made from; told on the card, and decides nothing",
    )  # fmt: skip
    parser.add_argument(
        "--keep-anyway", action="store_true",
        help="write the package also where the audit says that the words were not carried (else exit code 6); it is stamped so",
    )  # fmt: skip
    parser.add_argument(
        "--max-forgetting", type=float, metavar="SHARE",
        help="write nothing where a larger share of known images, inverted ones, gets another name (such as 0.05)",
    )  # fmt: skip
    parser.add_argument(
        "--delta",
        choices=("low-rank", "full"),
        default="low-rank",
        action=Given,
        help="how the weights are kept (default: low-rank)",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="of inverted images (default: MEDKT_CACHE or medkt's own)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a package that is there already")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Learn, audit, and write the package, its page with pictures, and the contact sheet."""
    from medkt.errors import SettingsError

    require_output(arguments, "NAME.medkt")
    settle(arguments, "learn", "learn")
    settle_how(arguments)
    target = None if arguments.output is None else _target(arguments.output, overwrite=arguments.overwrite)
    if arguments.seeds < 1:
        raise SettingsError(f"--seeds is 1 or more, got {arguments.seeds}")
    if arguments.max_forgetting is not None and not 0 <= arguments.max_forgetting <= 1:
        raise SettingsError(f"--max-forgetting is a share from 0 to 1, got {arguments.max_forgetting:g}")
    if arguments.max_forgetting is not None and arguments.audit == "none":
        raise SettingsError("--max-forgetting needs an audit; leave out --audit none")
    if arguments.probe is not None and arguments.audit == "none":
        raise SettingsError("--probe is for the audit; leave out --audit none")
    if arguments.second is not None and arguments.audit == "none":
        raise SettingsError("--second is for the audit; leave out --audit none")
    concept, kind = _concept_and_domain(arguments)

    from medkt.concepts.concept import ROLES
    from medkt.pipeline.words import require_words

    require_words([concept], roles=ROLES)  # what needs no model, before one is loaded
    if arguments.how == "text":
        return run_text(arguments, concept, kind, target)

    from medkt.audit import read_probe
    from medkt.config import preset_sources, resolve_learning, sources_of
    from medkt.errors import NotCarriedError
    from medkt.learning import learn
    from medkt.models.registry import load_encoder
    from medkt.pipeline import resolve_device
    from medkt.transfer.delta import DeltaSettings
    from medkt.transfer.given import NOTHING_GIVEN
    from medkt.transfer.learn_settings import LearnSettings

    settings = resolve_learning(LearnSettings, preset=arguments.preset, file=arguments.settings, sets=arguments.set)
    original = resolve_learning(LearnSettings, preset=arguments.preset)
    sources = sources_of(settings, original, preset_sources(arguments.preset, "learn"))
    stands = standing_of(arguments, "learn", "learn", settings, own={"delta": "low-rank"})
    settings = settings.on(resolve_device(arguments.device))
    require_own_fit(arguments, settings)
    probe = None if arguments.probe is None else read_probe(arguments.probe, kind, concept)  # before any model computes
    shown = studies_of(arguments, kind, concept)
    folders_of(arguments, kind, concept)  # that they are there
    if arguments.dry_run or target is None:
        return _dry_run(arguments, concept, kind, settings, stands)
    encoder = load_encoder(arguments.model, device=resolve_device(arguments.device))
    require_rehearsal(arguments, encoder, settings)
    second = (
        None if arguments.second is None else load_encoder(arguments.second, device=resolve_device(arguments.device))
    )
    own = read_for(arguments, encoder, concept, kind, settings, probe)
    notes = [*_notes(encoder, concept, kind), *(own.notes if own else ())]
    say_notes(notes)
    ahead = Stages(arguments.quiet)
    if not arguments.quiet:
        ahead.expect(_plan(arguments, concept, kind, settings, encoder, notes))
    began = time.perf_counter()
    with telling(arguments.json), progress(arguments.quiet or arguments.json, f"learning {concept.name}") as tick:
        made = learn(
            encoder, concept, kind, settings, seeds=range(arguments.seed, arguments.seed + arguments.seeds),
            level=arguments.audit, max_forgetting=arguments.max_forgetting, cache=arguments.cache, sources=sources, as_published=stands.as_json(),
            delta=DeltaSettings(kind="full", storage="float32") if arguments.delta == "full" else None, progress=ahead.told(tick),
            probe=probe, second=second, keep_anyway=arguments.keep_anyway, shown=shown,
            studies=own.given if own else NOTHING_GIVEN,
        )  # fmt: skip
    seconds = time.perf_counter() - began
    if made.refusal:
        _say(made, None, "", seconds, notes, as_json=arguments.json)
        raise NotCarriedError(made.refusal)
    package = _write(made, target)
    _say(made, target, package.digest, seconds, notes, as_json=arguments.json)
    return 0


def _dry_run(
    arguments: argparse.Namespace, concept: "Concept", kind: "Domain", settings: "LearnSettings", stands: "Standing"
) -> int:
    """Say what would be learned and how long that takes; weights are loaded only where the cache may hold their images."""
    from medkt.concepts.concept import ROLES
    from medkt.estimates.models import planned_encoder
    from medkt.inversion.cache import cache_folder
    from medkt.pipeline.words import require_words

    kept = any((arguments.cache or cache_folder()).glob("*.safetensors"))
    model, encoder = planned_encoder(arguments.model, real=kept)
    require_words([concept], encoder, roles=ROLES)
    require_rehearsal(arguments, encoder, settings)
    notes = _notes(encoder, concept, kind)
    plan = _plan(arguments, concept, kind, settings, encoder, notes, model=model, started=time.process_time())
    sections = [*plan.sections(), settings_section(stands)]
    say_plan(sections, {**plan.as_json(), **settings_values(stands)}, as_json=arguments.json)
    return 0


def _plan(
    arguments: argparse.Namespace,
    concept: "Concept",
    kind: "Domain",
    settings: "LearnSettings",
    encoder: "DualEncoder",
    notes: list[str],
    *,
    model: "ModelPlan | None" = None,
    started: float = 0.0,
) -> "LearnPlan":
    """What will be done; `model` and `started` where nothing is loaded yet."""
    from medkt.cli.dry_run import timer_of
    from medkt.estimates.learn import Learning, plan_learn
    from medkt.estimates.models import ModelPlan
    from medkt.estimates.passes import encoder_passes
    from medkt.inversion.cache import cache_folder
    from medkt.transfer.trainable import frozen_layer
    from medkt.transfer.vocabulary import vocabulary_of
    from medkt.transfer.wanted import Wanted

    passes, place = encoder_passes(encoder.spec.name), arguments.cache or cache_folder()
    words, kept = vocabulary_of(concept, kind), any(place.glob("*.safetensors"))

    def found(wanted: Wanted) -> int:
        return wanted.cached(encoder, words, arguments.cache) if kept else 0

    learning = Learning(
        vocabulary=words, settings=settings, seeds=range(arguments.seed, arguments.seed + arguments.seeds),
        level=arguments.audit, layer=frozen_layer(encoder, settings.finetune.trains), found=found,
    )  # fmt: skip
    here = model or ModelPlan(kind="encoder", name=encoder.spec.name, source="loaded", bytes=0)
    return plan_learn(
        learning, here, passes, timer_of(arguments.device, _threads()), concept=concept.id, output=arguments.output and str(arguments.output),
        cache=str(place), notes=notes, loading=here.bytes, started=started,
    )  # fmt: skip


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _target(path: Path, *, overwrite: bool) -> Path:
    from medkt.errors import OutputError, SettingsError

    if path.is_dir() or path.name in ("", ".."):
        raise SettingsError(f"{path}: is a folder, and a package is a file; give -o {path / 'NAME.medkt'}")
    if path.suffix != ".medkt":
        named = path.with_suffix(".medkt") if path.stem != ".medkt" else path.with_name("NAME.medkt")
        raise SettingsError(f"{path}: a package's name ends in .medkt; give -o {named}")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: is there already; choose another name or say --overwrite")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder; make it first")
    return path


def _concept_and_domain(arguments: argparse.Namespace) -> "tuple[Concept, Domain]":
    from medkt.concepts import load_concept
    from medkt.domains import domain
    from medkt.errors import SettingsError

    modality = modality_of(arguments) or ""
    if arguments.name and not is_prose(arguments.concept):
        raise SettingsError(f"{arguments.concept}: has a name of its own; --name is for a description in a .txt file")
    if is_prose(arguments.concept):
        concept = taught(Path(arguments.concept), name=arguments.name, modality=modality, quiet=arguments.quiet)
    else:
        concept = load_concept(arguments.concept, modality=modality)
    name = modality or concept.modality
    if not name:
        raise SettingsError(f"{concept.id}: says no modality; give --modality cxr, ct, mri or ultrasound")
    if concept.modality and concept.modality != name:
        raise SettingsError(f"{concept.id} is a finding of {concept.modality}, not of {name}; leave out --modality")
    return concept, domain(name)


def _write(made: "LearnedConcept", target: Path) -> "Package":
    """The package, and beside it the page with pictures, which a package never holds; both or none."""
    from medkt.io.together import files_together
    from medkt.learning.card import as_page
    from medkt.learning.pictures import pictures_of

    page = target.with_suffix(".html").name
    with files_together(target.parent, (page, target.name)) as hidden:
        (hidden / page).write_text(as_page(made, pictures_of(made)), encoding="utf-8")
        return made.save(hidden / target.name)


def _notes(encoder: "DualEncoder", concept: "Concept", kind: "Domain") -> list[str]:
    """What is to be known of the captions; a word that the model does not know is what it may have to learn."""
    from medkt.concepts.concept import ROLES
    from medkt.concepts.meaning import check_text
    from medkt.examine.told import not_told
    from medkt.pipeline.words import examination_of, texts_said

    verdicts = [check_text(encoder, text, modality=kind.name) for role in ROLES for text in concept.texts(role)]
    notes = [(v.text, note) for v in verdicts for code, note in v.notes.items() if code != "unknown_words"]
    examination, unread = examination_of(encoder)
    said = not_told(examination, texts_said(concept, ROLES))
    own = [*unread, *([f"{concept.id}: {said}"] if said else [])]
    return list(dict.fromkeys([*(f"{concept.id}: {text[:60]!r}: {note}" for text, note in notes), *own]))


def _say(
    made: "LearnedConcept", target: Path | None, digest: str, seconds: float, notes: list[str], *, as_json: bool
) -> None:
    """The verdict first; `target` None where nothing was written."""
    record: dict[str, Any] = {
        "words_carried": made.verdict.as_json(), "package": target and str(target),
        "page": target and str(target.with_suffix(".html")), "digest": digest or None, "seconds": round(seconds, 1),
        "bytes": target and target.stat().st_size, "recipe": made.recipe, "audit": made.record if made.audit else None, "notes": notes,
    }  # fmt: skip
    if as_json:
        print(json.dumps(record, allow_nan=False))
        return
    print(made.verdict.line)
    if made.verdict.asking:
        print(made.verdict.asking)
    for line in made.audit.meaning if made.audit else ():
        print(line)
    print(f"{made.concept.name}: learned in {seconds:.0f} s with {len(made.learned)} seed(s)")
    if made.audit is not None:
        print(f"  known images that got another name: {made.audit.forgotten:.1%}")
        print(f"  not examined: {'; '.join(made.audit.unexamined)}")
    if (chosen := made.learned[made.kept].chosen) is not None:
        print(f"  chosen without labels: step {chosen.step}, interpolation {chosen.interpolation:g}")
    if target is not None:
        page = target.with_suffix(".html").name
        print(f"  {target}: {target.stat().st_size / 1e6:.2f} MB; {page} shows the audit")
    say_demonstration(made.delta.base_name)
