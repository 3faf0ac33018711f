"""Learnt concepts and zero-shot scores through the whole line, from Python."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learnt import make_words, with_gain, write_learnt
from safetensors.torch import save
from segmentation.bright_spots import BrightSpots
from whole_line import Studies, bright_pipeline, studies

import medkt as toolkit
from medkt.calibration import segment
from medkt.concepts import AskingRecord, Base, concept_from_text, read_package, write_package
from medkt.concepts.asking_record import NORMAL, RIVALS, WANTED
from medkt.config import resolve
from medkt.domains import domain
from medkt.errors import InputError, NumericalError, SettingsError, UnknownNameError, WeightsError
from medkt.models.weights import weights_digest
from medkt.pipeline import Pipeline, View, classify, concept_in
from medkt.report.study_folder import record_of_result
from medkt.saliency.explain import prepare_plane
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.segmentation.zero_shot import score_planes

__all__ = ["studies"]

OPEN = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "presence.gate=false"))
PALE, BLACK = make_words("pale_disc", "bright disc"), make_words("black_disc", "dark disc")
PALE_GAIN, BLACK_GAIN = 8.0, 0.5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("learnt")
    pale = write_learnt(folder / "pale.medkt", PALE, PALE_GAIN)
    return pale, write_learnt(folder / "black.medkt", BLACK, BLACK_GAIN)


def at_gain(gain: float) -> Pipeline:
    return replace(bright_pipeline(OPEN), encoder=with_gain(BrightSpots(), gain))


# ---- segmentation


def test_each_finding_is_that_of_its_own_encoder(files: tuple[Path, Path], studies: Studies) -> None:
    base = bright_pipeline(OPEN)
    before = weights_digest(base.encoder.module)
    words = concept_from_text("a bright spot")
    result = segment(studies["us"], concepts=[*files, words], model=base)
    alone = [
        segment(studies["us"], concepts=[concept], model=at_gain(gain)).findings[0]
        for concept, gain in ((PALE, PALE_GAIN), (BLACK, BLACK_GAIN), (words, 3.0))
    ]
    assert [f.concept.id for f in result.findings] == ["pale_disc", "black_disc", words.id]
    for finding, expected in zip(result.findings, alone, strict=True):
        assert finding.found.presence.score == expected.found.presence.score
        np.testing.assert_array_equal(result.saliency(finding).values, result.saliency(expected).values)
        np.testing.assert_array_equal(result.mask(finding).values, result.mask(expected).values)
    assert len({f.found.presence.score for f in alone}) == 3  # so that a wrong encoder would show
    assert weights_digest(base.encoder.module) == before


def test_the_record_says_whose_encoder_made_what(files: tuple[Path, Path], studies: Studies) -> None:
    pipeline = bright_pipeline(OPEN).with_packages(files)
    result = pipeline.segment_file(studies["us"], ["pale_disc", "dark disc", concept_from_text("bright")])
    record = record_of_result(result, case="c", files={f.concept.id: {} for f in result.findings})
    encoder = json.loads(json.dumps(record))["models"]["encoder"]
    assert encoder["name"] == "bright-spots"
    base = weights_digest(BrightSpots().module)
    for entry, concept, file, gain in zip(
        encoder["taught"], (PALE, BLACK), files, (PALE_GAIN, BLACK_GAIN), strict=True
    ):
        assert entry == {
            "concepts": [concept.id], "packages": [read_package(file).digest], "base_digest": base,
            "adapted_digest": f"adapted:{weights_digest(with_gain(BrightSpots(), gain).module)}", "ways": {},
        }  # fmt: skip


NORMAL_STUDY, HANDICAP, SHARPNESS = (0.8, 0.6), -0.05, 10.0


def asked_file(path: Path, *, bias: float, wanted: tuple[float, float] = (1.0, 0.0), normal: bool = False) -> Path:
    """Without weights: "bright" wanted, "dark" and what lies between them the rivals; told apart from a normal study, too, where it is said."""
    base = BrightSpots()
    vectors = {WANTED: torch.tensor(wanted), RIVALS: torch.tensor([[0.0, 1.0], [0.5**0.5, 0.5**0.5]])}
    vectors |= {NORMAL: torch.tensor(NORMAL_STUDY)} if normal else {}
    apart: dict[str, Any] = {"normal": ("clear",), "handicap": HANDICAP, "sharpness": SHARPNESS} if normal else {}
    digest = weights_digest(base.module)
    asking = AskingRecord(
        way="virtual with bank", texts=("a bright disc in the tissue",), known=("us_cyst",), bank=("a grey disc",), bias=bias,
        base_digest=digest, vectors=save(vectors), **apart,
    )  # fmt: skip
    write_package(path, concept=PALE, base=Base(name=base.spec.name, digest=digest), recipe={}, asking=asking)
    return path


@pytest.mark.parametrize(("above", "state"), [(-0.01, "seen"), (0.01, "not seen")])
def test_what_is_only_asked_is_seen_from_its_lead_on(
    tmp_path: Path, studies: Studies, above: float, state: str
) -> None:
    closed = bright_pipeline(resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2")))
    bright = segment(studies["us"], concepts=[concept_from_text("bright")], model=closed).findings[0]
    feature = _feature(studies)
    lead = float(feature[0] - max(feature[1], (feature[0] + feature[1]) / 2**0.5))
    file = asked_file(tmp_path / "pale.medkt", bias=lead + above)
    result = segment(studies["us"], concepts=[file], model=closed)
    (finding,) = result.findings
    assert finding.found.presence.state == state
    assert finding.found.presence.margins[0] == pytest.approx(lead, abs=1e-5)
    assert finding.texts.prompts == ("a bright disc in the tissue",)
    record = json.loads(json.dumps(record_of_result(result, case="c", files={"pale_disc": {}})))["models"]["encoder"][
        "taught"
    ]
    assert [one["ways"] for one in record] == [{"pale_disc": "virtual with bank"}]
    if state == "seen":  # the map is that of the direction: here the word's own
        one, other = (
            result.saliency(finding),
            segment(studies["us"], concepts=[concept_from_text("bright")], model=closed),
        )
        assert bright.found.presence.state == "seen"
        np.testing.assert_allclose(one.values, other.saliency(other.findings[0]).values, atol=1e-5)


@pytest.mark.parametrize(("above", "state"), [(-0.01, "seen"), (0.01, "not seen")])
def test_a_normal_study_is_told_apart_in_segmentation_and_classification(
    tmp_path: Path, studies: Studies, above: float, state: str
) -> None:
    feature = _feature(studies)
    rivals = np.array([feature[1], (feature[0] + feature[1]) / 2**0.5])
    together = np.log(np.mean(np.exp(SHARPNESS * rivals))) / SHARPNESS
    lead = float(min(feature[0] - together, feature[0] - feature @ NORMAL_STUDY - HANDICAP))
    file = asked_file(tmp_path / "pale.medkt", bias=lead + above, normal=True)
    closed = bright_pipeline(resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2")))
    (finding,) = segment(studies["us"], concepts=[file], model=closed).findings
    assert finding.found.presence.state == state
    assert finding.found.presence.margins[0] == pytest.approx(lead, abs=1e-5)
    dark = make_words("black_disc", "dark disc")
    pale, black = classify(studies["us"], concepts=[file, dark], model=bright_pipeline(), normal=False).scores
    assert (pale.probability > black.probability) is (state == "seen")


def _feature(studies: Studies) -> np.ndarray:
    image, kind = toolkit.read_image(studies["us"]), domain("ultrasound")
    plane = kind.intensity(image).apply(image.values[0])
    encoder = BrightSpots()
    feature = encoder.encode_image(prepare_plane(encoder, plane).pixels[None]).detach()[0].numpy()
    return feature / np.linalg.norm(feature)


def test_as_published_a_package_is_asked_by_its_first_prompt(tmp_path: Path, studies: Studies) -> None:
    first = bright_pipeline(resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "texts=first")))
    file = asked_file(tmp_path / "pale.medkt", bias=1.9)
    (finding,) = segment(studies["us"], concepts=[file], model=first).findings
    assert finding.texts.asked is None
    assert finding.texts.prompts == ("a bright disc",)


def test_a_share_is_half_of_that_beside_the_nearest_known_name_where_the_lead_is_the_bias(
    tmp_path: Path, studies: Studies
) -> None:
    feature = _feature(studies)
    lead = float(feature[0] - max(feature[1], (feature[0] + feature[1]) / 2**0.5))
    dark = make_words("black_disc", "dark disc")  # its cosine is that of the only known name
    file = asked_file(tmp_path / "pale.medkt", bias=lead)
    result = classify(studies["us"], concepts=[file, dark], model=bright_pipeline(), normal=False)
    pale, black = result.scores
    assert (pale.probability, black.probability) == (pytest.approx(0.5, abs=1e-5), pytest.approx(0.5, abs=1e-5))
    assert pale.cosine == pytest.approx(float(feature[0]), abs=1e-6)
    assert (pale.learnt, black.learnt) == (True, False)
    assert pale.texts == ("a bright disc in the tissue",)


def test_together_every_learnt_concept_is_asked_of_the_sum(files: tuple[Path, Path], studies: Studies) -> None:
    pipeline = bright_pipeline(OPEN).with_packages(files, together=True)
    words = concept_from_text("a bright spot")
    result = pipeline.segment_file(studies["us"], [PALE, BLACK, words])
    summed = at_gain(3.0 + (PALE_GAIN - 3.0) + (BLACK_GAIN - 3.0))
    for finding, model in zip(result.findings, (summed, summed, bright_pipeline(OPEN)), strict=True):
        (expected,) = model.segment(result.image, [finding.concept]).findings
        assert finding.found.presence.score == expected.found.presence.score
    assert any("pale_disc and black_disc are in one encoder" in warning for warning in result.warnings)
    (entry,) = result.encoder.taught
    assert entry.concepts == ("pale_disc", "black_disc")
    plain = pipeline.segment(result.image, [words])
    assert not plain.encoder.taught
    assert not any("in one encoder" in warning for warning in plain.warnings)


def test_a_package_is_used_once_more_with_others(files: tuple[Path, Path], studies: Studies) -> None:
    pipeline = bright_pipeline(OPEN).with_packages(files[:1])
    result = segment(studies["us"], concepts=["pale_disc", files[1]], model=pipeline)
    assert [entry.concepts for entry in result.encoder.taught] == [("pale_disc",), ("black_disc",)]
    assert pipeline.with_packages([]).taught is None


def test_a_package_is_no_list_of_words(files: tuple[Path, Path]) -> None:
    with pytest.raises(SettingsError, match=r"pale\.medkt: a learnt concept goes with its model"):
        concept_in(files[0])


def test_a_package_of_another_model(files: tuple[Path, Path], studies: Studies) -> None:
    with pytest.raises(
        WeightsError, match=r"pale\.medkt: the weights of pale_disc belong to bright-spots .* not to small"
    ):
        segment(studies["us"], concepts=[files[0]])


def test_other_words_under_a_learnt_name(files: tuple[Path, Path], studies: Studies) -> None:
    pipeline = bright_pipeline(OPEN).with_packages(files)
    with pytest.raises(SettingsError, match="other words than those it was learnt with"):
        pipeline.segment_file(studies["us"], [make_words("pale_disc", "bright ring")])


def test_a_reference_goes_with_one_finding(studies: Studies) -> None:
    result = segment(studies["us"], prompts=["bright", "dark"], model=bright_pipeline(OPEN))
    with pytest.raises(SettingsError, match="goes with one finding, the result has 2"):
        bright_pipeline().score(result, studies["us"])


# ---- scores


def shares(cosines: list[float], scale: float = 10.0) -> list[float]:
    powers = np.exp(scale * np.array(cosines))
    return list(powers / powers.sum())


def test_scores_worked_out_by_hand(studies: Studies) -> None:
    result = classify(studies["us"], prompts=["bright"], concepts=[BLACK], model=bright_pipeline())
    dark, bright, normal = result.scores  # concepts come before free texts
    image, kind = toolkit.read_image(studies["us"]), domain("ultrasound")
    plane = kind.intensity(image).apply(image.values[0])
    encoder = BrightSpots()
    feature = encoder.encode_image(prepare_plane(encoder, plane).pixels[None]).detach()[0].numpy()
    feature /= np.linalg.norm(feature)
    rest = np.array([-0.6, -0.8])  # what the encoder makes of a text with neither word
    expected = [feature[1], feature[0], feature @ rest]
    np.testing.assert_allclose([one.cosine for one in result.scores], expected, atol=1e-6)
    np.testing.assert_allclose([one.probability for one in result.scores], shares(expected), atol=1e-6)
    assert (bright.name, dark.name, normal.name, normal.concept) == ("bright", "dark disc", "normal", None)
    assert normal.texts == kind.words[kind.default_body].normal
    assert not any(one.learnt for one in result.scores)


def test_prompts_count_as_directions_not_as_lengths() -> None:
    class Loud(BrightSpots):
        """The same, but one text's feature is ten times as long."""

        def encode_text(self, tokens: object) -> torch.Tensor:
            features = super().encode_text(tokens)  # type: ignore[arg-type]
            return torch.where(features[:, :1] == 1, 10 * features, features)

    texts = [ConceptTexts(id="both", prompts=("bright", "dark")), ConceptTexts(id="dark", prompts=("dark",))]
    plane = np.full((32, 32), 0.5, dtype=np.float32)
    quiet, loud = (score_planes(encoder, [0], lambda _: plane, texts) for encoder in (BrightSpots(), Loud()))
    np.testing.assert_allclose(loud.cosines, quiet.cosines, atol=1e-6)


def test_volumes_have_scores_by_plane_and_the_highest(studies: Studies) -> None:
    result = classify(studies["ct-series"], concepts=["ct_nodule"], prompts=["bright"], model=bright_pipeline())
    for one in result.scores:
        assert len(one.planes) == len(one.cosines) > 1
        assert one.probability == one.probabilities.max()
        assert one.cosine == one.cosines[one.best]
    again = classify(studies["ct-series"], concepts=["ct_nodule"], prompts=["bright"], model=bright_pipeline())
    np.testing.assert_array_equal(result.scores[0].cosines, again.scores[0].cosines)


def test_shares_of_a_plane_sum_to_one(studies: Studies) -> None:
    words = [concept_from_text("a bright spot"), concept_from_text("something dark")]
    result = classify(studies["mr-series"], concepts=words, model=bright_pipeline())
    np.testing.assert_allclose(sum(one.probabilities for one in result.scores), 1, atol=1e-6)
    without = classify(studies["mr-series"], concepts=words, model=bright_pipeline(), normal=False)
    assert [one.concept for one in without.scores] == words
    np.testing.assert_allclose(sum(one.probabilities for one in without.scores), 1, atol=1e-6)


def test_each_score_is_that_of_its_own_encoder(files: tuple[Path, Path], studies: Studies) -> None:
    words = concept_from_text("a bright spot")
    asked = [PALE, BLACK, words]
    routed = classify(studies["us"], concepts=[*files, words], model=bright_pipeline())
    encoders = (PALE_GAIN, BLACK_GAIN, 3.0, 3.0)  # the last is for what is normal
    for place, gain in enumerate(encoders):
        alone = classify(studies["us"], concepts=asked, model=at_gain(gain))
        assert routed.scores[place].cosine == alone.scores[place].cosine
        assert routed.scores[place].probability == alone.scores[place].probability
    assert [one.learnt for one in routed.scores] == [True, True, False, False]
    assert [entry.concepts for entry in routed.encoder.taught] == [("pale_disc",), ("black_disc",)]
    summed = classify(studies["us"], concepts=[*files], model=bright_pipeline(), together=True)
    assert any("are in one encoder" in warning for warning in summed.warnings)


def test_parts_of_the_body_have_their_own_normal(studies: Studies) -> None:
    asked = ["ct_nodule", "ct_intracranial_haemorrhage"]
    result = classify(studies["ct-series"], concepts=asked, model=bright_pipeline())
    names = [one.name for one in result.scores]
    assert names[2:] == ["normal (chest)", "normal (head)"]
    assert result.scores[2].texts != result.scores[3].texts


def test_nothing_to_compare(studies: Studies) -> None:
    with pytest.raises(SettingsError, match="say what to look for"):
        classify(studies["us"], model=bright_pipeline())
    with pytest.raises(SettingsError, match="one text alone has nothing to be compared with"):
        classify(studies["us"], prompts=["bright"], normal=False, model=bright_pipeline())
    with pytest.raises(SettingsError, match="scores compare two texts or more, each with its own id; got a, a"):
        score_planes(
            BrightSpots(), [0], lambda _: np.zeros((9, 9), np.float32), [ConceptTexts(id="a", prompts=("b",))] * 2
        )
    with pytest.raises(InputError, match="no plane to score"):
        score_planes(
            BrightSpots(), [], lambda _: np.zeros((9, 9), np.float32),
            [ConceptTexts(id=name, prompts=("b",)) for name in "ab"],
        )  # fmt: skip


def test_a_feature_that_is_no_number_is_an_error(studies: Studies) -> None:
    broken = replace(bright_pipeline(), encoder=with_gain(BrightSpots(), float("nan")))
    with pytest.raises(NumericalError, match="gives no usable feature for plane 0") as caught:
        classify(studies["us"], prompts=["bright"], model=broken)
    assert str(caught.value).startswith(f"{studies['us']}: ")


def test_an_unknown_name(studies: Studies) -> None:
    with pytest.raises(UnknownNameError, match="no concept"):
        classify(studies["us"], concepts=["no_such_thing"], model=bright_pipeline())


def test_the_shipped_model_tells_a_planted_finding_from_normal(studies: Studies) -> None:
    result = classify(studies["us"], concepts=["us_cyst"], view=View(modality="ultrasound"))
    cyst, normal = result.scores
    assert cyst.probability > normal.probability
    assert result.encoder.name == "small"
    assert not result.encoder.taught
