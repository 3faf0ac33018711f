"""One reader of masks: the same file has the same verdict at every door, and no verdict is silent."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from mask_inputs import INPUTS, MaskInput
from pydicom import dcmread

from medkt.datasets.case import Case
from medkt.datasets.reference import reference_mask
from medkt.errors import AmbiguousInputError, InputError
from medkt.io import read_image, read_mask
from medkt.io.mask_choice import MaskChoice
from medkt.pipeline import run as pipeline_run
from medkt.spatial import Mask
from medkt.tasks.cases import CaseWork
from medkt.tasks.masks.pairs import MaskRunnerFactory


def python(mask: Path, image: Path, key: str) -> Mask:
    choice = MaskChoice.parse(key)
    if choice.threshold is not None and choice.at_least:
        return read_mask(mask, like=read_image(image), threshold=choice.threshold)
    return read_mask(mask, like=read_image(image), label=key or None)


def reference_folder(mask: Path, image: Path, key: str) -> Mask:
    """The references of two folders; the prediction beside it is the same file."""
    choice = MaskChoice.parse(key)
    work = CaseWork(key="a", number=1, case=Case(case_id="a", image=mask, references=(mask,), reference_kind="mask"))
    reference, prediction = MaskRunnerFactory(reference=choice, prediction=choice)().read(work)
    assert (reference.values == prediction.values).all()
    return reference


def manifest(mask: Path, image: Path, key: str) -> Mask:
    return reference_mask(Case(case_id="a", image=image, references=(mask,), reference_kind="mask", reference_key=key))


def segment_reference(mask: Path, image: Path, key: str) -> Mask:
    """`medkt segment --reference`, with the models left out: what `Pipeline.score` reads."""
    return pipeline_run.reference_of(read_image(image), mask, MaskChoice.parse(key))


DOORS: dict[str, Callable[[Path, Path, str], Mask]] = {
    "Python": python, "two folders": reference_folder, "manifest": manifest, "segment --reference": segment_reference,
}  # fmt: skip


def verdict(door: str, mask: Path, image: Path, key: str) -> tuple[int | None, str]:
    """How many voxels are inside and by which rule; or None and the error."""
    try:
        found = DOORS[door](mask, image, key)
    except (InputError, AmbiguousInputError) as error:
        return None, str(error)
    return int(found.values.sum()), "; ".join(found.provenance.steps)


@pytest.mark.parametrize("given", INPUTS, ids=[f"{number} {one.name}" for number, one in enumerate(INPUTS)])
def test_one_verdict_at_every_door(given: MaskInput, tmp_path: Path) -> None:
    mask, image = given.make(tmp_path)
    for door in DOORS:
        inside, says = verdict(door, mask, image, given.key)
        assert inside == given.inside, (door, says)
        assert given.says in says, door
        assert inside is not None or "mask." in says, door  # an error names the file


def test_the_background_of_a_map_of_labels_is_the_value_that_it_names(tmp_path: Path) -> None:
    given = next(one for one in INPUTS if one.name == "SEG of labels, two segments")
    path, _ = given.make(tmp_path)
    seg = dcmread(path)
    labels = seg.pixel_array.copy()
    labels[labels == 0] = 3
    seg.PixelData = labels.tobytes()
    seg.PixelPaddingValue = 3
    background = deepcopy(seg.SegmentSequence[-1])
    background.SegmentNumber, background.SegmentLabel = 3, "Background"
    seg.SegmentSequence = [*(one for one in seg.SegmentSequence if one.SegmentNumber), background]
    seg.save_as(path)
    found = read_mask(path, label="all")
    assert (int(found.values.sum()), found.provenance.steps) == (16, ("segments 1+2",))
