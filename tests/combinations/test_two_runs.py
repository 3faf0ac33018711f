"""Two runs over the same cases whose masks were scored otherwise: a difference that is none of the predictions is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medkt.errors import InputError
from medkt.requests.compare import compare
from medkt.requests.evaluate import evaluate

CASES, MANY = 6, {"resamples": 200}
SHAPE, SPACING = (9, 11, 7), (0.8, 1.1, 2.5)
Masks = Callable[..., Path]


def _save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), np.diag([*SPACING, 1])), path)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References of two labels and two sets of predictions of one; in `none` the last case shows nothing."""
    root = tmp_path_factory.mktemp("masks")
    for number in range(CASES):
        reference = np.zeros(SHAPE)
        reference[2:5, 2:8, 1:5] = 1
        reference[5:7, 2:8, 1:5] = 2
        name = f"case{number}.nii.gz"
        _save(root / "reference" / name, reference)
        _save(root / "none" / name, reference == 1 if number < CASES - 1 else np.zeros(SHAPE))
        for what, start in (("first", 3), ("second", 2)):
            predicted = np.zeros(SHAPE)
            predicted[start : 5 + number % 2, 2:8, 1:5] = 1
            _save(root / what / name, predicted)
    return root


def _run(masks: Path, path: Path, predictions: str, *, references: str = "reference", **options: Any) -> Path:
    salt = {"salt": path.parent / "one" / "salt"} if path.name != "one" else {}
    evaluate(
        reference=masks / references, prediction=masks / predictions, output=path, tolerance="1mm", **MANY, **salt, **options,
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"reference_label": "1"}, {"reference_label": "1+2"}),  # both have a mask, another one
        ({"reference_label": "all"}, {"reference_label": "2"}),
        ({"references": "none"}, {"reference_label": "1"}),  # of one case alone: nothing, and a mask
    ],
)
def test_other_references_are_refused(one: dict[str, Any], other: dict[str, Any], masks: Path, tmp_path: Path) -> None:
    first, second = _run(masks, tmp_path / "one", "first", **one), _run(masks, tmp_path / "two", "second", **other)
    moved = 1 if "references" in one else CASES
    with pytest.raises(InputError, match=rf"^{moved} cases have another reference in the second run .*score both runs"):
        compare(first=first, second=second, **MANY)


@pytest.mark.slow
def test_another_rule_is_refused_where_it_decides_a_number(masks: Path, tmp_path: Path) -> None:
    rules = ("standard", "agreement-counts")
    for references, decides in (("none", True), ("reference", False)):
        home = tmp_path / references
        label = {} if decides else {"reference_label": "1"}
        runs = [
            _run(masks, home / name, predictions, references=references, empty=rule, **label)
            for name, predictions, rule in zip(("one", "two"), ("first", "second"), rules, strict=True)
        ]
        if decides:
            with pytest.raises(
                InputError, match="the rule for empty masks is standard in the first and agreement-counts"
            ):
                compare(first=runs[0], second=runs[1], **MANY)
        else:
            assert compare(first=runs[0], second=runs[1], **MANY).lines


@pytest.mark.slow
def test_the_same_references_in_files_of_another_kind_of_number_are_compared(masks: Path, tmp_path: Path) -> None:
    """Against the mean of the cases' differences, counted by hand: each case is a patient of its own."""
    for number in range(CASES):
        name = f"case{number}.nii.gz"
        values = np.asarray(nibabel.load(masks / "reference" / name).dataobj) == 1
        image = nibabel.Nifti1Image(values.astype(np.float32) * 255, np.diag([*SPACING, 1]))
        (tmp_path / "again").mkdir(exist_ok=True)
        nibabel.save(image, tmp_path / "again" / name)
    first = _run(masks, tmp_path / "one", "first", reference_label="1")
    second = tmp_path / "two"
    evaluate(
        reference=tmp_path / "again",
        prediction=masks / "second",
        output=second,
        salt=first / "salt",
        tolerance="1mm",
        **MANY,
    )
    found = next(line for line in compare(first=first, second=second, **MANY).lines if line.comparison.metric == "dsc")
    # 3 columns of the reference; the first predicts 2 or 3 of which 2 are inside, the second 3 or 4 of which 3 are
    wanted = np.mean([2 * 3 / (3 + more) - 2 * 2 / (3 + less) for more, less in [(3, 2), (4, 3)] * (CASES // 2)])
    assert found.comparison.mean.estimate == pytest.approx(wanted, abs=1e-6)
    assert found.comparison.cases == CASES
