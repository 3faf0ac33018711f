from pathlib import Path

import numpy as np
import pytest
import yaml

from medkt.domains import check_plausible, detect_domain, domain, domains, registry
from medkt.errors import AmbiguousInputError, SettingsError, UnknownNameError, UnsupportedError
from medkt.modalities import MODALITIES
from medkt.resources import data_file
from medkt.spatial import Geometry, Image


def _image(modality: str, values: np.ndarray | None = None) -> Image:
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5) if values is None else values
    return Image(values=values, geometry=Geometry(affine=np.eye(4), shape=values.shape), modality=modality)


@pytest.mark.parametrize(
    ("code", "name"),
    [("CR", "cxr"), ("DX", "cxr"), ("CT", "ct"), ("MR", "mri"), ("US", "ultrasound"), ("us", "ultrasound")],
)
def test_the_modality_code_says_the_domain(code: str, name: str) -> None:
    assert detect_domain(_image(code)) is domain(name)


def test_a_file_that_does_not_say_asks() -> None:
    with pytest.raises(AmbiguousInputError, match=r"say --modality \(cxr, ct, mri, ultrasound\)") as caught:
        detect_domain(_image(""))
    assert caught.value.exit_code == 3


def test_modalities_without_a_domain_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"no domain for modality 'PT'; it knows CR, DX, .*Say --modality"):
        detect_domain(_image("PT"))
    with pytest.raises(UnsupportedError, match=r"'MG'.*describes mammograms"):
        detect_domain(_image("MG"))


def test_unknown_domains_list_the_known() -> None:
    with pytest.raises(UnknownNameError, match="no domain 'xray'; known: cxr, ct, mri, ultrasound"):
        domain("xray")
    assert list(domains()) == ["cxr", "ct", "mri", "ultrasound"]


def test_a_code_of_another_domain_warns() -> None:
    values = np.linspace(-1000, 1000, 60).reshape(3, 4, 5)
    assert check_plausible(_image("CT", values), domain("ct")) == ()
    assert check_plausible(_image("CT", np.abs(values)), domain("mri")) == (
        "the file says modality CT, it is read as MRI",
    )


def test_a_volume_without_spacing_warns() -> None:
    values = np.arange(20, dtype=np.int16).reshape(1, 4, 5)
    image = Image(values=values, geometry=Geometry.of_pixels(4, 5), modality="MR")
    assert any("lengths are in pixels" in warning for warning in check_plausible(image, domain("mri")))


def test_a_misspelt_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = yaml.safe_load(data_file("configs/domains/ct.yaml").read_text())
    path = tmp_path / "ct.yaml"
    monkeypatch.setattr(registry, "data_yaml", lambda _: yaml.safe_load(path.read_text()))
    path.write_text(yaml.safe_dump({**raw, "sclices": 1}))
    with pytest.raises(SettingsError, match=r"ct\.yaml: unknown or missing keys: sclices"):
        registry._load("ct", MODALITIES["ct"])
    path.write_text(yaml.safe_dump({**raw, "saliency": {**raw["saliency"], "betta": 1}}))
    with pytest.raises(SettingsError, match=r"ct\.yaml: .*betta"):
        registry._load("ct", MODALITIES["ct"])
    path.write_text(yaml.safe_dump({**raw, "name": "pet"}))
    with pytest.raises(SettingsError, match=r"ct\.yaml: says the name 'pet' and is known by 'ct'"):
        registry._load("ct", MODALITIES["ct"])
