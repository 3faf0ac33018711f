"""The methods by name: in Python, in files and in single settings; the former `m2ib` group; what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import SIDE, TinyViT

from medkt.config import build, resolve
from medkt.domains import domain
from medkt.errors import SettingsError, UnknownNameError
from medkt.records import as_plain
from medkt.saliency.explain import explain_planes, prepare_plane
from medkt.saliency.gradcam import GradCAMSettings
from medkt.saliency.gscorecam import GScoreCAMSettings
from medkt.saliency.m2ib import M2IBSettings, m2ib_maps
from medkt.saliency.method import SaliencyMethod
from medkt.saliency.methods import METHODS, SaliencySettings, method_named
from medkt.saliency.targets import ConceptTexts, embed_targets
from medkt.segmentation.slicewise import SegmentationSettings


def method_of(*sets: str, file: Path | None = None, preset: str | None = None) -> SaliencyMethod:
    return resolve(SegmentationSettings, preset=preset, file=file, sets=sets).saliency.method


def test_every_method_is_found_by_the_name_that_it_has() -> None:
    for name, kind in METHODS.items():
        method = kind()
        assert isinstance(method, SaliencyMethod)
        assert (method.name, method_named(name)) == (name, kind)
        assert method_of(f"saliency.method.name={name}") == method
        assert as_plain(SaliencySettings(method=method))["method"]["name"] == name
        settled = method.settled(TinyViT(), domain("cxr").saliency)
        assert build(SegmentationSettings, as_plain(SegmentationSettings(saliency=SaliencySettings(method=settled)))).saliency.method == settled  # fmt: skip
        assert settled.work().rows >= 0
    assert method_of() == M2IBSettings()


def test_settings_stand_beside_the_name(tmp_path: Path) -> None:
    assert method_of("saliency.method.beta=0.3", "saliency.method.layer=2") == M2IBSettings(beta=0.3, layer=2)
    file = tmp_path / "mine.yaml"
    file.write_text("saliency:\n  method: {name: gscorecam, channels: 5}\n")
    assert method_of(file=file) == GScoreCAMSettings(channels=5)
    assert method_of("saliency.method.layer=1", file=file) == GScoreCAMSettings(channels=5, layer=1)
    assert method_of("saliency.method.name=gradcam", file=file) == GradCAMSettings()  # what was said of another goes
    assert method_of("saliency.method.name=gradcam", preset="m2ib") == GradCAMSettings()
    assert method_of("saliency.method.name=m2ib", "saliency.method.beta=0.7", preset="m2ib") == replace(
        method_of(preset="m2ib"), beta=0.7
    )


def test_the_former_group_is_read(tmp_path: Path) -> None:
    assert method_of("m2ib.beta=0.3", "m2ib.steps=4") == M2IBSettings(beta=0.3, steps=4)
    file = tmp_path / "old.yaml"
    file.write_text("m2ib: {beta: 0.2, layer: 3}\n")
    assert method_of(file=file) == M2IBSettings(beta=0.2, layer=3)
    assert method_of("saliency.method.beta=0.4", file=file) == M2IBSettings(
        beta=0.4, layer=3
    )  # the later, by either name
    assert method_of("m2ib.beta=0.5", file=file) == M2IBSettings(beta=0.5, layer=3)
    assert method_of("m2ib.beta=0.5", preset="m2ib") == replace(method_of(preset="m2ib"), beta=0.5)
    assert method_of("saliency.method.name=gradcam", file=file) == GradCAMSettings()
    assert build(SegmentationSettings, {"m2ib": {"beta": 0.6}}).m2ib == M2IBSettings(beta=0.6)
    new = tmp_path / "new.yaml"
    new.write_text("saliency: {method: {name: gradcam}}\n")
    for sets, where in ((("m2ib.beta=1", "saliency.method.name=gradcam"), None), (("m2ib.beta=1",), new)):
        with pytest.raises(SettingsError, match=r"m2ib has settings of m2ib, and saliency.method.name is gradcam"):
            method_of(*sets, file=where)


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (("saliency.method.name=lime",), "no saliency method 'lime'; known: m2ib, gradcam, gscorecam, chefer, patches"),
        (("saliency.method.name=[1]",), r"no saliency method '\[1\]'"),
        (("saliency.method=gradcam",), "saliency.method is chosen by its name: saliency.method.name=gradcam"),
        (
            ("saliency.method.name=gradcam", "saliency.method.beta=1"),
            "unknown setting saliency.method.beta; known here: name",
        ),
        (("m2ib.betta=1",), "unknown setting m2ib.betta; known here: name, beta"),
        (("m2ib=3",), "m2ib has settings of its own"),
        (("m2ib.steps=many",), "m2ib.steps expects int, got 'many'"),
    ],
)
def test_what_is_no_method_is_told(sets: tuple[str, ...], says: str) -> None:
    with pytest.raises((SettingsError, UnknownNameError), match=says):
        method_of(*sets)


def test_words_are_mapped_by_m2ib_whatever_maps_images() -> None:
    assert SegmentationSettings(saliency=SaliencySettings(method=GradCAMSettings())).m2ib == M2IBSettings()
    own = M2IBSettings(steps=3)
    assert SegmentationSettings(saliency=SaliencySettings(method=own)).m2ib is own


def test_patches_are_multiplied_with_a_map_of_m2ib_and_with_no_other() -> None:
    class WithPatches(TinyViT):
        def dense(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.image_prefix(pixels, 2)[:, 1:].unflatten(1, (4, 4))

    encoder = WithPatches().eval()
    targets = embed_targets(encoder, [ConceptTexts(id="a", prompts=("a mass",), normal=("clear lungs",))])
    plane = prepare_plane(encoder, np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32))
    for method, same in ((GradCAMSettings(), True), (M2IBSettings(steps=2, samples=1, layer=1), False)):
        alone = method.maps(encoder, plane.pixels[None], targets)[0, 0]
        ((one,),) = explain_planes(encoder, [plane], targets, method)
        assert np.allclose(one.values, alone, rtol=1e-4) == same
        assert one.specificity is not None
    m2ib = M2IBSettings(steps=2, samples=1, layer=1)
    assert np.array_equal(
        m2ib.maps(encoder, plane.pixels[None], targets), m2ib_maps(encoder, plane.pixels[None], targets, m2ib).maps
    )
