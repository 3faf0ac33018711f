"""The guard of the shipped model: it is of these weights, holds strangers back, and lets studies pass."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.guard import ModalityGuard, default_guard
from medkt.guard.default import NAME, shipped
from medkt.guard.modality import named
from medkt.io import read_image
from medkt.models.small import SmallEncoder, load_small
from medkt.models.small.dual_encoder import WEIGHTS
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, DomainName
from medkt.phantom.study import write_study
from medkt.pipeline.answer import heard, sight_of
from medkt.pipeline.look import View, look_at, shown_plane
from medkt.presence import Guard, PlaneGuard, PlaneScores, Reason, Sight
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import features_of_planes
from medkt.shapes import Plane
from medkt.spatial import Geometry, Image


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(scope="module")
def guard(encoder: SmallEncoder) -> ModalityGuard:
    return default_guard(encoder)


def seen(encoder: SmallEncoder, image: Image, modality: str) -> Sight:
    kind = domain(modality)
    looked = look_at(image, kind, View(modality=modality))
    features, _ = features_of_planes(encoder, looked.positions, lambda one: shown_plane(image, looked, one), None)
    return sight_of(encoder, image, kind, looked, features)


def picture(plane: Plane) -> Image:
    values = np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)[None]
    return Image(values=values, geometry=Geometry.of_pixels(*plane.shape))


def phantom(modality: DomainName, seed: int = 77) -> Image:
    return picture(DRAWERS[modality].draw_plane("", np.random.default_rng(seed), side=128).plane)


def codes(reasons: tuple[Reason, ...]) -> set[str]:
    return {reason.code for reason in reasons}


def test_it_is_a_guard_of_these_weights(encoder: SmallEncoder, guard: ModalityGuard) -> None:
    assert isinstance(guard, Guard)
    assert isinstance(guard, PlaneGuard)
    assert shipped(WEIGHTS / NAME).encoder == encoder.spec.digest
    assert encoder.spec.digest[:12] in guard.facts


@pytest.mark.parametrize("modality", DOMAINS)
def test_a_study_passes_and_is_another_thing_under_other_names(
    encoder: SmallEncoder, guard: ModalityGuard, modality: DomainName
) -> None:
    image = phantom(modality)
    assert guard.of_image(seen(encoder, image, modality)) == ()
    for other in DOMAINS:
        if other != modality:
            reasons = guard.of_image(seen(encoder, image, other))
            assert "like-another" in codes(reasons), (modality, other)
            assert reasons[0].sentence.startswith("this does not look like a")
            assert all(np.isfinite(list(reason.figures.values())).all() and reason.figures for reason in reasons)


def test_the_reason_names_what_it_looks_like(encoder: SmallEncoder, guard: ModalityGuard) -> None:
    reasons = guard.of_image(seen(encoder, phantom("ultrasound"), "cxr"))
    assert any("looks more like a breast ultrasound" in reason.sentence for reason in reasons)
    assert "does not look like a chest radiograph" in reasons[0].sentence


@pytest.mark.parametrize("modality", DOMAINS)
def test_drawings_are_held_back(encoder: SmallEncoder, guard: ModalityGuard, modality: DomainName) -> None:
    rows, columns = np.indices((128, 128))
    rings = (np.sin(np.hypot(rows - 64, columns - 64) / 3) / 2 + 0.5).astype(np.float32)
    assert codes(guard.of_image(seen(encoder, picture(rings), modality))) & {"unlike-known", "like-another"}


@pytest.mark.parametrize("modality", ["ct", "mri"])
def test_a_volume_passes_and_noise_in_its_place_does_not(
    encoder: SmallEncoder, guard: ModalityGuard, modality: DomainName, tmp_path: Path
) -> None:
    image = read_image(
        write_study(
            tmp_path,
            domain=modality,
            finding="",
            seed=3,
            format="nifti",
            shape=(9, 96, 96),
            spacing_mm=(20.0, 3.6, 3.6) if modality == "ct" else (12.0, 2.4, 2.4),
        )
    )
    assert guard.of_image(seen(encoder, image, modality)) == ()
    noise = np.random.default_rng(1).permutation(image.values.ravel()).reshape(image.values.shape)
    assert codes(guard.of_image(seen(encoder, replace(image, values=noise), modality))) & {"noise", "like-another"}


def test_another_part_of_the_body_is_said(encoder: SmallEncoder, guard: ModalityGuard) -> None:
    sight = seen(encoder, phantom("ct"), "ct")
    chest, head, abdomen = (
        load_concept(name) for name in ("ct_nodule", "ct_intracranial_haemorrhage", "ct_liver_metastases")
    )
    assert guard.of_words(chest, ["a nodule in the lung"], sight) == ()
    (reason, *_) = guard.of_words(head, ["bleeding in the brain"], sight)
    assert reason.sentence.startswith("this does not look like a head CT: it ")
    (reason,) = guard.of_words(abdomen, ["a dark lesion of the liver"], sight)
    assert (reason.code, reason.sentence) == (
        "body-not-known",
        "small knows no abdominal CT, only chest CT and head CT",
    )


def test_words_are_asked_too(encoder: SmallEncoder, guard: ModalityGuard) -> None:
    sight = seen(encoder, phantom("ct"), "ct")
    assert codes(guard.of_words(load_concept("ct_nodule"), ["no nodule"], sight)) == {"words-denied"}


def test_without_numbers_words_alone_decide_and_it_says_so(encoder: SmallEncoder) -> None:
    bare = ModalityGuard(encoder="other", digest=encoder.spec.digest)
    assert "by words alone" in bare.facts
    assert bare.of_image(seen(encoder, phantom("cxr"), "cxr")) == ()
    (reason,) = bare.of_image(seen(encoder, phantom("ultrasound"), "cxr"))
    assert reason.code == "words-of-another"
    assert reason.sentence.endswith("by its words alone")
    assert reason.figures["share_of_words"] < reason.figures["least_share"]


def test_planes_in_another_order_are_the_same_study(
    encoder: SmallEncoder, guard: ModalityGuard, tmp_path: Path
) -> None:
    one, other = (
        read_image(
            write_study(
                tmp_path / form,
                domain="mri",
                finding="",
                seed=4,
                format=form,
                shape=(7, 64, 64),
                spacing_mm=(15.0, 3.6, 3.6),
            )
        )
        for form in ("nifti", "dicom")
    )
    figures = [guard._looks(shipped(WEIGHTS / NAME), seen(encoder, image, "mri")) for image in (one, other)]
    np.testing.assert_allclose(figures[0], figures[1], atol=1e-3)


@pytest.mark.parametrize(
    ("modality", "bodies", "said"),
    [
        ("ultrasound", ["breast"], "breast ultrasound"),
        ("cxr", ["chest"], "chest radiograph"),
        ("ct", ["chest", "head"], "chest or head CT"),
    ],
)
def test_studies_are_called_as_radiologists_do(modality: str, bodies: list[str], said: str) -> None:
    assert named(domain(modality), bodies) == said


def volume(tmp_path: Path, encoder: SmallEncoder) -> Sight:
    path = write_study(
        tmp_path, domain="mri", finding="", seed=941_001, format="nifti", shape=(24, 96, 96), spacing_mm=(6.0, 2.4, 2.4)
    )
    return seen(encoder, read_image(path), "mri")


def test_the_ends_of_a_volume_are_odd_planes_and_its_middle_is_not(
    tmp_path: Path, encoder: SmallEncoder, guard: ModalityGuard
) -> None:
    sight = volume(tmp_path, encoder)
    odd = guard.odd_planes(sight, np.arange(len(sight.indices)))
    assert odd[-1]
    assert not odd[len(odd) // 4 : len(odd) // 2].any()
    some = np.array([len(odd) - 1, 0])
    np.testing.assert_array_equal(guard.odd_planes(sight, some), odd[some])  # in any order, asked again or alone
    np.testing.assert_array_equal(default_guard(encoder).odd_planes(sight, some), odd[some])


def test_only_a_volume_of_known_planes_has_odd_ones(
    tmp_path: Path, encoder: SmallEncoder, guard: ModalityGuard
) -> None:
    flat = seen(encoder, phantom("mri"), "mri")
    assert not guard.odd_planes(flat, np.array([0])).any()
    deep = volume(tmp_path, encoder)
    assert not replace(guard, known=None).odd_planes(deep, np.arange(len(deep.indices))).any()
    assert not len(guard.odd_planes(deep, np.arange(0)))


def test_an_odd_plane_has_no_voice(tmp_path: Path, encoder: SmallEncoder, guard: ModalityGuard) -> None:
    sight, settings = volume(tmp_path, encoder), PresenceSettings()
    spoken = np.zeros(len(sight.indices), np.float32)
    spoken[-2:], spoken[4] = 0.9, 0.15
    scores = PlaneScores(
        concept="x", unit="softmax", scores=spoken, score=0.9, margins=spoken, wanted=spoken, contrasts=spoken[:, None],
        normals=1, logit_scale=1.0, indices=sight.indices, sight=sight,
    )  # fmt: skip
    left = heard(scores, guard, settings)
    assert left.score == pytest.approx(0.0)  # the one plane that is left has no neighbour that bears it out
    assert left.scores[-2:].tolist() == [0, 0]
    assert left.scores[4] == spoken[4]
    assert heard(scores, None, settings) is scores
    assert heard(replace(scores, sight=None), guard, settings).score == pytest.approx(0.9)
