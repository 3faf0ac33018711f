"""The decision, worked out by hand in two dimensions."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawing import forced

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.saliency.directions import Directions
from medkt.saliency.targets import ConceptQuery, Target
from medkt.segmentation.presence import LEAD, PresenceSettings, ThresholdRule, decide_presence, plane_scores

TARGET = Target(
    id="mass", wanted=torch.tensor([1.0, 0.0]), normal=torch.tensor([0.0, 1.0]), confusable=torch.tensor([[-1.0, 0.0]])
)
BARE = Target(id="mass", wanted=torch.tensor([1.0, 0.0]), normal=None, confusable=torch.zeros(0, 2))
FEATURES = torch.tensor([[3.0, 4.0], [8.0, 6.0], [0.0, 1.0]])  # cosines .6 .8, .8 .6, 0 1


def test_scores_by_each_rule() -> None:
    def scores(target: Target, rule: str) -> np.ndarray:
        settings = PresenceSettings(rule=rule, threshold=0.5, weak=0.1)  # type: ignore[arg-type]
        return decide_presence(FEATURES, target, settings, logit_scale=2.0).scores

    np.testing.assert_allclose(scores(TARGET, "cosine"), [0.6, 0.8, 0.0], atol=1e-6)
    np.testing.assert_allclose(scores(TARGET, "margin"), [-0.2, 0.2, -1.0], atol=1e-6)
    first = math.exp(1.2) / (math.exp(1.2) + math.exp(1.6) + math.exp(-1.2))
    assert scores(TARGET, "softmax")[0] == pytest.approx(first)
    crowd = replace(TARGET, confusable=TARGET.confusable.repeat(7, 1))
    np.testing.assert_allclose(scores(crowd, "softmax"), scores(TARGET, "softmax"), rtol=1e-5)  # one vote for all
    several = replace(TARGET, normal=None, confusable=torch.tensor([[-1.0, 0.0], [0.0, 1.0]]))
    together = (math.exp(-1.2) + math.exp(1.6)) / 2
    assert scores(several, "softmax")[0] == pytest.approx(math.exp(1.2) / (math.exp(1.2) + together))
    np.testing.assert_allclose(scores(BARE, "softmax"), [0.6, 0.8, 0.0], atol=1e-6)


def test_slices_become_one_decision() -> None:
    highest = PresenceSettings(rule="margin", threshold=0.1, weak=0.0, aggregate="max")
    best = decide_presence(FEATURES, TARGET, highest, logit_scale=1.0)
    assert best.present
    assert best.reason == "mass: margin score 0.200 over 3 slices reaches 0.1"
    np.testing.assert_allclose(best.margins, [-0.2, 0.2, -1.0], atol=1e-6)
    mean = PresenceSettings(rule="margin", threshold=0.1, weak=0.0, aggregate="top_mean", top=2)
    absent = decide_presence(FEATURES, TARGET, mean, logit_scale=1.0)
    assert not absent.present
    assert absent.score == pytest.approx(0.0, abs=1e-6)
    assert decide_presence(FEATURES[:1], TARGET, mean, logit_scale=1.0).score == pytest.approx(-0.2)


def test_an_odd_slice_among_many_does_not_decide() -> None:
    def score(*scores: float, indices: list[int] | None = None, support: float = 0.3) -> float:
        features = torch.tensor([[value, math.sqrt(1 - value**2)] for value in scores])
        settings = PresenceSettings(rule="cosine", support=support)
        return decide_presence(features, BARE, settings, logit_scale=1.0, indices=indices).score

    assert score(0.1, 0.9, 0.2, 0.6, 0.5) == pytest.approx(0.6)
    assert score(0.1, 0.9, 0.2, 0.1, 0.1) == pytest.approx(0.2)  # as much as its better neighbour
    assert score(0.1, 0.9, 0.2, 0.6, 0.5, support=0.2) == pytest.approx(0.9)
    assert score(0.9) == pytest.approx(0.9)  # a single image has no neighbour to ask
    assert score(0.9, 0.8, 0.1, 0.4, indices=[0, 7, 8, 9]) == pytest.approx(0.1)  # 0 and 7 are no neighbours
    assert score(0.1, 0.9, indices=[0, 7]) == pytest.approx(0.9)  # nobody has a neighbour


def test_an_index_for_each_slice_is_needed() -> None:
    with pytest.raises(InputError, match="an index for each slice, got 2 for 3"):
        decide_presence(FEATURES, TARGET, PresenceSettings(), logit_scale=1.0, indices=[0, 1])


def test_without_the_gate_all_is_present_and_the_reason_says_so() -> None:
    settings = PresenceSettings(gate=False, rule="margin", threshold=0.5)
    found = decide_presence(FEATURES[:1], TARGET, settings, logit_scale=1.0)
    assert found.present
    assert "is below 0.5; looked at all the same" in found.reason


def test_the_length_of_a_feature_does_not_matter() -> None:
    settings = PresenceSettings()
    once = decide_presence(FEATURES, TARGET, settings, logit_scale=3.0).scores
    np.testing.assert_allclose(decide_presence(FEATURES * 100, TARGET, settings, logit_scale=3.0).scores, once)


def test_unusable_features_and_settings_are_refused() -> None:
    for bad in (0.0, math.nan, math.inf):
        with pytest.raises(NumericalError, match="no usable image feature"):
            decide_presence(FEATURES * bad, TARGET, PresenceSettings(), logit_scale=1.0)
    with pytest.raises(InputError, match="at least one slice"):
        decide_presence(FEATURES[:0], TARGET, PresenceSettings(), logit_scale=1.0)
    with pytest.raises(SettingsError, match=r"weak \(0.6\) must not be above threshold \(0.5\)"):
        PresenceSettings(weak=0.6, threshold=0.5)
    with pytest.raises(SettingsError, match="unknown presence rule 'vote'"):
        forced(PresenceSettings, rule="vote")
    with pytest.raises(SettingsError, match="top counts slices"):
        PresenceSettings(top=0)


def test_several_slices_need_more_than_one_unless_it_is_said() -> None:
    usual, said = PresenceSettings(), PresenceSettings(threshold=0.3)
    assert (usual.least(1), usual.least(2), usual.least(90)) == (0.2, 0.5, 0.5)
    assert (said.least(1), said.least(90)) == (0.3, 0.3)
    assert PresenceSettings(rule="margin").least(9) == 0.2
    plain = replace(TARGET, confusable=TARGET.confusable[:0])
    for features, state in ((FEATURES[:1], "seen"), (FEATURES[[0, 0]], "not seen")):
        scores = decide_presence(features, plain, usual, logit_scale=2.0)
        assert 0.2 < scores.score < 0.5
        assert scores.state == state


@pytest.mark.parametrize(
    ("run", "indices", "wanted"),
    [(1, None, 0.9), (2, None, 0.6), (3, None, 0.5), (4, None, 0.2), (9, None, 0.1), (2, [0, 1, 2, 7, 8, 9], 0.5)],
)
def test_a_run_of_slices_bears_a_score_out(run: int, indices: list[int] | None, wanted: float) -> None:
    values = np.array([0.2, 0.5, 0.6, 0.7, 0.1, 0.9], np.float32)
    if indices:
        values = np.array([0.2, 0.5, 0.6, 0.4, 0.1, 0.9], np.float32)
    features = torch.stack([torch.from_numpy(values), torch.from_numpy(np.sqrt(1 - values**2))], dim=1)
    settings = PresenceSettings(rule="cosine", support=0.05)
    target = replace(BARE, wanted=torch.tensor([1.0, 0.0]))
    found = plane_scores(features, target, settings, logit_scale=1.0, indices=indices, run=run)
    assert found.score == pytest.approx(wanted, abs=1e-6)
    assert found.run == run


def test_an_extent_below_zero_is_refused() -> None:
    with pytest.raises(SettingsError, match="extent_mm is 0 or more, got -1"):
        PresenceSettings(extent_mm=-1.0)


def test_a_lead_is_counted_from_its_bias_over_settled_rivals() -> None:
    asked = ConceptQuery(
        directions=Directions(wanted=TARGET.wanted, rivals=torch.tensor([[0.0, 1.0]])), known=1, bias=0.1, texts=("a mass",), way="virtual", digest=""
    )  # fmt: skip
    target = replace(TARGET, asked=asked)  # its leads are -.2, .2 and -1 whatever the contrasts of maps are
    scores = plane_scores(FEATURES, target, PresenceSettings(aggregate="max"), logit_scale=20.0)
    np.testing.assert_allclose(scores.margins, [-0.2, 0.2, -1.0], atol=1e-6)
    expected = [1 / (1 + math.exp(-20 * (lead - 0.1))) for lead in (-0.2, 0.2, -1.0)]
    np.testing.assert_allclose(scores.scores, expected, rtol=1e-5)
    assert scores.unit == LEAD
    rule = ThresholdRule(settings=PresenceSettings(aggregate="max"))
    assert rule.decide(scores).state == "seen"
    assert rule.decide(scores).reason == "mass: lead score 0.881 over 3 slices reaches 0.5"
    above = plane_scores(FEATURES, replace(target, asked=replace(asked, bias=0.21)), rule.settings, logit_scale=20.0)
    assert rule.decide(above).state == "not seen"
    strict = PresenceSettings(aggregate="max", threshold=0.9)  # what the user says counts
    assert ThresholdRule(settings=strict).decide(scores).state == "not seen"


def test_a_normal_study_that_is_told_apart_takes_what_leads_it_too_little() -> None:
    directions = Directions(
        wanted=TARGET.wanted, rivals=torch.tensor([[0.0, 1.0]]), normal=torch.tensor([0.6, 0.8]), handicap=-0.3
    )
    asked = ConceptQuery(
        directions=directions, known=1, bias=0.1, texts=("a mass",), way="virtual among all", digest=""
    )
    scores = plane_scores(FEATURES, replace(TARGET, asked=asked), PresenceSettings(aggregate="max"), logit_scale=20.0)
    units = torch.nn.functional.normalize(FEATURES.float(), dim=1)
    over = units @ TARGET.wanted - units @ torch.tensor([0.6, 0.8]) + 0.3
    expected = torch.minimum(torch.tensor([-0.2, 0.2, -1.0]), over)
    np.testing.assert_allclose(scores.margins, expected, atol=1e-6)
    assert (expected < torch.tensor([-0.2, 0.2, -1.0]) - 0.01).any()
    np.testing.assert_allclose(scores.scores, torch.sigmoid(20 * (expected - 0.1)), rtol=1e-5)
