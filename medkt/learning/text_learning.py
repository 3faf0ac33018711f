"""`medkt learn --how text`: a concept that is asked well, without any training, examined and written as one file.

The exam is that of a learning, on drawn pictures of another seed than those that the way was chosen and the lead was set on, and
on the user's own studies. A picture is called by the name where its lead is above the bias. The controls are other words asked in
the same way, each with a bias of its own: the description altered, another finding's, and a sentence about nothing. Before is the
bare name, with a bias of its own, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from medkt.asking import WAYS, AskingWords, Directions, Way, way_called
from medkt.asking.calibration import LeadCalibration, drawn_domain
from medkt.asking.record import described_by, settle
from medkt.asking.studies import ShownStudies
from medkt.asking.ways import known_names
from medkt.asking.words import spoken_as
from medkt.audit.audit import Level, of_another_picture
from medkt.audit.controls import nonsense
from medkt.audit.exam import Exam, Marks, drawn_exam, marks_of
from medkt.audit.meaning import areas_said, meaning_of
from medkt.audit.probe import FEWEST, Probe
from medkt.audit.verdict import Verdict, decide, net_share, not_shown, renamed
from medkt.concepts import AskingRecord, Base, Concept, Package, PackagedConcept
from medkt.concepts.concept import ROLES
from medkt.domains import Domain
from medkt.examine.looks import told_apart
from medkt.learning.outcome import ConceptOutcome, require_of_this_picture
from medkt.learning.text_card import as_markdown
from medkt.models.encoder import DualEncoder
from medkt.models.weights import weights_digest
from medkt.phantom.finding import find
from medkt.phantom.reading import Reading, foreign_words, read, retold
from medkt.pipeline.words import require_words
from medkt.progress import Progress
from medkt.saliency.targets import texts_kept
from medkt.transfer.packages import directions_of
from medkt.transfer.rehearsal import vectors_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskSitting:
    """One exam, and who sat it; all leads are above 0 where a picture is called by the name.

    Attributes:
        what: it is set on.
        after: the way that is kept.
        before: the bare name.
        ways: every way.
        controls: the kept way with other words.
    """

    what: str
    after: Marks
    before: Marks
    ways: Mapping[str, Marks]
    controls: Mapping[str, Marks]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskingOutcome(ConceptOutcome):
    """A concept and how it is asked.

    Attributes:
        concept: the words.
        domain: among whose findings it is asked.
        base: name and digest of the model.
        licence: of its weights.
        asking: the way, its directions, and the lead.
        verdict: words carried: yes, no, or not shown.
        sat: the exams, on drawn pictures or the user's own studies; () without an audit.
        kept_anyway: whether it was to be kept whatever the verdict says.
    """

    concept: Concept
    domain: Domain
    base: Base
    licence: str
    asking: AskingRecord
    verdict: Verdict
    sat: tuple[AskSitting, ...] = ()
    kept_anyway: bool = False

    @property
    def recipe(self) -> Mapping[str, Any]:
        """What `recipe.json` holds."""
        return {"how": "text", "way": self.asking.way, "known findings": list(self.asking.known)}

    @property
    def found(self) -> Mapping[str, Any]:
        """The verdict and the exams."""
        return {"words carried": self.verdict.as_json(), "exams": [_sat_json(one) for one in self.sat]}

    @property
    def meaning(self) -> tuple[str, ...]:
        """How the way that is kept ranks pictures, beside the bare name; a sentence an exam."""
        return tuple(
            f"what is asked means, AUC of its lead on {one.what}: {areas_said(one.after)}; by the bare name: {areas_said(one.before)}"
            for one in self.sat
        )

    @property
    def package(self) -> Package:
        """How it is asked, and the card; no weights."""
        one = PackagedConcept(
            concept=self.concept, recipe=self.recipe, audit=self.record, card=as_markdown(self), asking=self.asking
        )
        return Package(learnt=(one,), base=self.base)


def ask_well(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    *,
    known: Sequence[Concept] | None = None,
    way: Way | None = None,
    normals: ShownStudies | None = None,
    rehearse: ShownStudies | None = None,
    level: Level = "quick",
    probe: Probe | None = None,
    keep_anyway: bool = False,
    progress: Progress | None = None,
) -> AskingOutcome:
    """Settle how a concept is asked of an encoder, and examine it; nothing is trained.

    Args:
        encoder: any dual encoder; stays as it is.
        concept: with a caption that describes it.
        domain: of the concept.
        known: what the model is taken to know; None takes the domain's findings.
        way: None takes that which the rule of `medkt.asking.choice` picks.
        normals: the user's studies without any finding, on which the lead is set in place of drawn ones.
        rehearse: the user's studies of the usual mixture; in place of drawn known findings.
        level: "none" leaves the exam out; the others are the same here.
        probe: studies of the user's own, from `medkt.audit.read_probe`, that the exam is set on, too.
        keep_anyway: whether it may be written also where its words are not carried.
        progress: told (stage, steps done, steps in all).

    Raises:
        InputError: a caption of which the encoder knows no word, or nothing to set the lead on; or a study that cannot be read, or
            that is in the probe, or whose patient is.
        NotCarriedError: the captions are of another modality or part of the body and `keep_anyway` is not said.
    """
    require_words([concept], encoder, roles=ROLES)
    others = tuple(known) if known is not None else domain.others(concept)
    described, drawn = described_by(concept), drawn_domain(concept, domain)
    foreign = foreign_words(described, drawn) if drawn is not None and level != "none" else ()
    require_of_this_picture(concept, foreign, keep_anyway=keep_anyway)
    base = Base(name=encoder.spec.name, digest=weights_digest(encoder.module))
    if probe is not None:
        normals = None if normals is None else probe.kept_apart(normals, "normals")
        rehearse = None if rehearse is None else probe.kept_apart(rehearse, "rehearse")
    calibration = LeadCalibration.of(
        encoder, concept, domain, others, normals=normals, rehearse=rehearse, progress=progress
    )
    asking = settle(
        encoder, concept, domain, base_digest=base.digest, known=others, way=way, calibration=calibration,
    )  # fmt: skip
    made = AskingOutcome(
        concept=concept, domain=domain, base=base, licence=encoder.spec.licence, asking=asking, kept_anyway=keep_anyway,
        verdict=of_another_picture(foreign) if foreign else not_shown("no audit was made"),
    )  # fmt: skip
    if level == "none":
        return made
    reading = None if drawn is None else read(described[0], drawn)
    examined = _Examined(
        encoder=encoder, concept=concept, domain=domain, known=others, asking=asking, calibration=calibration
    )
    exams = _exams(encoder, reading, asking.known, probe)
    with texts_kept():  # ways and controls have most of their texts in common
        sat = tuple(examined.sit(exam, reading) for exam in exams)
    verdict = made.verdict if foreign else _verdict(sat, reading, probe)
    return replace(made, sat=sat, verdict=verdict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Examined:
    """Who is asked, by what, and how each lead is set."""

    encoder: DualEncoder
    concept: Concept
    domain: Domain
    known: tuple[Concept, ...]
    asking: AskingRecord
    calibration: LeadCalibration

    def sit(self, exam: Exam, reading: Reading | None) -> AskSitting:
        """Everyone asked about the pictures of an exam."""
        features = vectors_of(self.encoder, exam.seen)
        words = AskingWords.of(self.concept, self.domain, self.known, described_by(self.concept))
        kept = way_called(self.asking.way)
        ways = {way.name: self._marks(features, exam, way, words) for way in WAYS}
        controls = {name: self._marks(features, exam, kept, other) for name, other in self._controls(words, reading)}
        own = _lead_less(features, exam, directions_of(self.asking), self.asking.bias)
        return AskSitting(what=exam.what, after=own, before=ways[WAYS[0].name], ways=ways, controls=controls)

    def _controls(self, words: AskingWords, reading: Reading | None) -> list[tuple[str, AskingWords]]:
        """The same name with other descriptions."""
        text = words.described[0]
        made = [("other words", words.rival_described[0]), ("nonsense", nonsense(len(text.split())))]
        if reading is not None:
            altered = retold(reading, partial(told_apart, reading.domain), np.random.default_rng((0, 11)))
            made += [("altered words", altered)] if altered and altered != text else []
        return [(name, spoken_as(words, told, self.domain)) for name, told in made]

    def _marks(self, features: torch.Tensor, exam: Exam, way: Way, words: AskingWords) -> Marks:
        directions = way.directions(self.encoder, words)
        directions, bias, _ = self.calibration.settled(directions, known_names(self.encoder, words))
        return _lead_less(features, exam, directions, bias)


def _lead_less(features: torch.Tensor, exam: Exam, directions: Directions, bias: float) -> Marks:
    found = marks_of(features, exam, directions)
    return replace(found, leads=found.leads - bias)


def _exams(encoder: DualEncoder, reading: Reading | None, known: Sequence[str], probe: Probe | None) -> list[Exam]:
    readable = reading is not None and not reading.why_not
    exams = [drawn_exam(encoder, reading, known=known, layer=None)] if readable and reading is not None else []
    return [*exams, probe.exam(encoder, None)] if probe is not None else exams


def _verdict(sat: Sequence[AskSitting], reading: Reading | None, probe: Probe | None) -> Verdict:
    """The rule of `medkt.audit.verdict`; a probe of enough studies comes before drawn pictures."""
    decides = probe is not None and probe.decides
    drawn = sat[: len(sat) - (probe is not None)]
    if not drawn and not decides:
        why = "medkt draws no picture of this part of the body" if reading is None else reading.why_not
        return not_shown(
            f"nothing can be drawn of the first caption: {why}; give {FEWEST} studies of each kind with --probe"
        )
    one = sat[-1] if decides else drawn[0]
    alike = [
        name for name in one.after.known if reading and not reading.why_not and reading.says_the_look_of(find(name))
    ]
    answer, why = decide(one.after, one.before, one.controls, set_on=one.what, alike=alike)
    return Verdict(answer=answer, why=why, renamed=renamed(one.after, one.before))


def _sat_json(one: AskSitting) -> dict[str, Any]:
    return {
        "set on": one.what,
        "pictures": {kind: one.after.kinds.count(kind) for kind in dict.fromkeys(one.after.kinds)},
        "as it is asked": _marks_json(one.after),
        "every way, each with a bias of its own": {name: _marks_json(marks) for name, marks in one.ways.items()},
        "controls": {name: _marks_json(marks) for name, marks in one.controls.items()},
        "known findings that take the name": {name: _share(one.after.share(name)) for name in one.after.known},
    }


def _marks_json(marks: Marks) -> dict[str, Any]:
    found = net_share(marks)
    return {
        "net share": [_share(one) for one in (found.estimate, found.low, found.high)],
        **meaning_of(marks).as_json(),
    }


def _share(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
