"""What a name means, against plain counting; and that whoever learns "odd, none of the known" means nothing by it."""

import json
import math

import numpy as np
import pytest

from medkt.audit.exam import Marks
from medkt.audit.meaning import areas_said, meaning_of, told

KNOWN = ("us_cyst", "us_lipoma")
KINDS = (*["finding"] * 12, *["others"] * 15, *["normal"] * 9, *["us_cyst"] * 6, *["us_lipoma"] * 6)


def drawn(seed: int, finding: float = 0.0, others: float = 0.0, normal: float = 0.0) -> Marks:
    """Leads around these means, on a grid so coarse that some are equal."""
    rng = np.random.default_rng(seed)
    means = np.array([{"finding": finding, "others": others, "normal": normal}.get(kind, -1.0) for kind in KINDS])
    return Marks(leads=np.round(rng.normal(means, 0.5), 1), kinds=KINDS, known=KNOWN)


@pytest.mark.parametrize("seed", range(4))
def test_every_measure_is_what_plain_counting_gives(seed: int) -> None:
    marks = drawn(seed, finding=0.4, normal=-0.3)
    right = np.random.default_rng(seed).random(len(KINDS)) < 0.7
    found = meaning_of(marks, right=right)
    leads = {kind: [lead for lead, one in zip(marks.leads, KINDS, strict=True) if one == kind] for kind in KINDS}

    def won(kind: str) -> float:
        pairs = [(a > b) + 0.5 * (a == b) for a in leads["finding"] for b in leads[kind]]
        return sum(pairs) / len(pairs)

    def taken(kind: str) -> float:
        return sum(lead > 0 for lead in leads[kind]) / len(leads[kind])

    kept = [r and lead <= 0 for lead, kind, r in zip(marks.leads, KINDS, right, strict=True) if kind in KNOWN]
    assert found.auc_others.estimate == pytest.approx(won("others"))
    assert found.auc_normals.estimate == pytest.approx(won("normal"))
    assert found.accuracy.estimate == pytest.approx(taken("finding"))
    assert found.others_taken.estimate == pytest.approx(taken("others"))
    assert found.normals_taken.estimate == pytest.approx(taken("normal"))
    assert found.known_kept.estimate == pytest.approx(sum(kept) / len(kept))
    for one in found.as_json().values():
        assert one["low"] <= one["estimate"] <= one["high"]  # type: ignore[operator]
    json.dumps(found.as_json(), allow_nan=False)


def test_odd_and_none_of_the_known_has_accuracy_and_no_meaning() -> None:
    """All that is not known is called by the name: the weak measure is 1, the two areas are a guess."""
    leads = np.where(np.isin(np.array(KINDS), KNOWN), -1.0, 1.0)
    found = meaning_of(Marks(leads=leads, kinds=KINDS, known=KNOWN), right=np.ones(len(KINDS), bool))
    assert (found.accuracy.estimate, found.known_kept.estimate) == (1, 1)
    assert (found.auc_others.estimate, found.auc_normals.estimate) == (0.5, 0.5)
    assert (found.others_taken.estimate, found.normals_taken.estimate) == (1, 1)


def test_a_bias_moves_shares_and_no_area() -> None:
    marks = drawn(0, finding=0.4)
    moved = Marks(leads=marks.leads - 0.3, kinds=KINDS, known=KNOWN)
    before, after = meaning_of(marks), meaning_of(moved)
    assert after.auc_others == before.auc_others
    assert after.accuracy.estimate < before.accuracy.estimate


def test_what_is_not_there_is_null() -> None:
    found = meaning_of(Marks(leads=np.array([1.0, -1.0]), kinds=("finding", "without"))).as_json()
    assert found["auc_others"] == {"estimate": None, "low": None, "high": None}
    assert found["known_kept"]["estimate"] is None
    assert found["accuracy"]["estimate"] == 1


def test_the_line_tells_the_way_of_asking_that_ranks_best() -> None:
    after, name, best = drawn(1, finding=0.4), drawn(2), drawn(3, finding=2.0)
    line = told(after, {"name": name, "virtual": best}, set_on="drawn pictures")
    area = meaning_of(after).auc_others
    assert line.startswith(
        f"what the name means, AUC of its lead on drawn pictures: {area.estimate:.2f} ({area.low:.2f}"
    )
    assert f"; asked by virtual without learning: {areas_said(best)}" in line
    assert "against lesions that are neither it nor known, " in line
    assert told(Marks(leads=np.ones(2), kinds=("finding", "us_cyst"), known=("us_cyst",)), {}, set_on="nothing") == ""


def test_a_probe_is_told_by_its_own_kind() -> None:
    probe = Marks(leads=np.array([1.0, 0.5, 0.0, 0.7]), kinds=("finding", "finding", "without", "without"))
    assert areas_said(probe).startswith("0.75 (")
    assert areas_said(probe).endswith("against studies without it")
    apart = Marks(leads=np.array([1.0, 0.5, 0.0]), kinds=("finding", "finding", "without"))
    assert areas_said(apart) == "1.00 (no interval) against studies without it"
    assert math.isnan(meaning_of(apart).auc_normals.estimate)
