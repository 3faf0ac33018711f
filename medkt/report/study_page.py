"""One study's result as one HTML file that opens from disk: no network, no script, pictures inside."""

import math
from collections.abc import Iterator, Mapping
from itertools import chain

from medkt.facts import TaughtFacts
from medkt.metrics import LesionMeasures
from medkt.report.render import render_page
from medkt.report.sections import (
    Details,
    Figure,
    Heading,
    HtmlPage,
    Notes,
    PagePart,
    Section,
    ShadedText,
    ShadedWord,
    Table,
    Text,
    TextLine,
    TextSpan,
    picture_address,
)
from medkt.report.study_record import (
    CalibrationRecord,
    FindingRecord,
    ModelsRecord,
    StudyRecord,
    TextMapsRecord,
    TextRecord,
)
from medkt.spatial.completeness import Completeness

_FINDINGS = ("Finding", "Decision", "Score", "Lesions, long x short axis", "Slices", "Depends on the words")
_WHAT_A_LESION_IS = (
    "A lesion is a connected part of the mask: voxels that share a face, an edge or a corner; in a clip, those of one frame. Long and "
    'short axis lie in the slice in which the long one is longest. "At least": the lesion reaches the edge of what was looked at and may '
    "go on outside."
)
_WHAT_IS_SHOWN = (
    "For each finding its clearest slice: the image; where the words point (brighter is more); the outline in the finding's colour with "
    "the boxes (blue) that the segmenter was given"
)
_SIDES = " The patient's right is on the left of an axial or coronal picture."
_WITHOUT_SIDES = ("as stored", "single plane")  # orientations
_HOW_WORDS_ARE_READ = (
    "Each prompt by itself, held against the plane that scores highest: the darker the shade, the more of the word has to pass for the "
    "text to go on matching the image; framed words are the text's foreground. Nats are summed over the pieces that a word is read as; "
    "its weight is by nats a piece, lest a word weigh more for being cut small. Special tokens stand apart. \"Depends on the image\" "
    'compares with the same text before a picture of noise: 0 is the same map, whatever is seen. "Agrees with itself" compares two '
    "halves of the noise drawn: near 1 it has no part in the map."
)  # fmt: skip


def render_study(record: StudyRecord, *, settings: str, pictures: Mapping[str, bytes]) -> str:
    """The page of one result.

    Args:
        record: the result.
        settings: all of them, as YAML.
        pictures: PNGs by their alternative text.
    """
    names, encoder = ", ".join(one.name for one in record.findings), record.models.encoder
    taught = ", ".join(concept for one in encoder.taught for concept in one.concepts)
    model = f"model {encoder.name}{', taught ' if taught else ''}{taught}"
    sections = (
        Section(key="findings", title="Findings", parts=tuple(_findings(record))),
        Section(key="scores", title="Scores against the reference", parts=tuple(_scores(record))),
        Section(key="pictures", title="Pictures", parts=tuple(_pictures(record, pictures))),
        Section(key="words", title="Words that the score rests on", parts=tuple(_words(record))),
        Section(key="warnings", title="What to keep in mind", parts=tuple(_warnings(record))),
        Section(key="made", title="How it was made", parts=tuple(_made(record, settings))),
    )
    return render_page(
        HtmlPage(
            title=record.case, heading=f"{record.domain_title}: {names}", sections=sections,
            byline=f"{record.case} · medkt {record.medkt} · {model}", demonstration=record.demonstration or "",
        )
    )  # fmt: skip


def number_text(value: float | None, digits: int) -> str:
    """A number with so many digits after the point; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _findings(record: StudyRecord) -> Iterator[PagePart]:
    rows = [
        (
            _named(one), _decision(one), number_text(one.score, 2), one.size_text, str(one.slices_with_mask),
            number_text(one.specificity, 2),
        )
        for one in record.findings
    ]  # fmt: skip
    yield Table(caption="Findings", head=_FINDINGS, rows=rows, numbers=(2, 4, 5), captioned=False)
    yield Text(text=_WHAT_A_LESION_IS, style="quiet")
    yield from (_lesions(one) for one in record.findings if one.measures.lesion_count > 1)


def _named(one: FindingRecord) -> TextLine:
    if not one.words_notes:
        return one.name
    notes = ", ".join(one.words_notes).replace("_", " ")
    return one.name, TextSpan(text=f"its words, see below: {notes}", look="strong", below=True)


def _decision(one: FindingRecord) -> TextLine:
    """What is said, why, and by whose calibration."""
    state = TextSpan(text=one.decision, look="bad" if one.decision == "seen" else "strong" if one.no_claim else "")
    said = (state, _below(one.reason))
    return said if one.calibration is None else (*said, _below(_decided(one.calibration, asked=bool(one.no_claim))))


def _decided(rule: CalibrationRecord, *, asked: bool) -> str:
    probability = number_text(rule.probability, 2)
    return (
        f"{'asked of' if asked else 'decided by'} the calibration of site {rule.site} ({rule.calibration_normals} normals, "
        f"{rule.calibration_findings} with the finding): at most {round(100 * rule.false_positive_rate, 2)} % of normals are called "
        f"seen; p-value {number_text(rule.p_value, 3)}"
        + ("" if rule.probability is None else f", probability {probability} at the share of findings in the calibration")
    )  # fmt: skip


def _lesions(one: FindingRecord) -> Details:
    found = one.measures
    head = (
        "Lesion", f"Long axis, {found.unit}", "Short axis", "Volume, mL", f"Largest cross-section, {found.unit}²", "Plane",
        "Cut by an edge",
    )  # fmt: skip
    listed, count = len(found.lesions), found.lesion_count
    more = f", the {listed} largest of {count}" if listed < count else ""
    rows = [(str(place), *_lesion(lesion)) for place, lesion in enumerate(found.lesions, start=1)]
    table = Table(caption=f"Lesions of {one.name}", head=head, rows=rows, numbers=range(6), captioned=False)
    return Details(summary=f"The lesions of {one.name}{more}", parts=(table,))


def _lesion(one: LesionMeasures) -> tuple[str, ...]:
    return (
        number_text(one.long_axis, 1), number_text(one.short_axis, 1), number_text(one.volume_ml, 2), number_text(one.area, 0),
        str(one.slice_index), "yes" if one.touches_border else "no",
    )  # fmt: skip


def _scores(record: StudyRecord) -> Iterator[PagePart]:
    lines: list[TextLine] = []
    for one in record.findings:
        if (found := one.reference_scores) is not None:
            numbers = ", ".join(f"{name} {number_text(value, 3)}" for name, value in found.numbers.items())
            rule = [f"inside the reference: {found.reference_rule}"] if found.reference_rule else []
            missing = (f"{name}: {reason}" for name, reason in found.missing.items())
            lines.append((f"{one.name}: {numbers}", *map(_below, (*rule, *missing))))
    if lines:
        yield Notes(lines=tuple(lines))


def _pictures(record: StudyRecord, pictures: Mapping[str, bytes]) -> Iterator[PagePart]:
    if pictures:
        dotted = "; the reference dotted green" if record.reference else ""
        sides = "" if record.orientation in _WITHOUT_SIDES else _SIDES
        yield Text(text=f"{_WHAT_IS_SHOWN}{dotted}.{sides}", style="quiet")
    yield from (Figure(image=picture_address(png), alt=alt) for alt, png in pictures.items())


def _words(record: StudyRecord) -> Iterator[PagePart]:
    mapped = [(one.name, one.text_maps) for one in record.findings if one.text_maps is not None]
    if mapped:
        yield Text(text=_HOW_WORDS_ARE_READ, style="quiet")
    for name, maps in mapped:
        yield Heading(text=f"{name}, plane {maps.plane}" if record.planes > 1 else name)
        yield from chain.from_iterable(_text(one, maps) for one in maps.texts)


def _text(text: TextRecord, maps: TextMapsRecord) -> Iterator[PagePart]:
    """One prompt with its words shaded, and their numbers on demand."""
    shaded = (
        ShadedWord(text=one.word, shade=one.unit or 0.0, framed=one.inside, note=f"{number_text(one.nats, 2)} nats")
        for one in text.words
    )
    yield ShadedText(words=tuple(shaded), note="(cut off here)" if text.cut_off else "")
    words = [
        (one.word, str(one.pieces), number_text(one.nats, 2), number_text(one.unit, 2), "yes" if one.inside else "no")
        for one in text.words
    ]
    apart = [
        ((TextSpan(text=f"{one.token}, special", look="quiet"),), "", number_text(one.nats, 2), "", "")
        for one in text.tokens
        if one.special
    ]
    head = ("Word", "Pieces", "Nats", "Weight, 0 to 1", f"Foreground ({maps.mask_rule})")
    table = Table(caption=f"Words of {text.text}", head=head, rows=[*words, *apart], numbers=(1, 2, 3), captioned=False)
    yield Details(summary=_in_short(text), parts=(table,))


def _in_short(text: TextRecord) -> str:
    return (
        f"depends on the image {number_text(text.depends_on_image, 2)}, agrees with itself {number_text(text.agrees_with_itself, 2)}; "
        f"cosine {number_text(text.cosine, 3)}, with noise {number_text(text.cosine_of_control, 3)}; the numbers"
    )


def _warnings(record: StudyRecord) -> Iterator[PagePart]:
    if record.warnings:
        yield Notes(lines=record.warnings)


def _made(record: StudyRecord, settings: str) -> Iterator[PagePart]:
    rows = [*_read(record), *_models(record.models), *_settled(record)]
    yield Table(caption="How it was made", rows=rows, captioned=False)
    yield Details(summary="All settings", text=settings)


def _read(record: StudyRecord) -> Iterator[tuple[str, TextLine]]:
    """What was read, and the words that were asked."""
    found, shape = record.input, " × ".join(map(str, record.input.shape))
    spacing = " × ".join(str(round(one, 4)) for one in found.spacing)
    planes = f"{record.planes_scored} of {record.planes} planes scored, {record.orientation}"
    yield (
        "Input",
        f"{found.source}, {shape} voxels (slices × rows × columns), spacing {spacing} {found.unit}, {planes}",
    )
    yield "Shown as", record.intensity
    if found.completeness is not None:
        yield "Files of the input", _files(found.completeness)
    yield "Steps on reading", "; ".join(found.steps) or "none"
    yield from ((f"Words for {one.name}", " · ".join(one.prompts)) for one in record.findings)


def _files(found: Completeness) -> str:
    """How many files were used, and why the others were not."""
    reasons = [f"{count} {reason}" for reason, count in found.passed_over.items()]
    lost = [f"{count} {reason} (not explained)" for reason, count in found.unexplained.items()]
    return "; ".join([f"{found.used} of {found.entries} used", *reasons, *lost])


def _models(models: ModelsRecord) -> Iterator[tuple[str, TextLine]]:
    encoder, segmenter = models.encoder, models.segmenter
    digest = encoder.digest or "none: generated weights"
    yield "Encoder", (f"{encoder.name}, {encoder.licence}", _below(f"SHA-256 {digest}"))
    for one in encoder.taught:
        yield f"Taught for {', '.join(one.concepts)}", _taught(one, encoder.digest)
    yield "Segmenter", (segmenter.name, _below(f"SHA-256 {segmenter.digest or 'none'}"))


def _taught(one: TaughtFacts, digest: str) -> TextLine:
    how = "as it is" if one.adapted_digest == digest else "with what was learnt laid over it"
    ways = ", ".join(f"{way} ({concept})" for concept, way in one.ways.items())
    packages = (f"package: SHA-256 {package}" for package in one.packages)
    asked = f"encoder that was asked: SHA-256 {one.adapted_digest}"
    return f"the encoder {how}{'; asked by ' if ways else ''}{ways}", *map(_below, (*packages, asked))


def _settled(record: StudyRecord) -> Iterator[tuple[str, TextLine]]:
    yield "Digest of the input", (TextSpan(text=f"SHA-256 {record.input.digest}", look="quiet"),)
    tuned = (", ", TextSpan(text="tuned on labels", look="strong")) if record.label_tuned else ()
    published = (TextSpan(text=str(record.as_published["words"]), below=True),) if record.as_published else ()
    yield "Settings", (record.preset, *tuned, *published)
    yield "Guard", record.guard or "none: no answer was held back"
    yield "Seconds", ", ".join(f"{name} {number_text(value, 2)}" for name, value in record.seconds.items())


def _below(text: str) -> TextSpan:
    """A quiet line below another one."""
    return TextSpan(text=text, look="quiet", below=True)
