"""The user's own studies: which plane is kept, what is refused, what a pool gives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medkt.asking import AskingWords, choice
from medkt.asking.calibration import LeadCalibration
from medkt.asking.pictures import PictureCounts
from medkt.asking.record import described_by, settle
from medkt.asking.studies import ShownStudy
from medkt.audit.fingerprints import Fingerprints
from medkt.concepts import Caption, Concept, load_concept
from medkt.domains import domain
from medkt.errors import InputError
from medkt.learning.own_studies import Folders, _asked_as_packaged, at_most, read_own, shown_to
from medkt.models.framing import normalise
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.drawers import DRAWERS, draw_normal
from medkt.phantom.reading import read
from medkt.pipeline.studies import StudyFolder
from medkt.saliency.explain import prepare_plane
from medkt.shapes import Plane
from medkt.transfer.packages import directions_of

KIND = domain("ultrasound")
CONCEPT = load_concept("us_phyllodes")
KNOWN = tuple(one for one in KIND.others(CONCEPT))


@dataclass(frozen=True)
class Held:
    """Studies in memory."""

    studies: tuple[ShownStudy, ...]

    def __iter__(self) -> Iterator[ShownStudy]:
        return iter(self.studies)

    def __len__(self) -> int:
        return len(self.studies)


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(autouse=True)
def _few_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.learning.own_studies._COMPARED", PictureCounts(finding=0, others=0, normal=30, known=4))
    monkeypatch.setattr("medkt.asking.calibration.COUNTS", PictureCounts(finding=0, others=0, normal=20, known=2))
    monkeypatch.setattr("medkt.asking.choice.COUNTS", PictureCounts(finding=3, others=3, normal=2, known=0))


def normal(number: int, seed: int = 5) -> Plane:
    return draw_normal("ultrasound", np.random.default_rng((seed, number)), side=128)


def lesion(name: str, number: int, seed: int = 6) -> Plane:
    plane: Plane = DRAWERS["ultrasound"].draw_plane(name, np.random.default_rng((seed, number)), side=128).plane
    return plane


def held(*planes: Plane, patient: str = "") -> Held:
    return Held(
        tuple(ShownStudy(planes=(plane,), digest=str(place), patient=patient) for place, plane in enumerate(planes))
    )


SPECK = Concept(
    id="bright_speck", name="granular speck", modality="ultrasound",
    captions=(Caption(text="a single medium round bright mass with a sharp margin and stippled texture in the breast", roles=("inversion",)),),
)  # fmt: skip


def speck(number: int) -> Plane:
    rng = np.random.default_rng((7, number))
    look = read(SPECK.captions[0].text, "ultrasound").look(rng)
    plane: Plane = DRAWERS["ultrasound"].draw_plane("unnamed", rng, side=128, attributes=look).plane
    return plane


def mixture(count: int = 24, seed: int = 6) -> list[Plane]:
    names = [one.id for one in KNOWN]
    return [lesion(names[n % len(names)], n, seed) if n % 2 else normal(n, seed) for n in range(count)]


def test_studies_are_kept_as_the_encoder_takes_them(encoder: SmallEncoder) -> None:
    plane = normal(0)
    again = normalise(shown_to(encoder, plane), encoder.spec)
    torch.testing.assert_close(again, prepare_plane(encoder, plane).pixels, rtol=0, atol=1e-5)
    found = read_own(encoder, CONCEPT, KIND, Folders(normals=held(*map(normal, range(6)))))
    assert found.given.record == {"normals": 6}
    assert found.given.normals is not None
    assert torch.equal(found.given.normals[0], shown_to(encoder, plane))
    assert found.picked is None


@pytest.mark.slow
def test_of_a_volume_one_plane_is_kept(encoder: SmallEncoder) -> None:
    volume = ShownStudy(planes=(normal(0), lesion("us_cyst", 1), normal(2)), digest="v")
    kept = read_own(
        encoder, CONCEPT, KIND, Folders(rehearse=Held((volume, *held(*mixture(20)).studies)))
    ).given.rehearse
    assert kept is not None
    assert torch.equal(kept[0], shown_to(encoder, volume.planes[1]))  # the one least like a normal study
    others = held(*(normal(n, 8) for n in range(5))).studies
    middle = read_own(encoder, CONCEPT, KIND, Folders(normals=Held((volume, *others)))).given.normals
    assert middle is not None
    assert torch.equal(middle[0], shown_to(encoder, volume.planes[1]))  # the middle one


def test_no_more_are_read_than_memory_holds(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    folder = StudyFolder.of(tmp_path, KIND, CONCEPT)
    assert [path.name for path in at_most(folder, 3).entries] == ["0.png", "2.png", "4.png"]
    assert at_most(folder, 7) is folder


@pytest.mark.slow
def test_a_folder_of_normals_is_no_mixture(encoder: SmallEncoder) -> None:
    with pytest.raises(InputError, match="look like normal studies only"):
        read_own(encoder, CONCEPT, KIND, Folders(rehearse=held(*map(normal, range(20)))))
    with pytest.raises(InputError, match="too few to hold"):
        read_own(encoder, CONCEPT, KIND, Folders(rehearse=held(*mixture(10))))
    with pytest.raises(InputError, match="too few to make lesions in"):
        read_own(encoder, CONCEPT, KIND, Folders(normals=held(normal(0))))
    few = read_own(encoder, CONCEPT, KIND, Folders(rehearse=held(*mixture(24))))
    assert few.notes == ("--rehearse: 24 studies; 100 to 200 are better",)


@pytest.mark.slow
def test_the_same_image_or_patient_is_not_taught_and_examined(encoder: SmallEncoder) -> None:
    exam = Fingerprints.of(*held(normal(3), patient="P-7").studies)
    assert "P-7" not in str(exam)
    assert not any("P-7" in mark for mark in exam.patients)
    with pytest.raises(InputError, match=r"is in the exam, too.*the same image"):
        read_own(encoder, CONCEPT, KIND, Folders(normals=held(*map(normal, range(6)))), exam=exam)
    with pytest.raises(InputError, match=r"is in the exam, too.*the same patient") as told:
        read_own(encoder, CONCEPT, KIND, Folders(images=held(normal(9), patient="P-7")), exam=exam)
    assert "P-7" not in str(told.value)
    with pytest.raises(InputError, match="stands in --normals, too, or twice"):
        read_own(encoder, CONCEPT, KIND, Folders(normals=held(*map(normal, range(6))), images=held(normal(2))))
    with pytest.raises(InputError, match="stands in --images, too, or twice"):
        read_own(encoder, CONCEPT, KIND, Folders(images=held(normal(2), normal(2))))


@pytest.mark.slow
def test_a_pool_gives_what_stands_out(encoder: SmallEncoder) -> None:
    new = [speck(n) for n in range(12)]
    with_finding = held(*mixture(30, 11), *new)
    found = read_own(encoder, SPECK, KIND, Folders(pool=with_finding), drawn="ultrasound")
    assert found.picked is not None
    assert found.given.images is not None
    assert found.given.rehearse is not None
    assert 3 <= found.picked["picked"] <= 16
    assert len(found.given.images) + len(found.given.rehearse) == 42
    truly = torch.stack([shown_to(encoder, plane) for plane in new])
    right = sum(bool((truly == image).flatten(1).all(dim=1).any()) for image in found.given.images)
    assert right / len(found.given.images) > 0.6


def test_a_pool_is_asked_as_a_package_asks(encoder: SmallEncoder) -> None:
    """Settled on the user's normals where there are some; of a part of the body that is not drawn, by a way that needs none."""
    own = Folders(normals=held(*map(normal, range(24))), pool=held(*mixture(4)))
    spoken = AskingWords.of(SPECK, KIND, KNOWN, described_by(SPECK))
    asked = _asked_as_packaged(encoder, SPECK, KIND, spoken, KNOWN, own)
    calibration = LeadCalibration.of(encoder, SPECK, KIND, KNOWN, normals=own.normals)
    record = settle(encoder, SPECK, KIND, base_digest="", known=KNOWN, calibration=calibration)
    assert record.way == choice.USUAL
    assert asked.handicap == record.handicap != 0
    assert torch.equal(asked.wanted, directions_of(record).wanted)
    other = replace(SPECK, body="neck")
    spoken = AskingWords.of(other, KIND, KNOWN, described_by(other))
    undrawn = _asked_as_packaged(encoder, other, KIND, spoken, KNOWN, Folders(pool=own.pool))
    assert undrawn.normal is None
    assert len(undrawn.rivals) > len(KNOWN)  # and the bank


@pytest.mark.slow
def test_a_pool_without_the_finding_is_refused(encoder: SmallEncoder) -> None:
    with pytest.raises(InputError, match="nothing stands out in the pool"):
        read_own(encoder, CONCEPT, KIND, Folders(pool=held(*mixture(30, 12))), drawn="ultrasound")
    with pytest.raises(InputError, match="nothing to compare it with"):
        read_own(encoder, CONCEPT, KIND, Folders(pool=held(*mixture(30, 12))))
    with pytest.raises(InputError, match="give one of them"):
        read_own(encoder, CONCEPT, KIND, Folders(pool=held(normal(0)), images=held(normal(1))))
