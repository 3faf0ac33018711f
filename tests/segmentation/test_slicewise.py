"""The whole way on studies whose answer is known: bright spots on a dark plane."""

from dataclasses import replace

import numpy as np
import pytest
from bright_spots import BoxFiller, BrightSpots
from drawing import forced

from medkt.errors import InputError, SettingsError
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.prompts import Prompts, PromptSettings
from medkt.segmentation.segmenter import Candidates, CandidateSettings, Embedding
from medkt.segmentation.slicewise import MapSettings, SegmentationSettings, segment_planes
from medkt.segmentation.threshold import ThresholdSettings
from medkt.segmentation.volume import VolumeSettings

BRIGHT = ConceptTexts(id="bright", prompts=("a bright spot",), normal=("a dark plane",))
SETTINGS = SegmentationSettings(
    saliency=SaliencySettings(method=M2IBSettings(beta=0.1, samples=4, noise="feature", target="cosine")),
    presence=PresenceSettings(threshold=0.5, weak=0.25, rule="softmax"),
    prompts=PromptSettings(margin=0.2),
    choice=CandidateSettings(multimask=True),
)


def make_plane(rows: int = 48, columns: int = 64, *, level: float = 0.95, spot: bool = True) -> np.ndarray:
    plane = np.full((rows, columns), 0.05, dtype=np.float32)
    if spot:
        plane[rows // 4 : rows // 2, columns // 8 : columns // 4] = level
    return plane


def run(planes: list[np.ndarray], settings: SegmentationSettings = SETTINGS, segmenter: BoxFiller | None = None):
    return segment_planes(
        BrightSpots(),
        segmenter or BoxFiller(),
        range(len(planes)),
        planes.__getitem__,
        [BRIGHT],
        settings,
        spacing_mm=None,
    )


def test_a_bright_spot_is_found_where_it_is() -> None:
    plane = make_plane()
    (result,) = run([plane])
    assert result.presence.present
    ((index, mask),) = result.masks()
    assert index == 0
    assert (mask == (plane > 0.5)).all()
    ((_, map_),) = result.maps()
    assert map_.shape == plane.shape
    assert map_[plane > 0.5].mean() > 3 * map_[plane < 0.5].mean()
    (region,) = result.slices[0].regions
    assert region.predicted_iou == pytest.approx((0.8, 0.9))  # both kept, and the whole plane not chosen
    assert region.chosen_iou == pytest.approx(0.8)
    assert region.how == "agrees"


def test_an_absent_finding_is_an_empty_mask_and_no_work() -> None:
    segmenter = BoxFiller()
    (result,) = run([make_plane(spot=False)] * 3, segmenter=segmenter)
    assert not result.presence.present
    assert "is below 0.5" in result.presence.reason
    assert list(result.masks()) == []
    assert list(result.maps()) == []
    assert segmenter.embedded == 0


def test_only_slices_that_may_hold_it_are_looked_at() -> None:
    spots = [False, False, True, True, False, False]
    encoder, segmenter, shown = BrightSpots(), BoxFiller(), []

    def show(index: int) -> np.ndarray:
        shown.append(index)
        return make_plane(spot=spots[index])

    (result,) = segment_planes(encoder, segmenter, range(6), show, [BRIGHT], SETTINGS, spacing_mm=(0.7, 0.7))
    assert shown == [0, 1, 2, 3, 4, 5, 2, 3]
    assert encoder.prefixes == 6 + 2
    assert segmenter.embedded == 2
    assert [index for index, _ in result.masks()] == [2, 3]
    assert result.disagreement == pytest.approx(0.0)


def test_several_concepts_share_the_work_of_a_slice() -> None:
    encoder, segmenter = BrightSpots(), BoxFiller()
    concepts = [replace(BRIGHT, id=name) for name in ("one", "two", "three")]
    settings = replace(SETTINGS, map=MapSettings(check_words="off"))
    results = segment_planes(encoder, segmenter, [0], lambda _: make_plane(), concepts, settings, spacing_mm=None)
    assert (encoder.prefixes, segmenter.embedded) == (2, 1)  # once for presence, once for the maps
    first, *others = [dict(result.masks())[0] for result in results]
    assert all((mask == first).all() for mask in others)
    alone = run([make_plane()], settings)[0]
    assert (dict(alone.masks())[0] == first).all()


def test_the_order_of_slices_and_their_company_change_nothing() -> None:
    planes = [make_plane(level=level) for level in (0.7, 0.8, 0.9)]
    (together,) = run(planes)
    for index, plane in enumerate(planes):
        (alone,) = run([plane])
        np.testing.assert_allclose(dict(alone.maps())[0], dict(together.maps())[index], rtol=1e-4, atol=1e-4)


def test_a_lonely_weak_slice_is_dropped_and_a_linked_one_kept() -> None:
    levels = [0.05, 0.51, 0.05, 0.51, 0.95, 0.05]
    planes = [make_plane(level=level) for level in levels]
    settings = replace(SETTINGS, presence=PresenceSettings(threshold=0.6, weak=0.2))
    (result,) = run(planes, replace(settings, choice=CandidateSettings(fallback="coarse")))
    assert [s.index for s in result.slices] == [1, 3, 4]
    assert [index for index, _ in result.masks()] == [3, 4]
    assert result.dropped == 1
    (kept,) = run(planes, replace(settings, volume=VolumeSettings(hysteresis=False)))
    assert [index for index, _ in kept.masks()] == [1, 3, 4]


def test_the_bound_on_slices_is_reported() -> None:
    settings = replace(SETTINGS, map=MapSettings(max_slices=2, check_words="off"))
    (result,) = run([make_plane()] * 4, settings)
    assert [s.index for s in result.slices] == [0, 1]
    assert any("4 slices may hold the finding, the 2 best were looked at" in w for w in result.warnings)


def test_without_a_gate_every_slice_is_looked_at() -> None:
    settings = replace(SETTINGS, presence=PresenceSettings(gate=False))
    (result,) = run([make_plane(spot=False), make_plane()], settings)
    assert [s.index for s in result.slices] == [0, 1]


def test_without_a_segmenter_the_coarse_mask_stands() -> None:
    plane = make_plane()
    (result,) = segment_planes(BrightSpots(), None, [0], lambda _: plane, [BRIGHT], SETTINGS, spacing_mm=None)
    ((_, mask),) = result.masks()
    assert mask.any()
    assert mask[plane > 0.5].mean() > 0.5
    assert result.slices[0].regions[0].how == "coarse"


def test_the_words_are_checked_as_often_as_asked() -> None:
    planes = [make_plane(level=level) for level in (0.8, 0.95)]
    for mode, expected in (("every", [True, True]), ("best", [False, True]), ("off", [False, False])):
        (result,) = run(planes, replace(SETTINGS, map=MapSettings(check_words=mode)))
        assert [s.map.specificity is not None for s in result.slices] == expected


def test_a_map_that_ignores_its_words_is_reported() -> None:
    settings = replace(
        SETTINGS, saliency=SaliencySettings(method=M2IBSettings(steps=1))
    )  # nothing learned: every text has the same map
    (result,) = run([make_plane()], settings)
    assert any("the map hardly depends on the words" in warning for warning in result.warnings)


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    segment_planes(
        BrightSpots(),
        None,
        [0, 1],
        lambda _: make_plane(),
        [BRIGHT],
        SETTINGS,
        spacing_mm=None,
        progress=lambda what, done, of: told.append((what, done, of)),
    )
    assert told == [("presence", 2, 2), ("maps", 1, 2), ("maps", 2, 2)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 3)])
def test_odd_planes_go_through(shape: tuple[int, int]) -> None:
    settings = replace(SETTINGS, presence=PresenceSettings(gate=False))
    plane = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    (result,) = run([plane], settings)
    ((_, map_),) = result.maps()
    assert map_.shape == shape
    assert np.isfinite(map_).all()


def test_a_constant_plane_gives_an_answer() -> None:
    settings = replace(SETTINGS, presence=PresenceSettings(gate=False))
    (result,) = run([np.full((40, 40), 0.5, dtype=np.float32)], settings)
    assert np.isfinite(dict(result.maps())[0]).all()


def test_one_box_around_all_and_the_largest_part_kept() -> None:
    plane = make_plane()
    plane[40:44, 50:60] = 0.9
    settings = replace(
        SETTINGS,
        prompts=PromptSettings(boxes="one"),
        threshold=ThresholdSettings(method="fixed", value=0.2),
        keep_largest=1,
        choice=CandidateSettings(multimask=False, min_overlap=0.0),
    )
    (result,) = run([plane], settings)
    ((_, mask),) = result.masks()
    assert len(result.slices[0].prompts.boxes_xyxy) == 1
    assert len(result.pieces) == 1
    assert mask[14:22, 9:15].all()
    assert not mask[40:44].any()


def test_as_many_parts_are_kept_as_the_coarse_mask_has() -> None:
    """Three blobs, two of equal area, come out of one box; and of as many boxes as the coarse mask has parts."""
    drawn = np.zeros((48, 64), dtype=bool)
    drawn[2:6, 2:6] = drawn[20:24, 30:34] = drawn[40:42, 50:52] = True

    class Drawn(BoxFiller):
        def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
            found = super().masks(embedding, prompts, False)
            return replace(found, masks=np.repeat(drawn[None], len(found.masks), axis=0))

    plane = make_plane(spot=False)
    plane[8:16, 8:16] = plane[32:40, 48:56] = 0.95
    choice = CandidateSettings(multimask=False, min_overlap=0.0, max_part=1.0, fallback="best")
    for boxes in ("one", "each"):
        for keep_coarse, keep, ties, kept in (
            (1, "coarse", "first", 1), (1, "coarse", "all", 2), (2, "coarse", "first", 2), (1, None, "first", 3), (1, 2, "all", 2),
        ):  # fmt: skip
            cut = ThresholdSettings(method="fixed", value=0.2, keep=keep_coarse, order="area", ties=ties)
            prompts = PromptSettings(boxes=boxes)
            settings = replace(SETTINGS, threshold=cut, prompts=prompts, choice=choice, keep_largest=keep)
            (result,) = run([plane], settings, Drawn())
            assert len(result.pieces) == kept
    for wrong in (0, True, "all"):
        with pytest.raises(SettingsError, match=f"keep_largest is at least 1, or coarse, got {wrong!r}"):
            forced(SegmentationSettings, keep_largest=wrong)
    with pytest.raises(SettingsError, match="unknown window 'lung' of the settings; known: 8-bit"):
        forced(SegmentationSettings, window="lung")
    with pytest.raises(SettingsError, match="unknown pixels 'exact'; known: float, 8-bit"):
        forced(MapSettings, pixels="exact")


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(InputError, match="0 slices, 1 concepts"):
        run([])
    with pytest.raises(InputError, match=r"one size, got \[\(24, 24\), \(48, 64\)\]"):
        run([make_plane(), make_plane(24, 24)])
    with pytest.raises(SettingsError, match="two concepts share an id: bright, bright"):
        segment_planes(BrightSpots(), None, [0], lambda _: make_plane(), [BRIGHT, BRIGHT], SETTINGS, spacing_mm=None)
    with pytest.raises(SettingsError, match="max_slices is at least 1"):
        MapSettings(max_slices=0)
