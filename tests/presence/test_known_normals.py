"""The shipped normal studies decide: in single images, in volumes, in the record; and where nobody knows, it is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.io import read_image
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, StudyResult, View, look_at
from medkt.pipeline.answer import null_for, sight_of
from medkt.pipeline.words import texts_of
from medkt.presence import NullDistribution
from medkt.presence.normals import Normals, NormalStudies, default_normals
from medkt.report.study_folder import Formats, write_result
from medkt.saliency.directions import Directions
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.targets import ConceptQuery, embed_targets
from medkt.segmentation.null import null_of
from medkt.segmentation.presence import FLOOR, PresenceSettings
from medkt.segmentation.slicewise import SegmentationSettings

ASKED = ("us_cyst", "us_fibroadenoma")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    quick = SegmentationSettings(saliency=SaliencySettings(method=M2IBSettings(steps=2, samples=2)))
    return Pipeline.load("small", device="cpu", settings=quick, guarded=False)


@pytest.fixture(scope="module")
def breast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(
        tmp_path_factory.mktemp("us"), domain="ultrasound", finding="us_cyst", seed=12, format="png", side=128
    )


def asked_of(pipeline: Pipeline, path: Path) -> StudyResult:
    return pipeline.segment_file(path, list(ASKED), view=View(modality="ultrasound"))


def normals_of(pipeline: Pipeline) -> Normals:
    assert pipeline.normals is not None
    return pipeline.normals


def test_each_question_has_its_own_threshold(pipeline: Pipeline, breast: Path) -> None:
    result = asked_of(pipeline, breast)
    group = normals_of(pipeline).of("ultrasound", "breast", "", is_volume=False)
    assert isinstance(group, NormalStudies)
    for finding in result.findings:
        texts = texts_of(domain("ultrasound"), load_concept(finding.concept.id))
        (target,) = embed_targets(pipeline.encoder, [texts])
        null = null_of(group, target, PresenceSettings(), logit_scale=pipeline.encoder.logit_scale)
        answer = finding.found.presence
        assert answer.strong == pytest.approx(max(FLOOR, float(np.quantile(null.scores, 0.97))))
        np.testing.assert_array_equal(answer.null, null.scores)
        assert "of 500 drawn normal studies score as much" in answer.reason
    cyst, other = (finding.found.presence for finding in result.findings)
    assert (cyst.state, cyst.strong) == ("seen", FLOOR)
    assert cyst.reason.endswith("reaches 0.05; none of 500 drawn normal studies score as much")
    assert other.strong > 0.3  # drawn breasts without any come near to it


def test_the_record_says_from_where_on_and_how_many_normals_reach_it(
    pipeline: Pipeline, breast: Path, tmp_path: Path
) -> None:
    result = asked_of(pipeline, breast)
    write_result(result, tmp_path / "out", formats=Formats(nifti=False, png=False), name="study")
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    for finding, told in zip(result.findings, record["findings"], strict=True):
        answer = finding.found.presence
        assert told["threshold"] == pytest.approx(answer.strong, abs=1e-6)
        assert told["normals"]["studies"] == 500
        assert told["no_normals"] is None
        assert told["normals"]["reached_by"] == pytest.approx(np.mean(answer.null >= answer.score), abs=1e-6)
    assert record["settings"]["presence"]["extent_mm"] == 0
    assert record["settings"]["presence"]["threshold"] is None


CODES = {"other weights": "other-weights", "none": "unknown-model", "threshold said": "threshold-said"}


@pytest.mark.parametrize("way", list(CODES))
def test_where_nobody_knows_the_fixed_threshold_decides_and_it_is_said(
    pipeline: Pipeline, breast: Path, way: str
) -> None:
    own = normals_of(pipeline)
    settings = pipeline.settings
    if way == "threshold said":
        settings = replace(settings, presence=replace(settings.presence, threshold=0.25))
    normals = {"other weights": replace(own, encoder="0" * 64), "none": None, "threshold said": own}[way]
    result = asked_of(replace(pipeline, normals=normals, settings=settings), breast)
    for finding in result.findings:
        answer = finding.found.presence
        assert answer.null is None
        assert answer.no_normals is not None
        assert answer.no_normals.code == CODES[way]
        assert answer.strong == (0.25 if way == "threshold said" else 0.2)
        assert ("not calibrated" in answer.reason) == (way != "threshold said")


def test_a_volume_is_held_against_volumes_and_a_stack_without_millimetres_against_nothing(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    path = write_study(
        tmp_path, domain="mri", finding="", seed=3, format="nifti", shape=(6, 64, 64), spacing_mm=(12.0, 3.6, 3.6)
    )
    result = pipeline.segment_file(path, ["mri_glioma"], view=View(modality="mri"))
    (finding,) = result.findings
    # slices four times as far apart as in the 32 volumes: each is cut in four ways
    assert finding.found.presence.null is not None
    assert len(finding.found.presence.null) == 4 * 32
    flat = replace(result.image, geometry=replace(result.image.geometry, unit="pixel"))
    (other,) = pipeline.segment(flat, ["mri_glioma"], view=View(modality="mri")).findings
    assert other.found.presence.null is None
    assert other.found.presence.no_normals is not None
    assert other.found.presence.no_normals.code == "no-distances"
    assert "it is not known how many millimetres its slices lie apart" in other.found.presence.reason
    assert other.found.presence.strong == 0.5


def test_a_pipeline_has_what_ships_with_its_encoder(pipeline: Pipeline) -> None:
    assert pipeline.normals is default_normals(pipeline.encoder)


def test_a_concept_that_names_no_window_is_held_against_what_its_domain_shows(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Its planes are shown in the lung window, as those of one that names it, with a bias of its own and without."""
    kind, settings, nodule = domain("ct"), PresenceSettings(), load_concept("ct_nodule")
    path = write_study(
        tmp_path, domain="ct", finding="", seed=3, format="nifti", shape=(6, 64, 64), spacing_mm=(16.0, 5.6, 5.6)
    )
    image = read_image(path)
    looked = look_at(image, kind, View(modality="ct"))
    own, none = replace(nodule, id="own", window=kind.default_window), replace(nodule, id="none", window="")
    (plain,) = embed_targets(pipeline.encoder, [texts_of(kind, none)])
    directions = Directions(wanted=plain.wanted, rivals=plain.contrasts)
    query = ConceptQuery(directions=directions, known=1, bias=0.0, texts=("a spot",), way="virtual", digest="")
    asked = replace(plain, asked=query)
    sight = sight_of(pipeline.encoder, image, kind, looked, torch.zeros(len(looked.positions), 4))
    for target in (asked, plain):
        named, unnamed = (null_for(one, target, sight, looked, settings, normals_of(pipeline)) for one in (own, none))
        assert isinstance(named, NullDistribution)
        assert isinstance(unnamed, NullDistribution)
        np.testing.assert_array_equal(named.scores, unnamed.scores)
