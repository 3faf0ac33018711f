"""The audit of a learned concept: the exam, its controls, asking without learning, what was forgotten, and the verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from medkt.asking import WAYS, AskingWords, Directions
from medkt.asking.calibration import LeadCalibration
from medkt.asking.ways import known_names
from medkt.audit.controls import CONTROLS, Setting
from medkt.audit.exam import FINDING, NORMAL, OTHERS, Exam, Marks, drawn_exam, marks_of
from medkt.audit.meaning import area, told
from medkt.audit.picturing import Picturing, picturing_of
from medkt.audit.probe import FEWEST, Probe
from medkt.audit.questions import Answers, Questions, Retention, ask
from medkt.audit.second import Opinion, opinion_of
from medkt.audit.verdict import SEEDS_FLOOR, Verdict, beaten_by_asking, decide, groups_of, net_share, not_shown, renamed
from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.models.encoder import DualEncoder
from medkt.phantom.finding import find
from medkt.phantom.reading import Reading, read
from medkt.progress import Progress
from medkt.saliency.targets import texts_kept
from medkt.statistics import Interval, student_interval, wilson
from medkt.transfer.learning import TransferResult
from medkt.transfer.rehearsal import vectors_of
from medkt.transfer.trainable import frozen_layer

Level = Literal["full", "quick", "none"]
SetOn = tuple[LeadCalibration | None, LeadCalibration | None]
"""Pictures without the finding, as the base and what was learned see them."""
DREAMT = "images inverted by the base model from known findings' words"
HELD_BACK = "studies that were not rehearsed: drawn ones of known findings, or every tenth of the user's"
VERSION = 2
"""Of what an audit records; before it, the exam was set on images that the words made."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sitting:
    """One exam, and who sat it.

    Attributes:
        what: it is set on.
        before: the base, asked by name.
        after: what was learned with each seed.
        ways: the base, by each way of asking.
        controls: by name, those of the seed that is kept.
        learned_ways: what was learned with the seed that is kept, by each way of asking.
    """

    what: str
    before: Marks
    after: tuple[Marks, ...]
    ways: Mapping[str, Marks]
    controls: Mapping[str, Marks]
    learned_ways: Mapping[str, Marks] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audit:
    """What was asked of every state of the encoder.

    Attributes:
        level: "full" or "quick".
        seeds: of the learnings, in the order of `after`.
        kept: which of them the package holds.
        verdict: words carried: yes, no, or not shown.
        drawn, probed: the exam on drawn pictures and on the user's own; None where there was none.
        picturing: how near inverted images come to their captions; None without known findings to compare with.
        opinion: another encoder's; None where none was asked.
        before, after: answers about inverted images, by which the choice was made; they are no exam.
        unexamined: what the audit did not look at, a sentence each.
        held_on: what forgetting is judged on.
    """

    level: Level
    seeds: tuple[int, ...]
    kept: int = 0
    verdict: Verdict
    drawn: Sitting | None = None
    probed: Sitting | None = None
    picturing: Picturing | None = None
    opinion: Opinion | None = None
    before: tuple[Answers, ...]
    after: tuple[Answers, ...]
    unexamined: tuple[str, ...] = field(default=())
    held_on: str = DREAMT

    @property
    def meaning(self) -> tuple[str, ...]:
        """What the name means, a sentence for each exam; () where none was set."""
        sat = [sitting for sitting in (self.drawn, self.probed) if sitting is not None]
        said = (told(one.after[self.kept], one.ways, set_on=one.what) for one in sat)
        return tuple(text for text in said if text)

    @property
    def forgotten(self) -> float:
        """Share of known inverted images with another name than before, mean over seeds."""
        return sum(one.forgotten for one in self.after) / len(self.after)

    @property
    def known_kept(self) -> dict[str, Retention]:
        """By known finding, the inverted images of all seeds together."""
        names = self.after[0].kept
        return {
            name: Retention(
                same=sum(a.kept[name].same for a in self.after), of=sum(a.kept[name].of for a in self.after)
            )
            for name in names
        }

    def as_json(self) -> dict[str, Any]:
        """Numbers for `audit.json`; an interval that does not exist is null."""
        return {
            "version": VERSION,
            "words carried": self.verdict.as_json(),
            "what the name means": list(self.meaning),
            "level": self.level,
            "seeds": list(self.seeds),
            "exam": None if self.drawn is None else _sitting(self.drawn, self.kept),
            "probe": None if self.probed is None else _sitting(self.probed, self.kept),
            "picturing": None if self.picturing is None else self.picturing.as_json(),
            "another encoder": None if self.opinion is None else self.opinion.as_json(),
            "intervals": "95 %; of areas by DeLong, of the net share by resampling pictures, over seeds by Student's t, of shares by Wilson",
            "forgetting": {
                "judged on": self.held_on,
                "share of known images with another name": _spread([a.forgotten for a in self.after]),
                "by finding": {name: _kept(kept) for name, kept in self.known_kept.items()},
            },
            "inverted images": {
                "judged on": "images that the base model made from the words, which is no exam",
                "accuracy by bare name": _change(self.before, self.after, "success"),
                "specificity": {
                    name: _change_of(
                        [b.specificity[name] for b in self.before], [a.specificity[name] for a in self.after]
                    )
                    for name in self.after[0].specificity
                },
            },
            "not examined": list(self.unexamined),
        }


def audit(
    base: DualEncoder,
    learned: Sequence[TransferResult],
    *,
    concept: Concept,
    domain: Domain,
    known: Sequence[Concept],
    kept: int = 0,
    level: Level = "quick",
    probe: Probe | None = None,
    second: DualEncoder | None = None,
    foreign: Sequence[str] = (),
    set_on: SetOn = (None, None),
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Ask the base, what was learned with each seed, and the controls.

    Args:
        base: the encoder before it learned.
        learned: with one seed or several, all of one concept.
        concept: what was learned.
        domain: among whose findings.
        known: the findings it is told apart from.
        kept: which of the seeds the verdict is about, and the controls belong to.
        level: "quick": the controls of `CONTROLS` that say so, cut to half; "full": all of them, whole.
        probe: the user's own studies.
        second: another encoder, to be asked about the images that the words made.
        foreign: words of another modality or part of the body, where the captions are of another picture.
        set_on: pictures without the finding, as the base and what is kept see them: on them the ways that tell a normal study apart
            have their handicap set, as in a package. None where there are none; then it is 0.
        cache: of inverted images.
        progress: told (stage, controls done, controls in all).
    """
    one, layer = learned[kept], frozen_layer(base, learned[kept].settings.finetune.trains)
    questions = [_questions(base, each, domain.words_for(concept).normal[0]) for each in learned]
    readings = _readings(one)
    exams = _exams(base, one, readings, probe, layer)
    picturing = picturing_of(base, one, layer)
    failed = picturing.failure if picturing else ""
    sittings = _sat(base, learned, kept, exams, AskingWords.of(concept, domain, tuple(known), _described(one)), level=level,
                    controls=not failed and not foreign, set_on=set_on, cache=cache, progress=progress)  # fmt: skip
    by_name = dict(zip((exam.what for exam in exams), sittings, strict=True))
    drawn, probed = (by_name.get(exam.what if exam else "") for exam in _parted(exams, probe))
    verdict = _verdict(drawn, probed, probe, kept, readings, foreign=foreign, failed=failed)
    return Audit(
        level=level, seeds=tuple(each.seed for each in learned), kept=kept, verdict=verdict, drawn=drawn, probed=probed,
        picturing=picturing, opinion=None if second is None else opinion_of(second, one.material), before=tuple(ask(base, asked) for asked in questions),
        after=tuple(ask(each.encoder, asked) for each, asked in zip(learned, questions, strict=True)),
        held_on=HELD_BACK if one.material.known_of else DREAMT,
        unexamined=_unexamined(one, known, drawn, probed, readings, learned, level, second=second is not None,
                                settled=None not in set_on),
    )  # fmt: skip


def _described(one: TransferResult) -> tuple[str, ...]:
    return one.material.vocabulary.described


def _questions(base: DualEncoder, one: TransferResult, normal: str) -> Questions:
    return Questions.of(base, one.material, normal=normal, trains=one.settings.finetune.trains, judged=one.judged)


def _readings(one: TransferResult) -> tuple[Reading, ...]:
    """The captions read, where medkt draws their part of the body."""
    words = one.material.vocabulary
    return tuple(read(text, words.drawn) for text in words.described) if words.drawn else ()


def _exams(
    base: DualEncoder, one: TransferResult, readings: Sequence[Reading], probe: Probe | None, layer: int | None
) -> list[Exam]:
    readable = [reading for reading in readings if not reading.why_not]
    exams = [drawn_exam(base, readable[0], known=one.material.vocabulary.known, layer=layer)] if readable else []
    return [*exams, probe.exam(base, layer)] if probe is not None else exams


def _parted(exams: Sequence[Exam], probe: Probe | None) -> tuple[Exam | None, Exam | None]:
    """The drawn exam and the probe's."""
    probed = exams[-1] if probe is not None else None
    drawn = exams[0] if len(exams) > (probe is not None) else None
    return drawn, probed


def _sat(
    base: DualEncoder,
    learned: Sequence[TransferResult],
    kept: int,
    exams: Sequence[Exam],
    spoken: AskingWords,
    *,
    level: Level,
    controls: bool,
    set_on: SetOn,
    cache: Path | None,
    progress: Progress | None,
) -> list[Sitting]:
    """Everyone asked, each control made once for all exams and let go; no control where nothing would be judged by it."""
    with texts_kept():  # ways have most of their texts in common
        asked = {way.name: way.directions(base, spoken) for way in WAYS}
    before, after = (_handicapped(asked, some, known_names(base, spoken)) for some in set_on)
    name = asked[WAYS[0].name]
    held: list[dict[str, Marks]] = [{} for _ in exams]
    wanted = [control for control in CONTROLS if level == "full" or control.quick] if exams and controls else []
    for done, control in enumerate(wanted):
        if progress is not None:
            progress("controls", done, len(wanted))
        made = control.make(Setting(base=base, learned=learned[kept], cache=cache, whole=level == "full"))
        for exam, marks in zip(exams, held, strict=True):
            if made is not None:
                marks[control.name] = _marks(made, exam, name)
    return [
        _sitting_of(base, learned, kept, exam, before, after, marks) for exam, marks in zip(exams, held, strict=True)
    ]


def _handicapped(
    asked: Mapping[str, Directions], set_on: LeadCalibration | None, names: Float[Tensor, "known width"]
) -> Mapping[str, Directions]:
    """The directions as one encoder is asked by them: leads are cut at 0, so that of what is set the handicap alone counts."""
    return asked if set_on is None else {way: set_on.settled(to, names)[0] for way, to in asked.items()}


def _sitting_of(
    base: DualEncoder,
    learned: Sequence[TransferResult],
    kept: int,
    exam: Exam,
    before: Mapping[str, Directions],
    asked: Mapping[str, Directions],
    controls: Mapping[str, Marks],
) -> Sitting:
    first = WAYS[0].name
    ways = _by_each_way(base, exam, before)
    name = {first: asked[first]}
    after = [_by_each_way(one.encoder, exam, asked if place == kept else name) for place, one in enumerate(learned)]
    return Sitting(
        what=exam.what, before=ways[first], after=tuple(each[first] for each in after), ways=ways, controls=controls,
        learned_ways=after[kept],
    )  # fmt: skip


def _by_each_way(encoder: DualEncoder, exam: Exam, asked: Mapping[str, Directions]) -> dict[str, Marks]:
    features = vectors_of(encoder, exam.seen)  # once for all ways
    return {way: marks_of(features, exam, to) for way, to in asked.items()}


def _marks(encoder: DualEncoder, exam: Exam, asked: Directions) -> Marks:
    return marks_of(vectors_of(encoder, exam.seen), exam, asked)


def _verdict(
    drawn: Sitting | None,
    probed: Sitting | None,
    probe: Probe | None,
    kept: int,
    readings: Sequence[Reading],
    *,
    foreign: Sequence[str],
    failed: str,
) -> Verdict:
    """The rule of `medkt.audit.verdict`; a probe of enough studies comes before drawn pictures."""
    if foreign:
        return of_another_picture(foreign)
    if failed:
        return Verdict(answer="no", why=failed)
    sitting = probed if probed is not None and (drawn is None or (probe is not None and probe.decides)) else drawn
    if sitting is None:
        return not_shown(_why_unread(readings))
    if sitting is probed and not (probe and probe.decides):
        return not_shown(f"{sitting.what}: {FEWEST} of each are needed, and {_why_unread(readings)}")
    after = sitting.after[kept]
    answer, why = decide(
        after, sitting.before, sitting.controls, set_on=sitting.what, alike=_alike(readings, after.known)
    )
    if (agree := agreement(sitting)) is not None and agree < SEEDS_FLOOR:
        answer, why = "no", f"seeds do not agree: their leads correlate by {agree:.2f}, {SEEDS_FLOOR} is the least"
    asking, beaten = beaten_by_asking(after, sitting.ways)
    taken = renamed(after, sitting.before)
    return Verdict(answer=answer, why=why, asking=asking, beaten=beaten, renamed=taken)


def _alike(readings: Sequence[Reading], known: Sequence[str]) -> tuple[str, ...]:
    """Known findings whose look the drawn caption says."""
    drawn = [reading for reading in readings if not reading.why_not][:1]
    return tuple(name for reading in drawn for name in known if reading.says_the_look_of(find(name)))


def of_another_picture(foreign: Sequence[str]) -> Verdict:
    """No: the words are of another modality or part of the body."""
    return Verdict(
        answer="no", why=f"the captions are of another modality or part of the body ({', '.join(foreign[:4])})"
    )


def agreement(sitting: Sitting) -> float | None:
    """Mean correlation of the leads that the seeds' encoders give to pictures with a lesion; None for one seed."""
    pairs = list(combinations([np.asarray(one.of(FINDING, OTHERS, "without")) for one in sitting.after], 2))
    found = [float(np.corrcoef(a, b)[0, 1]) for a, b in pairs if a.std() and b.std()]
    return float(np.mean(found)) if found else None


def _why_unread(readings: Sequence[Reading]) -> str:
    if not readings:
        return "medkt draws no picture of this part of the body; give studies of your own with --probe"
    return f"nothing can be drawn of the first caption: {readings[0].why_not}; give studies of your own with --probe"


def _unexamined(
    one: TransferResult,
    known: Sequence[Concept],
    drawn: Sitting | None,
    probed: Sitting | None,
    readings: Sequence[Reading],
    learned: Sequence[TransferResult],
    level: Level,
    *,
    second: bool,
    settled: bool,
) -> tuple[str, ...]:
    said = []
    if probed is None:
        said.append("pictures of patients: no probe was given, and drawn pictures are simpler than studies")
    if drawn is None:
        said.append("drawn pictures of what the captions say")
    else:
        readable = [reading for reading in readings if not reading.why_not]
        said += [f"the caption {r.text!r}: {r.why_not}" for r in readings if r.why_not]
        said += [f"the caption {r.text!r}: one caption is drawn, the first that can be" for r in readable[1:]]
        undrawn = [other.id for other in known if other.id not in drawn.before.known]
        said += [f"known findings that medkt does not draw: {', '.join(undrawn)}"] if undrawn else []
        said.append("size, number, margin and place: the other lesions differ in shape, brightness or texture")
    if len(learned) == 1:
        said.append("whether another seed learns the same (--seeds 3)")
    left = [control.name for control in CONTROLS if level == "quick" and not control.quick]
    said += [f"the controls of --audit full: {', '.join(left)}"] if left else []
    said += (
        []
        if settled
        else [
            "how far a normal study is to be led over: none is drawn or given, so that its handicap is 0 by every way"
        ]
    )
    said += [] if second else ["whether another encoder takes the images for what they were made from (--second MODEL)"]
    said.append("masks: presence alone is asked")
    return tuple(said)


def _sitting(sitting: Sitting, kept: int) -> dict[str, Any]:
    after = sitting.after[kept]
    return {
        "set on": sitting.what,
        "pictures": {kind: sitting.before.kinds.count(kind) for kind in dict.fromkeys(sitting.before.kinds)},
        "before": _marked(sitting.before),
        "after": _marked(after),
        "change of the net share": _interval(net_share(after, sitting.before)),
        "after, each seed": [_number(net_share(one).estimate) for one in sitting.after],
        "agreement of seeds": None if (found := agreement(sitting)) is None else _number(found),
        "asking without learning": {name: _marked(marks) for name, marks in sitting.ways.items()},
        "learned, asked by each way": {name: _marked(marks) for name, marks in sitting.learned_ways.items()},
        "controls": {
            name: {**_marked(marks), "learned less control": _interval(net_share(after, marks))}
            for name, marks in sitting.controls.items()
        },
        "known findings that take the name": {name: _number(after.share(name)) for name in after.known},
    }


def _marked(marks: Marks) -> dict[str, Any]:
    """The net share, the shares that it is made of, and the area under the curve of the lead against each kind."""
    groups = {(kinds[0] if kinds[0] in (OTHERS, NORMAL, "without") else "known"): kinds for kinds in groups_of(marks)}
    return {
        "net share": _interval(net_share(marks)),
        "called by the name": {
            "finding": _number(marks.share(FINDING)),
            **{name: _number(marks.share(*kinds)) for name, kinds in groups.items()},
        },
        "AUC of the lead": {name: _number(marks.auc(*kinds)) for name, kinds in groups.items()},
        "AUC of the lead, 95 %": {name: _interval(area(marks, *kinds)) for name, kinds in groups.items()},
    }


def _change(before: Sequence[Answers], after: Sequence[Answers], what: str) -> dict[str, Any]:
    return _change_of([getattr(one, what) for one in before], [getattr(one, what) for one in after])


def _change_of(before: list[float], after: list[float]) -> dict[str, Any]:
    gains = [b - a for a, b in zip(before, after, strict=True)]
    return {"before": _spread(before), "after": _spread(after), "change": _spread(gains)}


def _spread(values: list[float]) -> dict[str, Any]:
    found = student_interval(np.array(values, dtype=np.float64))
    return {"mean": _number(found.estimate), "low": _number(found.low), "high": _number(found.high), "of": len(values)}


def _interval(found: Interval) -> dict[str, Any]:
    return {"estimate": _number(found.estimate), "low": _number(found.low), "high": _number(found.high)}


def _kept(kept: Retention) -> dict[str, Any]:
    found = wilson(kept.same, kept.of)
    return {"kept": kept.same, "of": kept.of, "low": _number(found.low), "high": _number(found.high)}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
