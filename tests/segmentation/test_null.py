"""A question's null: the scores of the same question in studies that hold nothing, cut and put together as the study is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float32

from medkt.errors import SettingsError
from medkt.presence import NullDistribution
from medkt.presence.normals import NormalStudies
from medkt.saliency.directions import Directions
from medkt.saliency.targets import ConceptQuery, Target
from medkt.segmentation.null import null_of
from medkt.segmentation.presence import FLOOR, LEAD, PresenceSettings, ThresholdRule, plane_scores

TARGET = Target(id="spot", wanted=torch.tensor([1.0, 0.0]), normal=None, confusable=torch.zeros(0, 2))
COSINE = PresenceSettings(rule="cosine", support=0.05)


def directions(*cosines: float) -> Float32[np.ndarray, "planes 2"]:
    values = np.array(cosines, np.float32)
    return np.stack([values, np.sqrt(1 - values**2)], axis=1)


def normals(*studies: tuple[float, ...], step_mm: float = 0.0) -> NormalStudies:
    return NormalStudies(
        modality="mri", body="head", window="", step_mm=step_mm, features=directions(*(one for s in studies for one in s)),
        studies=np.repeat(np.arange(len(studies)), [len(one) for one in studies]),
        places=np.concatenate([np.arange(len(one)) for one in studies]),
    )  # fmt: skip


def test_of_single_images_each_has_its_score() -> None:
    null = null_of(normals((0.3,), (0.1,), (0.2,)), TARGET, COSINE, logit_scale=1.0)
    np.testing.assert_allclose(null.scores, [0.1, 0.2, 0.3], atol=1e-6)
    assert null.least(0.0) == pytest.approx(0.3)
    assert null.least(0.5) == pytest.approx(0.2)
    assert (null.reached_by(0.15), null.reached_by(0.31)) == (pytest.approx(2 / 3), 0.0)


def test_volumes_are_cut_as_coarsely_as_the_study_and_put_together_as_it_is() -> None:
    volumes = normals((0.1, 0.9, 0.0, 0.6, 0.5, 0.4), step_mm=4.0)

    def scores(step_mm: float, extent_mm: float = 0.0) -> list[float]:
        found = null_of(volumes, TARGET, COSINE, logit_scale=1.0, step_mm=step_mm, extent_mm=extent_mm).scores
        return [round(float(one), 4) for one in found]

    assert scores(4.0) == [0.9]  # its neighbour of 0.1 bears it out
    assert scores(4.0, extent_mm=8.0) == [0.4]  # three in a row cover 8 mm
    assert scores(8.0) == [0.0, 0.9]  # 0.1, 0.0, 0.5: no neighbour bears one out; and 0.9, 0.6, 0.4
    assert scores(1.0) == scores(4.0)  # closer than any that are known


def test_planes_that_were_left_out_are_no_neighbours() -> None:
    gapped = normals((0.9, 0.8, 0.7), step_mm=4.0)
    gapped.places[:] = [0, 5, 9]
    apart = null_of(gapped, TARGET, COSINE, logit_scale=1.0, step_mm=4.0, extent_mm=4.0)
    assert apart.scores == pytest.approx([0.9])  # no stretch is longer than one plane


def test_a_study_is_seen_from_what_few_normals_score() -> None:
    settings = PresenceSettings(rule="cosine", rate=0.5, weak=0.1)
    scores = plane_scores(torch.from_numpy(directions(0.25)), TARGET, settings, logit_scale=1.0)
    null = NullDistribution(scores=np.array([0.1, 0.2, 0.3]))
    rule = ThresholdRule(settings=settings)
    known = rule.decide(replace(scores, null=null))
    assert (known.state, known.strong) == ("seen", pytest.approx(0.2))
    assert "reaches 0.2; 33.3% of 3 drawn normal studies score as much" in known.reason
    assert known.null is null.scores
    assert rule.decide(replace(scores, null=NullDistribution(scores=np.array([0.1, 0.4, 0.6])))).state == "not seen"
    unknown = rule.decide(scores)
    assert "not calibrated" in unknown.reason
    assert unknown.null is None


def test_a_threshold_that_was_said_stays_and_a_softmax_has_a_floor() -> None:
    null = NullDistribution(scores=np.zeros(9))
    assert PresenceSettings(threshold=0.3).least(1, null) == 0.3
    assert PresenceSettings().least(1, null) == PresenceSettings().least(40, null) == FLOOR
    assert PresenceSettings(rule="margin").least(1, null) == 0.0
    scores = plane_scores(torch.from_numpy(directions(0.5)), TARGET, PresenceSettings(), logit_scale=1.0)
    assert ThresholdRule().decide(replace(scores, null=null)).weak == FLOOR  # never above the threshold


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(SettingsError, match=f"rate is a share from 0 to below 1, got {rate}"):
        PresenceSettings(rate=rate)


def test_a_lead_over_slices_is_held_against_normals_too_and_only_what_leads_is_outlined() -> None:
    """A bias is of planes: of many slices the best leads by chance, and most slices of a study score close below it."""
    target = replace(TARGET, asked=ConceptQuery(
        directions=Directions(wanted=TARGET.wanted, rivals=torch.tensor([[0.0, 1.0]])), known=1, bias=-0.2, texts=("a spot",), way="virtual", digest=""
    ))  # fmt: skip
    settings = PresenceSettings(rate=0.5)
    scores = plane_scores(torch.from_numpy(directions(0.7, 0.7, 0.5)), target, settings, logit_scale=5.0)
    assert scores.unit == LEAD
    rule = ThresholdRule(settings=settings)
    alone = rule.decide(scores)
    assert (alone.state, alone.strong, alone.weak) == ("seen", 0.5, 0.5)
    assert [score >= alone.weak for score in scores.scores] == [True, True, False]
    low = rule.decide(replace(scores, null=NullDistribution(scores=np.array([0.1, 0.2, 0.3]))))
    assert (low.state, low.strong) == ("seen", 0.5)
    assert low.reason.endswith("reaches 0.5; none of 3 drawn normal studies score as much")
    high = rule.decide(replace(scores, null=NullDistribution(scores=np.array([0.1, 0.9, 0.95]))))
    assert (high.state, high.weak) == ("not seen", 0.5)
    assert "is below 0.9; 66.7% of 3 drawn normal studies score as much" in high.reason
