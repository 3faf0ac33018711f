"""Agreement along the axis, on typed slices."""

import numpy as np
import pytest
from drawing import mask
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from medkt.errors import SettingsError
from medkt.segmentation.threshold import ThresholdSettings, components
from medkt.segmentation.volume import Piece, VolumeSettings, disagreement, linked, planes_of_pieces

EMPTY = "...... ...... ......"
LEFT = "##.... ##.... ......"
RIGHT = "....## ....## ......"
BOTH = "##..## ##..## ......"


def make_pieces(*slices: tuple[str, bool]) -> list[Piece]:
    pieces = []
    for index, (text, strong) in enumerate(slices):
        drawn = mask(text)
        for part in components(drawn, drawn.astype(np.float32), ThresholdSettings(), pixel_area_mm2=None):
            pieces.append(Piece.of(part.mask, index, strong=strong))
    return pieces


def stacked(pieces: list[Piece], slices: int) -> np.ndarray:
    volume = np.zeros((slices, 3, 6), dtype=bool)
    for index, plane in planes_of_pieces(pieces, (3, 6)):
        volume[index] = plane
    return volume


def test_a_weak_piece_stays_when_a_chain_leads_to_a_strong_one() -> None:
    pieces = make_pieces((BOTH, False), (LEFT, False), (LEFT, True), (EMPTY, False), (RIGHT, False))
    kept = stacked(linked(pieces, VolumeSettings(), slices=5), 5)
    assert (kept == np.array([mask(text) for text in (LEFT, LEFT, LEFT, EMPTY, EMPTY)])).all()
    everything = linked(pieces, VolumeSettings(hysteresis=False), slices=5)
    assert len(everything) == len(pieces)


def test_a_gap_of_one_slice_is_closed_with_what_both_sides_share() -> None:
    above, below = "###... ###... ......", ".####. .####. ......"
    pieces = make_pieces((above, True), (RIGHT.replace("#", "."), False), (below, False))
    apart = linked(pieces, VolumeSettings(), slices=3)
    assert {piece.index for piece in apart} == {0}
    closed = linked(pieces, VolumeSettings(close_gaps=True), slices=3)
    assert (stacked(closed, 3)[1] == mask(".##... .##... ......")).all()
    assert [piece.filled for piece in closed] == [False, True, False]


def test_no_bridge_where_something_already_lies_between() -> None:
    pieces = make_pieces((LEFT, True), (LEFT, True), (LEFT, True))
    assert len(linked(pieces, VolumeSettings(close_gaps=True), slices=3)) == 3


def test_findings_through_too_few_slices_are_dropped_but_not_from_a_single_image() -> None:
    pieces = make_pieces((BOTH, True), (LEFT, True))
    kept = stacked(linked(pieces, VolumeSettings(min_slices=2), slices=2), 2)
    assert (kept == np.array([mask(LEFT), mask(LEFT)])).all()
    assert len(linked(make_pieces((BOTH, False)), VolumeSettings(min_slices=2), slices=1)) == 2


def test_disagreement_is_counted_between_neighbours_that_both_hold_something() -> None:
    planes = [(0, mask(LEFT)), (1, mask(LEFT)), (2, mask(BOTH)), (4, mask(RIGHT))]
    assert disagreement(planes) == pytest.approx((0 + (1 - 2 * 4 / 12)) / 2)
    assert disagreement([(0, mask(LEFT))]) is None
    assert disagreement([]) is None


def test_a_piece_does_not_keep_its_plane_alive() -> None:
    drawn = mask(LEFT)
    piece = Piece.of(drawn, 0, strong=True)
    assert (piece.top, piece.left, piece.mask.shape) == (0, 0, (2, 2))
    assert piece.mask.base is None


@given(st.lists(st.integers(0, 2**18 - 1), min_size=2, max_size=4), st.integers(0, 15))
def test_hysteresis_is_that_of_labels_in_three_dimensions(slices: list[int], strong_bits: int) -> None:
    """Against scipy on the whole volume: 8 neighbours in a slice, the same pixel across slices."""
    volume = np.array([[bits >> k & 1 for k in range(18)] for bits in slices], dtype=bool).reshape(-1, 3, 6)
    strong = [bool(strong_bits >> k & 1) for k in range(len(slices))]
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[1], structure[:, 1, 1] = True, True
    labels, count = ndimage.label(volume, structure=structure)
    kept = [k for k in range(1, count + 1) if any((labels[z] == k).any() for z in range(len(slices)) if strong[z])]
    texts = [" ".join("".join("#" if v else "." for v in row) for row in plane) for plane in volume]
    pieces = make_pieces(*zip(texts, strong, strict=True))
    found = stacked(linked(pieces, VolumeSettings(), slices=len(slices)), len(slices))
    assert (found == np.isin(labels, kept)).all()


def test_min_slices_is_checked() -> None:
    with pytest.raises(SettingsError, match="min_slices is at least 1, got 0"):
        VolumeSettings(min_slices=0)
