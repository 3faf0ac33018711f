"""Three-valued comparison of what an image shows with what a text says."""

import numpy as np
import pytest
import torch

from medkt.phantom.finding import Attributes, find
from small_model.claims import NAMES, VALUES, compare, image_bits, known_values, text_bits
from small_model.corpus import Row
from small_model.real_images import real_claims

LOOK = Attributes(
    shape="round", margin="sharp", intensity="bright", texture="uniform", size="small", number="single",
    place="upper", side="left",
)  # fmt: skip
KNOWN = ("shape", "margin", "intensity", "texture", "size", "number", "place")


def verdict(row: Row, **claims: set[str]) -> str:
    texts = text_bits([{name: frozenset(values) for name, values in claims.items()}])
    fits, contradicts = compare(torch.from_numpy(image_bits([row])), torch.from_numpy(texts))
    assert not (fits & contradicts).any()
    return "fits" if fits[0, 0] else "contradicts" if contradicts[0, 0] else "undecided"


UNNAMED = Row(domain="cxr", finding="unnamed", attributes=LOOK, known=KNOWN)
NODULE = Row(domain="cxr", finding="cxr_nodule", attributes=LOOK, known=KNOWN)
NORMAL = Row(domain="cxr", finding="", attributes=None)
TB = Row(domain="cxr", finding="real_cxr_tuberculosis", attributes=None, real="cxr_tuberculosis")


@pytest.mark.parametrize(
    ("row", "claims", "expected"),
    [
        (UNNAMED, {"shape": {"round"}, "size": {"small", "tiny"}}, "fits"),
        (UNNAMED, {"shape": {"oval"}}, "contradicts"),
        (UNNAMED, {"side": {"left"}}, "undecided"),
        (UNNAMED, {"side": {"left"}, "shape": {"oval"}}, "contradicts"),
        (UNNAMED, {"finding": {"cxr_nodule"}}, "undecided"),  # it looks like one
        (UNNAMED, {"finding": {"cxr_mass"}}, "contradicts"),
        (UNNAMED, {"finding": {""}}, "contradicts"),
        (UNNAMED, {"domain": {"ct"}}, "contradicts"),
        (UNNAMED, {}, "fits"),
        (NODULE, {"finding": {"cxr_nodule"}, "domain": {"cxr"}}, "fits"),
        (NORMAL, {"finding": {""}}, "fits"),
        (NORMAL, {"shape": {"round"}}, "contradicts"),
        (TB, {"finding": {"cxr_consolidation"}}, "undecided"),
        (TB, {"finding": {"cxr_mass"}}, "contradicts"),
        (TB, {"shape": {"round"}}, "undecided"),
        (TB, {"finding": {""}}, "contradicts"),
    ],
)
def test_verdicts(row: Row, claims: dict[str, set[str]], expected: str) -> None:
    assert verdict(row, **claims) == expected


def test_a_real_class_claims_itself_and_what_it_surely_is() -> None:
    assert real_claims("us_malignant")["finding"] == {"real_us_malignant", "us_carcinoma"}
    assert real_claims("us_normal")["finding"] == {""}


def test_bits_fit_into_an_int64_and_hold_no_held_out_finding() -> None:
    assert max(len(values) for values in VALUES.values()) <= 63
    assert not [
        value
        for value in VALUES["finding"]
        if not value.startswith(("real_", "unnamed")) and value and find(value).held_out
    ]


def test_known_values_are_the_single_bits() -> None:
    bits = np.array([[1, 4, 6], [2, 8, 1 << 40]], np.int64)
    assert known_values(bits).tolist() == [[0, 2, -1], [1, 3, 40]]
    assert len(NAMES) == image_bits([UNNAMED]).shape[1]
