"""The presets that ship: each can be read, and the published ones say what was published."""

import pytest

from medkt.config import presets, resolve
from medkt.segmentation.slicewise import SegmentationSettings


def test_every_preset_is_complete_and_known() -> None:
    names = ("default", "m2ib", "medclip-samv2", "medclip-samv2-brain", "medclip-samv2-breast")
    assert set(names) <= set(presets())
    for name in names:
        resolve(SegmentationSettings, preset=name)


def test_the_default_preset_is_the_default() -> None:
    assert resolve(SegmentationSettings, preset="default") == SegmentationSettings()


@pytest.mark.parametrize(
    ("name", "beta", "layer", "seed"),
    [("", 0.1, 7, 42), ("-brain", 2.0, 9, 12), ("-breast", 1.0, 9, 12)],
)
def test_medclip_samv2_as_published(name: str, beta: float, layer: int, seed: int) -> None:
    found = resolve(SegmentationSettings, preset=f"medclip-samv2{name}")
    assert (found.m2ib.beta, found.m2ib.layer, found.m2ib.seed) == (beta, layer, seed)
    assert (found.m2ib.steps, found.m2ib.samples, found.m2ib.lr, found.m2ib.alpha0) == (10, 10, 1.0, 5.0)
    assert (found.m2ib.noise, found.m2ib.target, found.m2ib.map_from) == ("unit", "cosine", "last_forward")
    assert found.m2ib.reading == "capacity"
    assert (found.threshold.side, found.threshold.keep, found.threshold.order) == (256, 1, "area")
    assert (found.prompts.use, found.prompts.boxes, found.choice.multimask) == ("boxes", "one", False)
    assert (found.threshold.method, found.threshold.ties) == ("kmeans++", "all")
    assert (found.keep_largest, found.presence.gate, found.map.resize) == ("coarse", False, "published")
    assert (found.window, found.map.pixels) == ("8-bit", "8-bit")


def test_m2ib_as_published() -> None:
    settings = resolve(SegmentationSettings, preset="m2ib")
    assert (settings.window, settings.map.pixels, settings.map.resize) == ("8-bit", "8-bit", "bilinear")
    found = settings.m2ib
    assert (found.beta, found.layer, found.steps, found.samples, found.compress_leading) == (0.1, 9, 10, 10, True)
