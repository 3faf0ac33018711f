"""The rule, on answers that are written down: what each of its points says, and that none is passed over."""

import numpy as np
import pytest

from medkt.audit.exam import Marks
from medkt.audit.verdict import (
    SIMILARITY_FLOOR,
    Verdict,
    beaten_by_asking,
    below_floor,
    decide,
    net_share,
    renamed,
)

KNOWN = ("us_cyst", "us_lipoma")
KINDS = (*["finding"] * 40, *["others"] * 40, *["normal"] * 20, *["us_cyst"] * 8, *["us_lipoma"] * 8)


def marks(finding: float, others: float = 0.0, normal: float = 0.0, cyst: float = 0.0, lipoma: float = 0.0) -> Marks:
    """The first part of each kind is called by the name."""
    parts = [(40, finding), (40, others), (20, normal), (8, cyst), (8, lipoma)]
    leads = [np.where(np.arange(count) < round(share * count), 0.1, -0.1) for count, share in parts]
    return Marks(leads=np.concatenate(leads), kinds=KINDS, known=KNOWN)


def test_the_net_share_is_worked_out_by_hand() -> None:
    found = net_share(marks(0.8, others=0.25, normal=0.1, cyst=0.5))  # known: 4 of 16
    assert found.estimate == pytest.approx(0.8 - (0.25 + 0.1 + 0.25) / 3)
    assert found.low < found.estimate < found.high
    assert net_share(marks(1, 1, 1, 1, 1)).estimate == net_share(marks(0)).estimate == 0
    assert net_share(marks(0.8), marks(0.8)).high == 0


def test_of_nothing_else_there_is_no_net_share() -> None:
    alone = Marks(leads=np.ones(4), kinds=("finding",) * 4)
    assert np.isnan(net_share(alone).estimate)
    assert np.isnan(alone.auc("normal"))


def test_a_lead_of_equals_counts_half() -> None:
    some = Marks(leads=np.array([1.0, 0.0, 0.0, -1.0]), kinds=("finding", "finding", "normal", "normal"))
    assert some.auc("normal") == pytest.approx((1 + 1 + 0.5 + 1) / 4)


@pytest.mark.parametrize(
    ("after", "controls", "answer", "said"),
    [
        (marks(0.9, 0.1), {"noise images": marks(0.1), "texture blobs": marks(0.9, 0.9, 0.9, 0.9, 0.9)}, "yes", "90% called by the name"),
        (marks(0.7, 0.9, 0.9, 0.5, 0.5), {}, "no", "a guess is 0"),
        (marks(0.15, 0.05, 0.1), {}, "not shown", "a guess is 0"),
        (marks(0.8, 0.1), {"altered words": marks(0.8, 0.1)}, "no", "the control altered words does as well"),
        (marks(0.8, 0.1), {"altered words": marks(0.78, 0.1)}, "not shown", "the control altered words may do as well"),
        (marks(0.8, 0.1), {"other words": marks(0.7, 0.1)}, "yes", "best control 0.67"),
        (marks(0.9, 0.1, cyst=0.9), {}, "no", "these are words for us_cyst: 88% of its drawn pictures"),
    ],
)  # fmt: skip
def test_each_point_of_the_rule_answers(after: Marks, controls: dict[str, Marks], answer: str, said: str) -> None:
    found, why = decide(after, marks(0.05), controls, set_on="drawn pictures", alike=("us_cyst",))
    assert found == answer
    assert said in why


def test_a_name_that_was_known_before_carried_nothing() -> None:
    found, why = decide(marks(0.9), marks(0.9), {}, set_on="drawn pictures")
    assert found == "no"
    assert "the base does as well: net 0.90" in why


def test_few_pictures_do_not_decide() -> None:
    few = Marks(leads=np.array([1.0, 1, -1, 1, -1, -1]), kinds=("finding",) * 3 + ("without",) * 3)
    found, why = decide(few, Marks(leads=-np.ones(6), kinds=few.kinds), {}, set_on="the user's studies")
    assert (found, "33% without the finding" in why) == ("not shown", True)


def test_a_known_finding_of_another_look_may_be_taken_and_is_named_in_the_first_line() -> None:
    after = marks(0.9, 0.1, cyst=0.75)
    found, why = decide(after, marks(0.0), {}, set_on="drawn pictures")
    assert found == "yes"
    line = Verdict(answer=found, why=why, renamed=renamed(after, marks(0.0))).line
    assert line.startswith("words carried: yes: on drawn pictures 90% called by the name")
    assert line.endswith("known findings renamed: us_cyst 75%")


def test_asking_is_told_beside_learning() -> None:
    before, good = marks(0.1), marks(0.9)
    assert beaten_by_asking(good, {"name": before, "description": marks(0.3)}) == (
        "learning beats asking without learning: net 0.30 asked by description, 0.90 learned", False,
    )  # fmt: skip
    said, beaten = beaten_by_asking(before, {"name": before, "description": good})
    assert beaten
    assert said.startswith("asking without learning does better than learning: net 0.90 asked by description")
    assert beaten_by_asking(good, {"description": good})[0].startswith("asking without learning does as well")


def test_the_floor_is_a_part_of_what_known_captions_reach() -> None:
    assert below_floor(0.41, [0.6, 0.7, 0.9], SIMILARITY_FLOOR)
    assert not below_floor(0.43, [0.6, 0.7, 0.9], SIMILARITY_FLOOR)
    assert not below_floor(0.1, [], SIMILARITY_FLOOR)
    assert not below_floor(0.1, [-0.2], SIMILARITY_FLOOR)
