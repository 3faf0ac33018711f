"""What is inside a mask, by its values: whole numbers of few kinds, or an error that says what to state.

Nothing is guessed. One label is inside. Several labels, fractions, negative values, many levels, a mask without an
outside: each could be meant in two ways, so each needs a word of the user's (`MaskChoice`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.errors import InputError
from medkt.io.mask_choice import MaskChoice
from medkt.shapes import MaskVoxels, Voxels

WHOLE = 1e-4  # a stored 1 that a scaling made 0.99999 is a 1; beside 0 nothing is taken for 0
MOST_LEVELS = 64  # a mask with more values than this is a photograph of something
MOST_BETWEEN = 0.25  # part of the pixels between black and white: edges stay far below it, photographs far above
JPEG_THRESHOLD = 128  # JPEG blurs the edge of a 0/255 mask
LISTED = 6
SAY_LABEL = "say which is meant: --label {one}, or {one}+{two} for both, or all (label=..., column reference_key)"
SAY_THRESHOLD = "say where to cut it: --threshold {cut} (threshold={cut}, column reference_key >={cut})"


@dataclass(frozen=True, slots=True, eq=False)
class Foreground:
    """What is inside, (slices, rows, columns) bool, and by which rule."""

    values: MaskVoxels
    rule: str


def inside_of(values: Voxels, choice: MaskChoice, shown: str, *, lossy: bool = False) -> Foreground:
    """The voxels that are inside.

    Args:
        values: as the file holds them.
        choice: what the user said of them.
        shown: how to name the file in messages.
        lossy: saved as JPEG, which has no labels and a known threshold.

    Raises:
        InputError: the values are no mask, or could be meant in two ways.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(
            f"{shown}: {int((~np.isfinite(values)).sum())} voxels are NaN or infinite; replace them",
            code="mask-unclear",
        )
    if lossy:
        choice = _for_jpeg(choice, shown)
    made = _cut(values, choice, shown) if choice.threshold is not None else _labelled(values, choice, shown)
    if made.values.all() and not choice.labels:  # who names the label knows what is in the file
        raise InputError(
            f"{shown}: every voxel is inside; is it a mask, or an image saved as one? If it is meant so, name its label "
            "(--label, label=..., column reference_key)",
            code="mask-unclear",
        )
    return replace(made, rule=f"{made.rule} (JPEG)") if lossy else made


def _for_jpeg(choice: MaskChoice, shown: str) -> MaskChoice:
    if choice.labels or choice.every:
        raise InputError(
            f"{shown}: is a JPEG, which changes label values on saving; save the mask as PNG or NIfTI, or give a threshold",
            code="mask-unclear",
        )
    return choice if choice.threshold is not None else MaskChoice(threshold=float(JPEG_THRESHOLD), at_least=True)


def _labelled(values: Voxels, choice: MaskChoice, shown: str) -> Foreground:
    levels = levels_of(values)
    if len(levels) > MOST_LEVELS and not choice.said:
        _refuse_many(values, shown)
    _require_whole(values, levels, shown)
    if choice.labels:
        inside = _any_of(values, choice.labels)
        lacking = "" if inside.any() else ", which it does not hold"
        return Foreground(inside, choice.words() + lacking)
    _require_none_below(levels, shown)
    if choice.every:
        return Foreground(values > 0, choice.words())
    labels = sorted({round(level) for level in levels})
    if len(labels) > 1:
        _refuse_several(labels, values, shown)
    return Foreground(values > 0, f"its only label, {labels[0]}" if labels else "nothing is inside")


def levels_of(values: Voxels, most: int = MOST_LEVELS) -> dict[float, int]:
    """How many voxels have each value besides 0; ends once there are more than `most`."""
    found: dict[float, int] = {}
    for plane in values:
        numbers, counts = np.unique(plane[plane != 0], return_counts=True)
        for number, count in zip(numbers[: most + 1].tolist(), counts.tolist(), strict=False):
            found[float(number)] = found.get(float(number), 0) + count
        if len(found) > most:
            break
    return found


def _require_whole(values: Voxels, levels: dict[float, int], shown: str) -> None:
    if values.dtype.kind != "f":
        return
    fractions = [level for level in levels if not _whole(np.array([level]))[0]]
    if not fractions and len(levels) > MOST_LEVELS:  # of so many only the first were listed
        fractions = [float(level) for plane in values for level in plane[(plane != 0) & ~_whole(plane)][:1]][:1]
    if not fractions:
        return
    highest = float(values.max())
    cut = 0.5 if highest <= 1 + WHOLE else highest / 2
    raise InputError(
        f"{shown}: holds values that are no labels, such as {_listed(sorted(fractions, key=abs)[:2])}: probabilities, or what "
        f"resampling left of a mask; {SAY_THRESHOLD.format(cut=f'{cut:g}')}",
        code="mask-unclear",
    )


def _whole(plane: NDArray[Any]) -> NDArray[np.bool_]:
    """Where values are whole numbers; not where they are next to 0 and not 0."""
    nearest = np.rint(plane)
    return np.asarray((nearest != 0) & (np.abs(plane - nearest) <= WHOLE))


def _require_none_below(levels: dict[float, int], shown: str) -> None:
    below = sorted(level for level in levels if level < 0)
    if below:
        raise InputError(
            f"{shown}: holds {_listed(below)} in {sum(levels[one] for one in below)} voxels: a negative value may be the "
            "finding, or what nobody looked at; say which label is inside, such as --label 1 (label=..., column reference_key), "
            "or write those voxels as 0",
            code="mask-unclear",
        )


def _refuse_several(labels: list[int], values: Voxels, shown: str) -> None:
    say = SAY_LABEL.format(one=labels[0], two=labels[1])
    if values.shape[0] == 1 and labels[-1] == 255:  # a picture: grey levels of an edge look like labels
        say += "; if they are the soft edge of one mask, --threshold 128"
    raise InputError(f"{shown}: holds {len(labels)} labels, {_listed(labels)}; {say}", code="mask-unclear")


def _refuse_many(values: Voxels, shown: str) -> None:
    _require_whole(values, levels_of(values), shown)
    raise InputError(
        f"{shown}: more than {MOST_LEVELS} different values, a mask has few; are images and masks swapped? Of a map of many "
        "labels say which (--label 1, column reference_key 1); masks saved with loss need --threshold 128 (reference_key >127)",
        code="mask-unclear",
    )


def _any_of(values: Voxels, labels: tuple[int, ...]) -> MaskVoxels:
    inside = np.zeros(values.shape, dtype=bool)
    for label in labels:
        inside |= np.abs(values - label) <= WHOLE if values.dtype.kind == "f" else values == label
    return inside


def _cut(values: Voxels, choice: MaskChoice, shown: str) -> Foreground:
    threshold = float(choice.threshold or 0.0)
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0:
        raise InputError(
            f"{shown}: holds {lowest:g}, and what is cut at a threshold has no negative values; is it a mask?",
            code="mask-unclear",
        )
    inside: MaskVoxels = values >= threshold if choice.at_least else values > threshold
    if threshold >= 1 and highest > 0 and not inside.any():
        raise InputError(
            f"{shown}: its highest value is {highest:g}, so nothing is {choice.words()}; a 0/1 mask needs reference_key >0, or no threshold at "
            "all",
            code="mask-unclear",
        )
    if highest > 1 + WHOLE:
        _require_two_tones(values, highest, shown)
        if 0 < threshold < 1 and len(levels_of(values, 1)) > 1:
            raise InputError(
                f"{shown}: goes up to {highest:g} and holds more than two values, so a threshold of {threshold:g} takes all "
                f"that is not 0; give one in its own range, such as {highest / 2:g}, or a label",
                code="mask-unclear",
            )
    return Foreground(inside, choice.words())


def _require_two_tones(values: Voxels, highest: float, shown: str) -> None:
    """A mask that is cut at a threshold is nearly all black and white, whatever its edges became on saving."""
    between = float(((values > 0.1 * highest) & (values < 0.9 * highest)).mean())
    if between > MOST_BETWEEN:
        raise InputError(
            f"{shown}: {between:.0%} of its pixels are neither black nor white; are images and masks swapped?",
            code="mask-unclear",
        )


def _listed(levels: list[Any]) -> str:
    more = f" and {len(levels) - LISTED} more" if len(levels) > LISTED else ""
    return ", ".join(f"{level:g}" for level in levels[:LISTED]) + more
