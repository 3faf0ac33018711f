import numpy as np
import pytest

from medkt.errors import NumericalError, UnknownNameError
from medkt.phantom import mri
from medkt.phantom.finding import Attributes, findings_of, held_out_identities
from medkt.phantom.head import SEQUENCES, distance_to_ventricles

FINDINGS = [f.id for f in findings_of("mri")]


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_is_drawn_inside_the_head(finding: str) -> None:
    for seed in range(3):
        drawn = mri.draw_plane(finding, _rng(seed), side=96)
        assert drawn.plane.dtype == np.float32
        assert drawn.plane.min() >= 0
        assert drawn.plane.max() <= 1
        assert drawn.mask.any()
        assert not drawn.mask[[0, -1]].any()
        assert not drawn.mask[:, [0, -1]].any()
        assert drawn.attributes is not None
        assert drawn.context["sequence"] in SEQUENCES


def test_a_normal_head_has_no_finding() -> None:
    drawn = mri.draw_plane("", _rng(), side=64)
    assert not drawn.mask.any()
    assert drawn.attributes is None


@pytest.mark.parametrize("finding", ["", "mri_glioma", "mri_subdural"])
def test_a_seed_gives_one_image(finding: str) -> None:
    one, other = (mri.draw_plane(finding, _rng(5), side=64) for _ in range(2))
    np.testing.assert_array_equal(one.plane, other.plane)
    np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize(
    ("finding", "sign"), [("mri_meningioma", 1), ("mri_metastases", 1), ("mri_infarct", 1), ("mri_arachnoid_cyst", -1)]
)
def test_bright_is_brighter_than_the_brain_in_every_sequence(finding: str, sign: int) -> None:
    seen = set()
    for seed in range(12):
        study = mri.make_study(finding, _rng(seed))
        plane, mask = study.plane(study.level_mm, 96), study.mask_plane(study.level_mm, 96)
        brain = 0.5 * (study.head.tissues["grey"] + study.head.tissues["white"]) * 1000
        if mask.any():
            assert sign * (np.median(plane[mask]) - brain) > 100
            seen.add(study.context["sequence"])
    assert seen == set(SEQUENCES)


def test_a_subdural_lies_between_the_brain_and_the_skull() -> None:
    for seed in range(6):
        study = mri.make_study("mri_subdural", _rng(seed))
        mask = study.mask_plane(study.level_mm, 96)
        head = study.head
        y, x = np.meshgrid(*study.axes_mm(96), indexing="ij")
        rows, columns = np.nonzero(mask)
        c, s = np.cos(head.rotation), np.sin(head.rotation)
        dy, dx = y[rows, columns] - head.shift[0], x[rows, columns] - head.shift[1]
        y_mm, x_mm = c * dy - s * dx, s * dy + c * dx
        half_x = head.half_x * (1 + head.egg * np.clip(y_mm / head.half_y, -1, 1))
        up = study.level_mm / (head.half_z if study.level_mm > 0 else 1.5 * head.half_z)
        rho = np.sqrt((x_mm / half_x) ** 2 + (y_mm / head.half_y) ** 2 + up**2)
        assert rho.max() < 1 + (head.csf + 3) / head.half_x  # within the skull
        assert rho.min() > 1 - 25 / head.half_x  # outside the brain that it pushes away
        left = study.attributes is not None and study.attributes.side == "left"
        assert (np.median(columns) > 48) == left  # the patient's left is on the image's right


def test_hydrocephalus_widens_the_ventricles() -> None:
    wide = np.mean([mri.draw_plane("mri_hydrocephalus", _rng(s), side=64).mask.mean() for s in range(5)])
    usual = []
    for seed in range(5):
        head = mri.make_study("", _rng(seed)).head
        y, x = np.meshgrid(np.linspace(-100, 100, 64), np.linspace(-100, 100, 64), indexing="ij")
        usual.append((distance_to_ventricles(head, np.full_like(x, 12.0), y, x) < 0).mean())
    assert wide > 1.8 * np.mean(usual)


def test_a_volume_shows_the_study_of_its_seed() -> None:
    voxels, mask = mri.volume("mri_meningioma", _rng(3), shape=(5, 40, 48), spacing_mm=(6.0, 5.0, 4.5))
    assert voxels.shape == mask.shape == (5, 40, 48)
    assert voxels.dtype == np.float32
    assert mask[2].any()  # the finding's level lies at the middle slice
    again, _ = mri.volume("mri_meningioma", _rng(3), shape=(5, 40, 48), spacing_mm=(6.0, 5.0, 4.5))
    np.testing.assert_array_equal(voxels, again)


def test_an_unnamed_look_is_never_held_out() -> None:
    rng = _rng()
    drawn = {mri.draw_unnamed_attributes(rng).identity for _ in range(1000)}
    assert len(drawn) > 30
    assert drawn.isdisjoint(held_out_identities("mri"))


def test_unnamed_lesions_are_drawn() -> None:
    rng = _rng(1)
    for _ in range(12):
        attributes = mri.draw_unnamed_attributes(rng)
        drawn = mri.draw_plane("unnamed", rng, side=128, attributes=attributes)
        assert drawn.mask.any()
        assert drawn.attributes is not None
        assert drawn.attributes.identity == attributes.identity


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="needs attributes"):
        mri.draw_plane("unnamed", _rng())
    with pytest.raises(UnknownNameError, match="a finding of cxr"):
        mri.draw_plane("cxr_nodule", _rng())
    speck = Attributes(
        shape="round", margin="sharp", intensity="bright", texture="uniform", size="tiny", number="single", place="deep"
    )
    with pytest.raises(NumericalError, match="larger side"):
        mri.draw_plane("unnamed", _rng(), side=2, attributes=speck)


def test_an_empty_plane_is_shown_black() -> None:
    np.testing.assert_array_equal(mri.display(np.zeros((3, 4), np.float32)), np.zeros((3, 4)))
