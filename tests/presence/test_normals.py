"""What ships of normal studies: written and read back, found by kind of study, refused where it is damaged or of other weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medkt.errors import WeightsError
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import WEIGHTS
from medkt.presence import NoNormals, NormalsCode
from medkt.presence.normals import (
    NAME,
    Normals,
    NormalStudies,
    cover_key,
    default_normals,
    read_normals,
    write_normals,
)


def studies(step_mm: float = 0.0, window: str = "") -> NormalStudies:
    features = np.random.default_rng(3).standard_normal((6, 16)).astype(np.float32)
    return NormalStudies(
        modality="ct", body="chest", window=window, step_mm=step_mm,
        features=features / np.linalg.norm(features, axis=1, keepdims=True),
        studies=np.array([0, 0, 0, 1, 1, 1]), places=np.array([0, 1, 3, 0, 2, 3]),
    )  # fmt: skip


NORMALS = Normals(
    encoder="e" * 64, groups=(studies(), studies(4.0, "lung")), covered={cover_key("ct", is_volume=True): 0.25}
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_normals(NORMALS, tmp_path / NAME)
    found = read_normals(tmp_path / NAME)
    assert (found.encoder, found.covered) == (NORMALS.encoder, {"ct/volume": 0.25})
    for one, other in zip(found.groups, NORMALS.groups, strict=True):
        assert (one.name, one.step_mm, one.window) == (other.name, other.step_mm, other.window)
        np.testing.assert_array_equal(one.studies, other.studies)
        np.testing.assert_array_equal(one.places, other.places)
        np.testing.assert_allclose(one.features, other.features, atol=0.005)
        np.testing.assert_allclose(np.linalg.norm(one.features, axis=1), 1, atol=1e-6)
    write_normals(NORMALS, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / NAME).read_bytes()


def test_a_study_is_held_against_its_own_kind() -> None:
    single, volume = NORMALS.groups
    assert NORMALS.of("ct", "chest", "", is_volume=False) is single
    assert NORMALS.of("ct", "chest", "lung", is_volume=True) is volume


@pytest.mark.parametrize(("asked", "is_volume", "code", "said"), [
    (("ct", "chest", "lung"), False, "other-window", "no normal study of ct is known as this one is shown"),
    (("ct", "chest", None), False, "other-window", "no normal study of ct is known as this one is shown"),
    (("ct", "head", ""), False, "other-part", "no normal study of ct of the head is known"),
    (("mri", "chest", ""), False, "other-part", "no normal study of mri of the chest is known"),
    (("cxr", "chest", ""), True, "other-kind", "no normal volume of cxr is known"),
])  # fmt: skip
def test_where_there_are_none_it_is_said_why(
    asked: tuple[str, str, str | None], is_volume: bool, code: NormalsCode, said: str
) -> None:
    held = replace(NORMALS, groups=(*NORMALS.groups, replace(studies(), modality="cxr")))
    assert held.of(*asked, is_volume=is_volume) == NoNormals(code=code, sentence=said)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with pytest.raises(WeightsError, match=r"cannot read .*normals.safetensors"):
        read_normals(path)
    write_normals(NORMALS, path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsError, match="reinstall medkt"):
        read_normals(path)
    path.write_bytes((WEIGHTS / "guard.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="reinstall medkt"):
        read_normals(path)


def test_what_ships_is_of_the_shipped_weights_and_of_no_others() -> None:
    encoder = load_small()
    shipped = default_normals(encoder)
    assert shipped is not None
    assert shipped.encoder == encoder.spec.digest
    for name in ("cxr", "ct", "mri", "ultrasound"):
        found = [one for one in shipped.groups if one.modality == name]
        assert {one.step_mm > 0 for one in found} == ({False, True} if name in ("ct", "mri") else {False})
        for one in found:
            assert one.features.shape[1] == 128
            assert len(np.unique(one.studies)) == (32 if one.step_mm else 500)
    encoder._spec = replace(encoder.spec, digest="0" * 64)
    assert default_normals(encoder) is None
