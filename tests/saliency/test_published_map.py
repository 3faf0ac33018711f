"""The map on any picture as MedCLIP-SAMv2 lays it, against an assembly from other libraries.

Its own numbers, and whole pictures, are in `tests/test_oracles.py`.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from tiny_encoder import TinyViT

from medkt.config import resolve
from medkt.models.framing import frame_plane
from medkt.saliency.explain import PlaneMap, published_shift_px
from medkt.saliency.methods import SaliencySettings
from medkt.saliency.targets import ConceptTexts
from medkt.segmentation.slicewise import SegmentationSettings, segment_planes


def on_picture(values: np.ndarray, rows: int, columns: int, policy: str = "crop") -> np.ndarray:
    framing = frame_plane(rows, columns, 224, policy, eight_bit=True)
    map_ = PlaneMap(concept="a", values=values, framing=framing, specificity=None)
    return np.rint(map_.on_plane("published") * 255).astype(np.uint8)


@pytest.mark.parametrize(("rows", "columns"), [(60, 83), (83, 60), (448, 224), (224, 224), (300, 200)])
def test_the_map_is_that_of_an_assembly(rows: int, columns: int) -> None:
    """Torch for the first enlargement, a loop for the second: row i takes row floor(i / (rows / 224)) of the square."""
    values = np.random.default_rng(rows).random((14, 14), dtype=np.float32)
    square = torch.nn.functional.interpolate(torch.tensor(values)[None, None], (224, 224), mode="bilinear")[
        0, 0
    ].numpy()
    square = (square - square.min()) / (square.max() - square.min())
    expected = np.zeros((rows, columns), np.uint8)
    for i in range(rows):
        for j in range(columns):
            taken = square[int(i * (1 / (rows / 224))), int(j * (1 / (columns / 224)))]
            expected[i, j] = np.rint(taken * np.float32(255))
    np.testing.assert_array_equal(on_picture(values, rows, columns), expected)


def test_a_map_of_a_padded_square_goes_where_it_belongs() -> None:
    """The authors never pad; a square that shows the whole picture beside black cannot be laid over the picture."""
    values = np.zeros((14, 14), np.float32)
    values[7, 3] = 1.0
    rows, columns = 100, 200
    row, column = np.unravel_index(int(on_picture(values, rows, columns, "letterbox").argmax()), (rows, columns))
    assert abs(row - (7.5 / 14 * 200 - 50)) < 3  # of 200 x 200 with 50 black rows above
    assert abs(column - 3.5 / 14 * 200) < 3
    for shape, policy, shift in (
        ((100, 200), "crop", 50),
        ((100, 200), "letterbox", 0),
        ((100, 200), "squash", 0),
        ((9, 9), "crop", 0),
    ):
        assert published_shift_px(frame_plane(*shape, 224, policy)) == shift


@pytest.mark.parametrize(("rows", "columns"), [(328, 503), (36, 32), (32, 36), (24, 24)])
def test_a_picture_of_8_bits_is_framed_by_pillow(rows: int, columns: int) -> None:
    grey = np.random.default_rng(columns).integers(0, 256, (rows, columns), dtype=np.uint8)
    short, size = min(rows, columns), 24
    resized = Picture.fromarray(np.repeat(grey[:, :, None], 3, axis=2)).resize(
        (int(size * columns / short), int(size * rows / short)), Picture.Resampling.BICUBIC
    )
    left, top = (resized.width - size) // 2, (resized.height - size) // 2
    cut = np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.float32) / 255
    framing = frame_plane(rows, columns, size, "crop", eight_bit=True)
    assert (framing.cut_top, framing.cut_left) == (top, left)
    np.testing.assert_array_equal(framing.image(grey.astype(np.float32) / 255)[0].permute(1, 2, 0).numpy(), cut)


@pytest.mark.parametrize("policy", ["letterbox", "canvas", "squash"])
def test_8_bits_differ_by_their_rounding_alone(policy: str) -> None:
    rows, columns = np.mgrid[:40, :61]
    grey = np.rint(127 + 90 * np.sin(rows / 7) * np.cos(columns / 9)).astype(np.float32) / 255
    exact, rounded = (frame_plane(40, 61, 48, policy, eight_bit=bits) for bits in (False, True))
    apart = float((exact.image(grey) - rounded.image(grey)).abs().max())
    assert apart <= 1.2 / 255  # half a level after each of two passes, the first one weighed
    assert not torch.equal(exact.image(grey), rounded.image(grey)) or policy == "canvas"
    np.testing.assert_allclose(exact.home(np.eye(5)), rounded.home(np.eye(5)))


def test_an_oblong_picture_is_told_of() -> None:
    plane, square = (np.random.default_rng(0).random(shape, dtype=np.float32) for shape in ((40, 90), (40, 40)))
    settings = resolve(SegmentationSettings, preset="medclip-samv2", sets=["m2ib.layer=1", "m2ib.steps=2"])
    encoder, texts = TinyViT(), [ConceptTexts(id="a", prompts=("a mass",))]
    encoder.spec = replace(encoder.spec, framing="crop")

    def notes(shown: np.ndarray, how: SegmentationSettings) -> str:
        (found,) = segment_planes(encoder, None, [0], lambda _: shown, texts, how, spacing_mm=None)
        return "; ".join(found.warnings)

    assert "stretched over the whole picture (map.resize=published): it lies up to 25 pixels beside" in notes(
        plane, settings
    )
    assert "stretched" not in notes(square, settings)
    assert "stretched" not in notes(plane, SegmentationSettings(saliency=SaliencySettings(method=settings.m2ib)))
