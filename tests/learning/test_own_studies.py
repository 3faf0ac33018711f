"""The user's own studies: which plane is kept, what is refused, what a pool gives."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medkt.asking import AskingWords, choice
from medkt.asking.calibration import LeadCalibration
from medkt.asking.pictures import PictureCounts
from medkt.asking.record import described_by, settle
from medkt.asking.studies import ShownStudies, ShownStudy
from medkt.audit.fingerprints import Fingerprints
from medkt.audit.probe import Probe
from medkt.concepts import Caption, Concept, load_concept
from medkt.domains import domain
from medkt.errors import InputError
from medkt.learning import learn
from medkt.learning.base_lead import BaseLead, lead_calibration
from medkt.learning.own_studies import Folders, _asked_as_packaged, at_most, read_own, shown_to
from medkt.learning.text_card import doubts_of
from medkt.models.framing import normalise
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.phantom.drawers import DRAWERS, draw_normal
from medkt.phantom.reading import read
from medkt.pipeline.studies import StudyFolder
from medkt.requests.learn import told_late
from medkt.requests.listener import Listener
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
    normals = held(*map(normal, range(24)))
    spoken = AskingWords.of(SPECK, KIND, KNOWN, described_by(SPECK))
    given = lead_calibration(encoder, SPECK, KIND, KNOWN, {"normals": normals})
    asked = _asked_as_packaged(encoder, SPECK, KIND, spoken, KNOWN, given)
    calibration = LeadCalibration.of(encoder, SPECK, KIND, KNOWN, normals=normals)
    record = settle(encoder, SPECK, KIND, base_digest="", known=KNOWN, calibration=calibration)
    assert record.way == choice.USUAL
    assert asked.handicap == record.handicap != 0
    assert torch.equal(asked.wanted, directions_of(record).wanted)
    other = replace(SPECK, body="neck")
    spoken = AskingWords.of(other, KIND, KNOWN, described_by(other))
    assert lead_calibration(encoder, other, KIND, KNOWN, {}) is None
    undrawn = _asked_as_packaged(encoder, other, KIND, spoken, KNOWN, None)
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


@dataclass(frozen=True, eq=False)
class Counted:
    """Studies that count how often they are gone through."""

    held: Held
    times: list[int]

    def __iter__(self) -> Iterator[ShownStudy]:
        self.times.append(len(self.held))
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def counted(*planes: Plane) -> Counted:
    return Counted(held=held(*planes), times=[])


class StopHereError(Exception):
    """Before anything is learned."""


def _stop(*_: object, **__: object) -> None:
    raise StopHereError


def test_the_lead_of_the_base_is_set_once_a_learning(encoder: SmallEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever asks for it first; a study of the exam is met on the way, and costs no reading of its own."""
    set_on = list[ShownStudies | None]()
    made = LeadCalibration.of

    def told(*given: Any, **named: Any) -> LeadCalibration:
        set_on.append(named["normals"])
        return made(*given, **named)

    monkeypatch.setattr(LeadCalibration, "of", told)
    monkeypatch.setattr("medkt.learning.learning.learn_concept", _stop)
    probe = Probe(planes=(), kinds=(), fingerprints=Fingerprints.of(*held(lesion("us_cyst", 40)).studies))
    normals, images = counted(*map(normal, range(20))), counted(lesion("us_cyst", 3), lesion("us_cyst", 5))
    own = read_own(encoder, CONCEPT, KIND, Folders(normals=normals, images=images), exam=probe.fingerprints)
    assert own.base_lead is not None
    assert (len(set_on), len(normals.times), len(images.times)) == (1, 2, 1)  # the lead, then which plane is kept

    def begin(**more: Any) -> tuple[int, int]:
        """How often a lead was set, and the normal studies were gone through, up to the learning."""
        before = len(set_on), len(normals.times)
        with pytest.raises(StopHereError):
            learn(encoder, CONCEPT, KIND, probe=probe, shown={"normals": normals}, keep_anyway=True, **more)
        return len(set_on) - before[0], len(normals.times) - before[1]

    assert begin(base_lead=own.base_lead) == (0, 0)
    assert begin() == (1, 1)  # and the audit takes it
    assert begin(level="none") == (0, 1)  # to refuse a study of the exam in time
    assert begin(level="none", base_lead=own.base_lead) == (0, 0)


@pytest.mark.parametrize("other", ["studies", "fewer", "more", "exam"])
def test_a_lead_that_was_set_on_other_studies_is_set_anew(other: str) -> None:
    normals, rehearse, probe = held(normal(1)), held(normal(2)), Probe(planes=(), kinds=())
    none = LeadCalibration(known=(), named=(), normal=(), unlabelled=(), set_on={})
    one = BaseLead(calibration=none, shown={"normals": normals}, exam=probe.fingerprints)
    assert one.serves({"normals": normals}, probe)
    assert one.serves({"normals": normals}, None)
    shown: dict[str, dict[str, Held]] = {
        "studies": {"normals": held(normal(1))}, "fewer": {}, "more": {"normals": normals, "rehearse": rehearse},
        "exam": {"normals": normals},
    }  # fmt: skip
    against = Probe(planes=(), kinds=(), fingerprints=Fingerprints(patients=frozenset({"P"})))
    assert not one.serves(shown[other], against if other == "exam" else probe)


def test_what_raises_doubts_is_told_and_kept(encoder: SmallEncoder) -> None:
    doubted = held(*map(normal, range(20)))
    some = Held(
        tuple(replace(one, doubts=("it is odd",)) if place < 3 else one for place, one in enumerate(doubted.studies))
    )
    said = "--normals: 3 of 20 studies: it is odd"
    assert said in read_own(encoder, CONCEPT, KIND, Folders(normals=some)).notes
    record = settle(
        encoder, CONCEPT, KIND, base_digest="0" * 64, known=KNOWN,
        calibration=lead_calibration(encoder, CONCEPT, KIND, KNOWN, {"normals": some}),
    )  # fmt: skip
    assert doubts_of(record) == [said]
    assert doubts_of(None) == []
    listener = Notes()
    assert told_late(record, ["known before"], listener) == [said]
    assert told_late(record, [said], listener) == []
    assert listener.notes == [said]


class Notes(Listener):
    """Keeps what it is told to tell."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def advise(self, notes: Iterable[str]) -> None:
        self.notes += notes
