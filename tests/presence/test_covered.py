"""An answer over most of the body is no lesion: how much it covers, and that it is held back with its mask."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from combinations.test_passed_over import SETTINGS, volume
from guards import SaysSo
from whole_line import bright_pipeline

from medkt.concepts import Concept, concept_from_text, load_concept
from medkt.domains import Domain, domain
from medkt.guard import ModalityGuard
from medkt.guard.default import default_guard
from medkt.io import read_image
from medkt.models.small import load_small
from medkt.phantom.study import write_study
from medkt.pipeline import View
from medkt.presence import AnswerGuard, Reason
from medkt.presence.normals import cover_key
from medkt.spatial import planes_of

BRIGHT = concept_from_text("a bright spot")
VIEW = View(modality="mri", step_mm=0.0)
SPOTS = [0, 120.0, 0, 160, 250, 170]
TOO_LARGE = Reason(code="covers-the-body", sentence="the answer covers all of it")


class Sizes(SaysSo):
    """Lets pass what covers at most this much, and remembers what was asked."""

    most = 1.0

    def of_answer(self, concept: Concept, domain: Domain, share: float, *, is_volume: bool) -> tuple[Reason, ...]:
        self.seen.append((round(1000 * share), int(is_volume)))
        return (TOO_LARGE,) if share > self.most else ()


def test_an_answer_over_most_of_the_body_is_no_claim_and_has_no_mask() -> None:
    guard = Sizes()
    assert isinstance(guard, AnswerGuard)
    pipeline = replace(bright_pipeline(SETTINGS), guard=guard)
    (finding,) = pipeline.segment(volume(SPOTS), [BRIGHT], view=VIEW).findings
    assert finding.found.presence.state == "seen"
    share, is_volume = guard.seen[-1]
    assert 0 < share < 1000
    assert is_volume
    guard.most = share / 1000 - 0.001
    result = pipeline.segment(volume(SPOTS), [BRIGHT], view=VIEW)
    (held,) = result.findings
    assert (held.found.presence.state, held.found.presence.reasons) == ("no claim", (TOO_LARGE,))
    assert not result.mask(held).values.any()
    assert held.measures.lesion_count == 0
    assert result.saliency(held).values.any()  # it was looked at
    assert held.found.presence.reason in result.warnings


def test_a_study_without_an_answer_is_not_asked() -> None:
    guard = Sizes()
    strict = replace(SETTINGS, presence=replace(SETTINGS.presence, threshold=2.0))
    pipeline = replace(bright_pipeline(strict), guard=guard)
    pipeline.segment(volume(SPOTS), [BRIGHT], view=VIEW)
    assert len(guard.seen) == 1  # the study itself


def test_the_share_is_of_what_is_brighter_than_air_and_what_it_encloses(tmp_path: Path) -> None:
    path = write_study(
        tmp_path, domain="ct", finding="", seed=4, format="nifti", shape=(6, 96, 96), spacing_mm=(20.0, 3.6, 3.6)
    )
    image, kind = read_image(path), domain("ct")
    planes = planes_of(image.geometry, None)
    plane = planes.show(image.values, 3)
    body, bright = kind.body_pixels(image, plane), int((plane > -500).sum())
    assert bright < body < plane.size  # the lungs are the body's, the room is not
    film = read_image(write_study(tmp_path / "film", domain="cxr", finding="", seed=4, format="png"))
    shown = planes_of(film.geometry, None).show(film.values, 0)
    assert domain("cxr").body_pixels(film, shown) == shown.size


@pytest.mark.parametrize(
    ("limits", "asked", "most"),
    [
        ({}, "mri_glioma", None),
        ({"mri/plane": 0.1}, "mri_glioma", None),
        ({"mri/volume": 0.1}, "mri_glioma", "any lesion that small knows (10% at most)"),
        ({"mri/volume": 0.3, "mri/volume/mri_glioma": 0.12}, "mri_glioma", "any such lesion that small knows (12% at most)"),
        ({"mri/volume": 0.1, "mri/volume/mri_glioma": 0.2}, "mri_glioma", None),
        ({"mri/volume": 0.3, "mri/volume/mri_demyelination": 0.05}, "mri_white_matter_hyperintensities", "any such lesion"),
    ],
)  # fmt: skip
def test_the_limit_is_of_the_kind_of_study_and_of_the_finding(
    limits: Mapping[str, float], asked: str, most: str | None
) -> None:
    guard = ModalityGuard(encoder="small", digest="e" * 64, covered=limits)
    reasons = guard.of_answer(load_concept(asked), domain("mri"), 0.13, is_volume=True)
    assert [one.code for one in reasons] == ["covers-the-body"] * (most is not None)
    if most is not None:
        assert f"covers 13% of the body, more than {most}" in reasons[0].sentence
        assert reasons[0].figures["share"] == 0.13


def test_a_limit_ships_for_every_kind_of_study() -> None:
    covered_most = default_guard(load_small()).covered
    kinds = [cover_key(name, is_volume=False) for name in ("cxr", "ct", "mri", "ultrasound")]
    assert {*kinds, *(cover_key(name, is_volume=True) for name in ("ct", "mri"))} < set(covered_most)
    assert cover_key("mri", is_volume=True, concept="mri_demyelination") in covered_most
    assert all(0 < most <= 1 for most in covered_most.values())
