"""Word swaps: two sentences that differ in one thing, and a picture that decides, judged here by other means."""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label

from medkt.errors import SettingsError, UnknownNameError
from medkt.examine import ROWS, SentencePair, draw_pairs
from medkt.examine.looks import counterparts, draw_look, is_light, is_seen, parts_seen, told_apart
from medkt.phantom.descriptions import HELD_BACK_FRAMES, INTENSITY, MODALITY, SHAPE
from medkt.phantom.finding import DOMAINS, findings_of, held_out_identities

SIDE = 64
FRAMES = [
    re.compile(re.escape(f).replace(r"\{d\}", "(.+)").replace(r"\{m\}", "(.+)").replace(r"a\ ", "an?\\ "))
    for f in HELD_BACK_FRAMES
]


@pytest.fixture(scope="module")
def pairs() -> Mapping[str, list[SentencePair]]:
    return {row: list(draw_pairs(row, each=4, seed=3, side=SIDE)) for row in ROWS}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z-]+", text.replace(" an ", " a "))


def test_every_row_asks_of_every_domain_and_can_be_drawn_again(pairs: Mapping[str, list[SentencePair]]) -> None:
    for row, found in pairs.items():
        domains = Counter(pair.domain for pair in found)
        assert set(domains) == set(DOMAINS) - ({"ultrasound"} if row == "side" else set())
        assert sum(domains.values()) == 4
        assert len({pair.key for pair in found}) == 4
    again = list(draw_pairs("texture", each=5, seed=3, side=SIDE))
    assert {pair.key for pair in pairs["texture"]} < {pair.key for pair in again}  # more add to those there are
    same = next(pair for pair in again if pair.key == pairs["texture"][2].key)
    np.testing.assert_array_equal(same.plane, pairs["texture"][2].plane)
    assert (same.right, same.wrong) == (pairs["texture"][2].right, pairs["texture"][2].wrong)


def test_sentences_differ_in_what_is_asked_and_stand_in_frames_of_no_report(
    pairs: Mapping[str, list[SentencePair]],
) -> None:
    for row, found in pairs.items():
        for pair in found:
            assert pair.right != pair.wrong
            assert any(frame.fullmatch(pair.right) for frame in FRAMES), pair.right
            assert any(frame.fullmatch(pair.wrong) for frame in FRAMES), pair.wrong
            one, other = Counter(words(pair.right)), Counter(words(pair.wrong))
            if row in ("order", "binding"):
                assert one == other
            elif row == "negation":
                assert {*(one - other), *(other - one)} == {"a", "no"}
            else:
                assert 1 <= (one - other).total() <= 6
            if row != "modality":
                assert any(name in pair.right and name in pair.wrong for name in MODALITY[pair.domain])


def test_no_sentence_speaks_of_what_is_held_out(pairs: Mapping[str, list[SentencePair]]) -> None:
    names = [name.lower() for d in DOMAINS for f in findings_of(d) for name in (f.name, *f.synonyms)]
    texts = [text for found in pairs.values() for pair in found for text in (pair.right, pair.wrong)]
    assert not [text for text in texts if any(name in text for name in names)]
    rng = np.random.default_rng(0)
    for domain in DOMAINS:
        for _ in range(30):
            look = draw_look(domain, rng)
            for attribute in ("shape", "intensity", "texture"):
                made = counterparts(domain, look, attribute)
                assert not {one.identity for one in made} & held_out_identities(domain)
                assert all(
                    told_apart(domain, attribute, getattr(look, attribute), getattr(one, attribute)) for one in made
                )


def is_lighter(pair: SentencePair, mask: np.ndarray) -> bool:
    """Than what is around it, by medians: not as `is_seen` finds it."""
    ring = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=1)
    return bool(np.median(pair.plane[mask]) > np.median(pair.plane[ring]))


def said_light(pair: SentencePair, text: str) -> set[bool]:
    """What the words for brightness in a text mean; the longest come first, for "bright" is in "very bright"."""
    names = [(name, value) for value, names in INTENSITY[pair.domain].items() for name in names]
    found = set()
    for name, value in sorted(names, key=lambda one: -len(one[0])):
        if re.search(rf"\b{name}\b[, ]", text):
            found.add(is_light(pair.domain, value))
            text = re.sub(rf"\b{name}\b", "", text)
    return found


@pytest.mark.parametrize("row", ["brightness", "chimera", "margin"])
def test_the_picture_is_as_light_as_the_right_sentence_says(row: str, pairs: Mapping[str, list[SentencePair]]) -> None:
    for pair in pairs[row]:
        assert said_light(pair, pair.right) == {is_lighter(pair, pair.masks[0])}, (pair.key, pair.right)


def test_what_is_not_there_is_of_another_brightness(pairs: Mapping[str, list[SentencePair]]) -> None:
    there = [pair for pair in pairs["negation"] if " no " not in pair.right]
    assert 0 < len(there) < len(pairs["negation"])
    for pair in pairs["negation"]:
        as_said = said_light(pair, pair.right) == {is_lighter(pair, pair.masks[0])}
        assert as_said == (pair in there), (pair.key, pair.right)


def test_the_side_and_the_number_are_those_of_the_picture(pairs: Mapping[str, list[SentencePair]]) -> None:
    for pair in pairs["side"]:
        columns = np.nonzero(pair.masks[0])[1]
        assert ("left" in pair.right) == (columns.mean() > (SIDE - 1) / 2)
        assert ("left" in pair.wrong) != ("left" in pair.right)
    for pair in pairs["number"]:
        parts = int(label(pair.masks[0], connectivity=2).max())
        assert ("lesions" in pair.right) == (parts > 1), pair.right
        assert ("lesions" in pair.wrong) != ("lesions" in pair.right)


def test_a_chimera_is_of_two_lesions_of_the_picture(pairs: Mapping[str, list[SentencePair]]) -> None:
    shapes = [name for adjectives, _ in SHAPE.values() for name in adjectives]
    for pair in pairs["chimera"]:
        assert len(pair.masks) == 2
        own, other = ({name for name in shapes if re.search(rf"\b{name}\b", text)} for text in (pair.right, pair.wrong))
        assert own != other


def test_what_cannot_be_seen_is_not_asked() -> None:
    look = next(
        look for look in (draw_look("cxr", np.random.default_rng(n)) for n in range(99)) if look.intensity == "bright"
    )
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = np.hypot(y - 30, x - 20) < 6
    plane = np.where(mask, 0.7, 0.4).astype(np.float32)
    assert is_seen("cxr", look, plane, mask)
    assert not is_seen("cxr", look, (1.1 - plane).astype(np.float32), mask)  # dark, and said to be bright
    assert not is_seen("cxr", look, np.full((SIDE, SIDE), 0.5, np.float32), mask)
    assert not is_seen("cxr", look, plane, np.zeros_like(mask))
    beside = np.hypot(y - 30, x - 32) < 6
    both = np.where(beside, 1.0, plane).astype(np.float32)
    assert is_seen("cxr", look, both, mask, beside)
    assert parts_seen(mask | np.roll(mask, 25, axis=1)) == 2


def test_rows_and_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no row 'colour' of word swaps; known: brightness, shape"):
        next(draw_pairs("colour", each=8))
    with pytest.raises(SettingsError, match="shape needs at least 4 pairs, one a domain, got 3"):
        next(draw_pairs("shape", each=3))
