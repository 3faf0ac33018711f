"""Our use of Segment Anything against its own predictor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from tiny_sam import SIDE, make_sam

from medkt.errors import InputError, NumericalError, SettingsError
from medkt.models.sam import SamPreprocessing
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.sam import SamSegmenter
from medkt.segmentation.segmenter import Segmenter

MEDSAM = SamPreprocessing(
    name="medsam",
    input_size=SIDE,
    framing="squash",
    stretch=True,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    prompts=("box",),
)


def make_plane(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(1).random((rows, columns), dtype=np.float32)


def make_prompts(*, boxes: bool = True, points: bool = False) -> Prompts:
    xy = np.array([[12.0, 9.0], [20.0, 30.0], [25.0, 11.0]], dtype=np.float32)
    return Prompts(
        boxes_xyxy=np.array([[5.0, 4.0, 20.0, 17.0], [10.0, 20.0, 30.0, 40.0]], dtype=np.float32)[: 2 * boxes],
        points_xy=xy[: 3 * points],
        labels=np.array([1, 1, 0])[: 3 * points],
        region=np.array([0, 1, 1])[: 3 * points],
        regions=2,
    )


@pytest.mark.parametrize(
    ("rows", "columns", "multimask", "boxes", "points"),
    [
        (48, 80, False, True, False),
        (48, 80, True, True, True),
        (90, 50, True, False, True),
        (64, 64, True, True, False),
        (1, 1, False, True, False),
    ],
)
def test_masks_are_those_of_the_predictor(rows: int, columns: int, multimask: bool, boxes: bool, points: bool) -> None:
    sam, plane, prompts = make_sam(), make_plane(rows, columns), make_prompts(boxes=boxes, points=points)
    segmenter = SamSegmenter(sam)
    found = segmenter.masks(segmenter.embed(plane), prompts, multimask)
    predictor = SamPredictor(sam)
    predictor.set_image(np.repeat(np.rint(plane * 255).astype(np.uint8)[:, :, None], 3, axis=2))
    each = 3 if multimask else 1
    assert found.masks.shape == (2 * each, rows, columns)
    assert found.region.tolist() == [0] * each + [1] * each
    for region in range(2):
        mine = prompts.region == region
        masks, ious, _ = predictor.predict(
            point_coords=prompts.points_xy[mine] if points else None,
            point_labels=prompts.labels[mine] if points else None,
            box=prompts.boxes_xyxy[region] if boxes else None,
            multimask_output=multimask,
        )
        here = slice(region * each, (region + 1) * each)
        np.testing.assert_array_equal(found.masks[here], masks)
        np.testing.assert_allclose(found.predicted_iou[here], ious, rtol=1e-5)


def test_a_plane_is_embedded_once_and_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    sam = make_sam()
    segmenter, calls = SamSegmenter(sam, name="mine"), []
    assert isinstance(segmenter, Segmenter)
    assert segmenter.name == "mine"
    forward = sam.image_encoder.forward
    monkeypatch.setattr(sam.image_encoder, "forward", lambda x: (calls.append(1), forward(x))[1])
    first = segmenter.embed(make_plane(40, 50))
    before = segmenter.masks(first, make_prompts(), False)
    segmenter.embed(make_plane(64, 30))
    np.testing.assert_array_equal(segmenter.masks(first, make_prompts(), False).masks, before.masks)
    assert len(calls) == 2


def test_no_region_gives_no_candidate() -> None:
    segmenter = SamSegmenter(make_sam())
    nothing = Prompts(
        boxes_xyxy=np.zeros((0, 4), np.float32),
        points_xy=np.zeros((0, 2), np.float32),
        labels=np.zeros(0, np.int64),
        region=np.zeros(0, np.int64),
        regions=0,
    )
    found = segmenter.masks(segmenter.embed(make_plane(20, 30)), nothing, True)
    assert found.masks.shape == (0, 20, 30)


def test_medsam_squashes_stretches_and_takes_boxes_only() -> None:
    sam, plane = make_sam(), make_plane(48, 80) * 0.5 + 0.25
    seen: list[torch.Tensor] = []
    handle = sam.image_encoder.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    segmenter = SamSegmenter(sam, MEDSAM)
    embedding = segmenter.embed(plane)
    handle.remove()
    assert seen[0].shape == (1, 3, SIDE, SIDE)
    assert (seen[0].min().item(), seen[0].max().item()) == (0.0, 1.0)
    assert segmenter.masks(embedding, make_prompts(), False).masks.shape == (2, 48, 80)
    with pytest.raises(SettingsError, match="'medsam' takes boxes only"):
        segmenter.masks(embedding, make_prompts(points=True), False)
    assert torch.isfinite(segmenter.embed(np.full((9, 5), 0.5, np.float32)).features).all()


@pytest.mark.parametrize(("rows", "columns"), [(48, 80), (150, 37), (1, 9)])
def test_medsam_brings_probabilities_to_the_plane_without_a_stop(rows: int, columns: int) -> None:
    """Assembled from segment_anything's own modules: sigmoid on the decoder's grid, bilinear to the plane, above one half."""
    sam, plane, prompts = make_sam(), make_plane(rows, columns), make_prompts()
    segmenter = SamSegmenter(sam, MEDSAM)
    embedding = segmenter.embed(plane)
    found = segmenter.masks(embedding, prompts, False)
    assert found.masks.shape == (2, rows, columns)
    both_ways = []
    for region, box in enumerate(prompts.boxes_xyxy.astype(np.float64)):
        scaled = torch.tensor(box / [columns, rows, columns, rows] * SIDE, dtype=torch.float32)[None, None]
        with torch.no_grad():
            sparse, dense = sam.prompt_encoder(points=None, boxes=scaled, masks=None)
            low, _ = sam.mask_decoder(
                image_embeddings=embedding.features, image_pe=sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=False,
            )  # fmt: skip
            share = torch.nn.functional.interpolate(torch.sigmoid(low), (rows, columns), mode="bilinear")
            other = sam.postprocess_masks(low, (SIDE, SIDE), (rows, columns)) > 0
        np.testing.assert_array_equal(found.masks[region], share[0, 0].numpy() > 0.5)
        both_ways.append((share[0, 0] > 0.5, other[0, 0]))
    assert rows == 1 or any(not torch.equal(*pair) for pair in both_ways)  # SAM's own order is another mask


def test_medsam_scales_a_box_along_each_axis() -> None:
    sam = make_sam()
    segmenter, boxes = SamSegmenter(sam, MEDSAM), []
    embedding = segmenter.embed(make_plane(32, 128))
    handle = sam.prompt_encoder.register_forward_pre_hook(
        lambda _m, _i, named: boxes.append(named["boxes"]), with_kwargs=True
    )
    segmenter.masks(embedding, make_prompts(), False)
    handle.remove()
    assert boxes[0].tolist() == [[2.5, 8.0, 10.0, 34.0]]  # x by 64/128, y by 64/32


def test_what_is_no_plane_is_refused(tmp_path: Path) -> None:
    segmenter = SamSegmenter(make_sam())
    with pytest.raises(InputError, match=r"windowed to \[0, 1\], got 0 to 255"):
        segmenter.embed(np.array([[0.0, 255.0]], dtype=np.float32))
    with pytest.raises(NumericalError, match="NaN or infinity"):
        segmenter.embed(np.array([[0.0, np.nan]], dtype=np.float32))
    broken = make_sam()
    broken.image_encoder.patch_embed.proj.weight.data.fill_(float("nan"))
    with pytest.raises(NumericalError, match="'sam' gives NaN or infinity"):
        SamSegmenter(broken).embed(make_plane(10, 10))
