"""Which candidate is taken."""

import numpy as np
import pytest
from drawing import forced, mask

from medkt.errors import SettingsError
from medkt.segmentation.segmenter import Candidates, CandidateSettings, choose

COARSE = mask("..... .##.. .##.. .....")
CANDIDATES = Candidates(
    masks=np.array(
        [
            mask("##### ##### ##### #####"),  # everything
            mask("....# ....# ..... ....."),  # elsewhere
            mask("..... .##.. .#... ....."),
            mask("..... ####. ####. ....."),
            mask("..... .##.. .##.. ....."),  # of another region
        ]
    ),
    predicted_iou=np.array([0.99, 0.98, 0.7, 0.8, 0.97], dtype=np.float32),
    region=np.array([0, 0, 0, 0, 1]),
)


def test_the_best_predicted_of_those_that_agree_with_the_map() -> None:
    chosen = choose(CANDIDATES, COARSE, 0, CandidateSettings())
    assert (chosen.mask == CANDIDATES.masks[3]).all()
    assert (chosen.predicted_iou, chosen.how) == (pytest.approx(0.8), "agrees")
    strict = choose(CANDIDATES, COARSE, 0, CandidateSettings(min_overlap=0.8))
    assert (strict.mask == CANDIDATES.masks[2]).all()


def test_where_none_agrees_the_fallback_decides() -> None:
    def strict(fallback: str) -> CandidateSettings:
        return CandidateSettings(min_overlap=0.99, fallback=fallback)  # type: ignore[arg-type]

    coarse = choose(CANDIDATES, COARSE, 0, strict("coarse"))
    assert (coarse.how, coarse.predicted_iou, (coarse.mask == COARSE).all()) == ("coarse", None, True)
    best = choose(CANDIDATES, COARSE, 0, strict("best"))
    assert (best.how, best.mask.all()) == ("best", True)
    none = choose(CANDIDATES, COARSE, 0, strict("none"))
    assert (none.how, none.mask.any()) == ("none", False)
    absent = choose(CANDIDATES, COARSE, 7, strict("best"))
    assert absent.how == "none"


def test_ties_go_to_the_first() -> None:
    twins = Candidates(
        masks=np.array([CANDIDATES.masks[2], CANDIDATES.masks[3]]),
        predicted_iou=np.array([0.5, 0.5], dtype=np.float32),
        region=np.array([0, 0]),
    )
    assert (choose(twins, COARSE, 0, CandidateSettings()).mask == CANDIDATES.masks[2]).all()


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown fallback 'guess'"):
        forced(CandidateSettings, fallback="guess")
    with pytest.raises(SettingsError, match="min_overlap 2"):
        CandidateSettings(min_overlap=2.0)
