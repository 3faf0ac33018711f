"""`medkt learn`: a concept, learned with several seeds, audited, and written as one file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from medkt.asking.record import settle
from medkt.asking.studies import ShownStudies
from medkt.audit.audit import Audit, Level, audit
from medkt.audit.probe import Probe
from medkt.audit.verdict import Verdict, not_shown
from medkt.concepts import AskingRecord, Base, Concept, Package, PackagedConcept
from medkt.concepts.concept import ROLES
from medkt.domains import Domain
from medkt.errors import ForgettingError, InputError, NotCarriedError
from medkt.learning.base_lead import BaseLead, kept_apart, lead_calibration
from medkt.learning.card import as_markdown
from medkt.learning.outcome import ConceptOutcome, require_of_this_picture
from medkt.models.encoder import DualEncoder
from medkt.phantom.reading import foreign_words
from medkt.pipeline.words import require_words
from medkt.progress import Progress
from medkt.records import as_plain
from medkt.transfer.delta import Delta, DeltaSettings, apply, make_delta, to_bytes
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.learning import TransferResult, learn_concept
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes
from medkt.transfer.vocabulary import vocabulary_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearningOutcome(ConceptOutcome):
    """A concept with the encoder that knows it.

    Attributes:
        concept: the words.
        domain: among whose findings it was learned.
        base: the encoder before it learned.
        encoder: the base with the difference applied, as a reader of the package will have it.
        delta: the difference.
        learned: with each seed.
        kept: which of them the difference is from.
        audit: what was gained and forgotten; None where none was asked for.
        base_licence: of the weights that the difference belongs to.
        sources: where the settings' values are from, by path; empty where none were given.
        as_published: how the settings stand to a published way; empty where none was asked for.
        kept_anyway: whether it was to be kept whatever the verdict says.
        asking: how it is asked of `encoder`, and from which lead it is seen; None where that cannot be set, and of a published
            way, which is asked by the name.
    """

    concept: Concept
    domain: Domain
    base: DualEncoder
    encoder: DualEncoder
    delta: Delta
    learned: tuple[TransferResult, ...]
    kept: int
    audit: Audit | None
    base_licence: str
    sources: Mapping[str, str] = field(default_factory=dict)
    as_published: Mapping[str, Any] = field(default_factory=dict)
    kept_anyway: bool = False
    asking: AskingRecord | None = None

    @property
    def verdict(self) -> Verdict:
        """Words carried: yes, no, or not shown."""
        return not_shown("no audit was made") if self.audit is None else self.audit.verdict

    @property
    def found(self) -> Mapping[str, Any]:
        """As the audit says it; without one the verdict alone."""
        return {"words carried": self.verdict.as_json()} if self.audit is None else self.audit.as_json()

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Settings and seeds, as JSON holds them."""
        one = self.learned[self.kept]
        return {
            "settings": as_plain(one.settings),
            "sources": dict(self.sources),
            **({"as_published": _plain(self.as_published)} if self.as_published else {}),
            "seeds": [each.seed for each in self.learned],
            "seed kept": one.seed,
            "known findings": list(one.material.vocabulary.known),
            "chosen": None if one.chosen is None else asdict(one.chosen),
            "similarity of the images": _similarity(one),
            "studies of the user's": one.material.studies.record,
            "captions left out": list(one.material.left_out),
            "difference": {"kind": self.delta.kind, "bytes": self.delta.size, "lost share": round(self.delta.error, 6)},
        }

    @property
    def package(self) -> Package:
        """The difference, what it was made with, and the card."""
        one = PackagedConcept(
            concept=self.concept, delta=to_bytes(self.delta), recipe=self.recipe, audit=self.record, card=as_markdown(self), asking=self.asking,
        )  # fmt: skip
        return Package(learnt=(one,), base=Base(name=self.delta.base_name, digest=self.delta.base_digest))


def learn(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    settings: LearnSettings | None = None,
    *,
    seeds: Sequence[int] = (0,),
    level: Level = "quick",
    max_forgetting: float | None = None,
    probe: Probe | None = None,
    second: DualEncoder | None = None,
    keep_anyway: bool = False,
    shown: Mapping[str, ShownStudies] | None = None,
    base_lead: BaseLead | None = None,
    delta: DeltaSettings | None = None,
    known: Sequence[Concept] | None = None,
    studies: StudyPlanes = NOTHING_GIVEN,
    cache: Path | None = None,
    sources: Mapping[str, str] | None = None,
    as_published: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> LearningOutcome:
    """Learn with every seed, keep the best by the label-free rule, and audit.

    Args:
        encoder: the base; comes back as it was.
        concept: with captions for inversion.
        domain: of the concept.
        settings: None is the preset `fast`.
        seeds: one learning each; the first alone is enough, several give intervals.
        level: of the audit.
        max_forgetting: the largest share of known images, inverted ones, that may get another name; None sets no bound.
        probe: studies of the user's own, from `medkt.audit.read_probe`, that the exam is set on.
        second: another encoder, to be asked whether the images mean to it what they were made from.
        keep_anyway: whether a concept whose words were not carried may be learned to the end, and written.
        shown: the user's studies on which it is set from which lead the finding is seen: "normals" without any finding, "rehearse"
            of the usual mixture; drawn ones in place of those that are not given.
        base_lead: on what the lead of the base was set when studies of these were read (`OwnStudies.base_lead`); None sets it.
        delta: how the difference is kept.
        known: what the model is taken to know; None takes the domain's findings.
        studies: the user's own, to learn from, to make lesions in, or to rehearse by (`LearnSettings.how` "local").
        cache: of inverted images.
        sources: where the settings' values are from (`medkt.config.sources_of`), for the record.
        as_published: how they stand to a published way, for the record.
        progress: told (stage, steps done, steps in all).

    Raises:
        ForgettingError: more is forgotten than `max_forgetting`.
        InputError: no seed, or one twice; a caption of which the encoder knows no word; a study of `shown` that is in the probe, or
            whose patient is.
        NotCarriedError: before anything is learned, where the captions are of another modality or part of the body and
            `keep_anyway` is not said; or nothing was learned, so that there is no difference to keep.
        MedktError: from the steps.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"learning needs at least one seed and each once, got {list(seeds)}")
    require_words([concept], encoder, roles=ROLES)
    shown, among = shown or {}, tuple(known) if known is not None else domain.others(concept)
    foreign = () if level == "none" else _foreign(concept, domain, known)
    require_of_this_picture(concept, foreign, keep_anyway=keep_anyway)
    before = base_lead.calibration if base_lead is not None and base_lead.serves(shown, probe) else None
    if before is None and probe is not None:  # a study of the exam is refused before anything is learned
        apart = kept_apart(shown, probe)
        if level == "none":
            _read_through(apart)
        elif shown:
            before = lead_calibration(encoder, concept, domain, among, apart, progress)
    learned = [
        learn_concept(
            encoder, concept, domain, settings, seed=seed, known=known, studies=studies, cache=cache, progress=progress
        )
        for seed in seeds
    ]
    kept = _best(learned)
    chosen = learned[kept].chosen
    if chosen is not None and not chosen.step:
        raise NotCarriedError(
            f"{concept.id}: words carried: no: nothing was learned: no candidate does better by name than the base within the bound of "
            f"forgetting ({learned[kept].settings.choice.max_forgetting:g}); describe the finding in words that the "
            "model knows (`medkt concept lint -m`), or set choice.max_forgetting higher"
        )
    difference = make_delta(encoder, learned[kept].encoder, delta)
    applied = apply(encoder, difference)
    # what is judged is what a reader of the package will have, rounding and lost ranks included
    judged = [replace(one, encoder=applied) if index == kept else one for index, one in enumerate(learned)]
    is_asked = level != "none" or not as_published  # a published way asks by the name
    set_on = lead_calibration(applied, concept, domain, among, shown, progress) if is_asked else None
    found = None
    if level != "none":
        if before is None:
            before = lead_calibration(encoder, concept, domain, among, shown, progress)
        found = audit(
            encoder, judged, concept=concept, domain=domain, known=among, kept=kept, level=level, probe=probe, second=second,
            foreign=foreign, set_on=(before, set_on), cache=cache, progress=progress,
        )  # fmt: skip
        _require_kept(concept, found, max_forgetting)
    asking = None
    if set_on is not None and not as_published:
        asking = settle(applied, concept, domain, base_digest=difference.base_digest, known=among, calibration=set_on)
    return LearningOutcome(
        asking=asking, concept=concept, domain=domain, base=encoder, encoder=applied, delta=difference, learned=tuple(judged), kept=kept,
        audit=found, base_licence=encoder.spec.licence, sources=sources or {}, as_published=as_published or {},
        kept_anyway=keep_anyway,
    )  # fmt: skip


def _read_through(apart: Mapping[str, ShownStudies]) -> None:
    """Come to every study that is kept apart from an exam: without an audit nothing else does before the learning."""
    for studies in apart.values():
        for _ in studies:
            pass


def _similarity(one: TransferResult) -> list[float] | None:
    """Of each image to its caption; None where the images are the user's."""
    made = one.material.inverted
    return None if made is None else [round(float(value), 4) for value in made.similarity.flatten()]


def _foreign(concept: Concept, domain: Domain, known: Sequence[Concept] | None) -> tuple[str, ...]:
    """Words of another modality or part of the body; none where medkt does not draw the concept's part."""
    words = vocabulary_of(concept, domain, known=known)
    return foreign_words(words.described, words.drawn) if words.drawn else ()


def _best(learned: Sequence[TransferResult]) -> int:
    """The seed with the greatest success, then margin, on its own validation images; the first without a choice."""

    def rank(index: int) -> tuple[float, float]:
        chosen = learned[index].chosen
        return (chosen.success, chosen.margin) if chosen is not None else (0.0, 0.0)

    return max(range(len(learned)), key=rank)


def _require_kept(concept: Concept, found: Audit, bound: float | None) -> None:
    if bound is not None and found.forgotten > bound:
        worst = sorted(found.known_kept.items(), key=lambda item: item[1].share)[:3]
        lost = ", ".join(f"{name} keeps {kept.same} of {kept.of}" for name, kept in worst)
        raise ForgettingError(
            f"{concept.id}: {found.forgotten:.1%} of the known images get another name, more than --max-forgetting "
            f"{bound:.1%} allows ({lost}); nothing was written. Allow more, or raise finetune.rehearsal_similarity"
        )


def _plain(value: Any) -> Any:
    """Tuples as lists, for JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
