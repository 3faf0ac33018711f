"""The sizes of a finding as words and as a record: always of one lesion, the largest named as such, number and sum beside it."""

from medkt.metrics import LesionMeasures, Measures
from medkt.report.study_record import MeasuresRecord

LISTED = 100  # lesions in `result.json`; the largest


def measures_record(measures: Measures) -> MeasuresRecord:
    """As `result.json` holds it: the count, the sums, the largest lesion, and a list of the largest `LISTED`."""
    return MeasuresRecord(
        unit=measures.unit, slice_axis=measures.slice_axis, mask_voxels=measures.mask_voxels,
        lesion_count=measures.lesion_count, border_count=measures.border_count, sum_volume_ml=measures.sum_volume_ml,
        sum_area=measures.sum_area, frame=measures.frame, most_in_a_frame=measures.most_in_a_frame,
        largest=measures.largest, lesions=measures.lesions[:LISTED],
    )  # fmt: skip


def size_text(measures: Measures) -> str:
    """How many lesions, the axes and the size of the largest, and what all come to; "–" for an empty mask.

    A lesion that is cut by the edge of what was looked at measures "at least" what is seen of it.
    """
    largest, count = measures.largest, measures.lesion_count
    if largest is None:
        return "–"
    axes, size = axes_text(measures), _content(largest.volume_ml, largest.area, largest.voxels, measures)
    if count == 1:
        text = f"1 lesion, {axes}, {size}"
    else:
        more = "at least " if measures.border_count else ""
        together = _content(measures.sum_volume_ml, measures.sum_area, measures.mask_voxels, measures)
        text = f"{count} lesions, largest {axes}, {size}; together {more}{together}"
    if measures.frame is None:
        return text
    most = measures.most_in_a_frame or 0
    elsewhere = f"; up to {most} in another frame" if most > count else ""
    return f"in frame {measures.frame}: {text}{elsewhere}"


def axes_text(measures: Measures) -> str:
    """Long and short axis of the largest lesion, such as "23.4 x 18.0 mm"; "–" for an empty mask."""
    return "–" if measures.largest is None else axes_of(measures.largest, measures)


def axes_of(lesion: LesionMeasures, measures: Measures) -> str:
    """Long and short axis of one lesion of these measures."""
    more = "at least " if lesion.touches_border else ""
    unit = "mm" if measures.unit == "mm" else "pixels"
    return f"{more}{lesion.long_axis:.1f} x {lesion.short_axis:.1f} {unit}"


def _content(volume_ml: float | None, area: float | None, voxels: int, measures: Measures) -> str:
    """Volume where there is one, area in one plane or frame, voxels of a stack without spacing."""
    if volume_ml is not None:
        return f"{volume_ml:.2f} mL" if volume_ml >= 0.01 else f"{volume_ml:.2g} mL"
    if area is not None and measures.sum_area is not None:
        return f"{area:.0f} {'mm²' if measures.unit == 'mm' else 'pixels'}"
    return f"{voxels} voxels"
