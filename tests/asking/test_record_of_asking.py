"""How a concept is asked from now on, and what its lead was set on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from medkt.asking import Directions, choice, way_called
from medkt.asking import calibration as calibrating
from medkt.asking.calibration import LeadCalibration
from medkt.asking.pictures import NORMAL, PictureCounts, draw_calibration
from medkt.asking.record import described_by, settle
from medkt.asking.studies import ShownStudy, digest_of_studies
from medkt.asking.vectors import leads_of, vectors_of_planes
from medkt.concepts import load_concept
from medkt.concepts.asking_record import RIVALS, WANTED
from medkt.domains import domain
from medkt.errors import InputError
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.models.weights import weights_digest
from medkt.phantom.drawers import draw_normal
from medkt.transfer.packages import directions_of

CONCEPT, KIND = load_concept("us_phyllodes"), domain("ultrasound")
KNOWN = KIND.others(CONCEPT)[:3]
FEW = PictureCounts(finding=0, others=0, normal=5, known=2)


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "COUNTS", FEW)
    monkeypatch.setattr(choice, "COUNTS", PictureCounts(finding=3, others=3, normal=2, known=0))


@dataclass(frozen=True)
class Own:
    """Normal studies of the user's, of so many planes each."""

    count: int
    planes: int = 1

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[ShownStudy]:
        for n in range(self.count):
            rngs = [np.random.default_rng((n, k)) for k in range(self.planes)]
            yield ShownStudy(planes=tuple(draw_normal("ultrasound", rng, side=64) for rng in rngs), digest=f"{n}")


@pytest.mark.slow
def test_a_settled_way_holds_its_directions_and_what_it_was_set_on(encoder: SmallEncoder) -> None:
    digest = weights_digest(encoder.module)
    made = settle(encoder, CONCEPT, KIND, base_digest=digest, known=KNOWN)
    made.require("made", base=digest)
    assert made.way == choice.USUAL or made.chosen["why"].startswith("it tells")
    assert made.known == tuple(one.id for one in KNOWN)
    assert made.set_on["normals"] == {
        "pictures": 5,
        "drawn with seed": calibrating.SEED,
        "called seen": made.set_on["normals"]["called seen"],
    }
    assert made.set_on["known findings, drawn"]["pictures"] == 6
    assert made.set_on["rule"]["enough normals for that"] is False
    assert weights_digest(encoder.module) == digest
    again = settle(encoder, CONCEPT, KIND, base_digest=digest, known=KNOWN)
    assert again.digest == made.digest


def test_the_stored_lead_is_the_rule_over_the_stored_directions(encoder: SmallEncoder) -> None:
    made = settle(encoder, CONCEPT, KIND, base_digest="ab" * 32, known=KNOWN, way=way_called("virtual"))
    asked = Directions(wanted=torch.from_numpy(made.direction(WANTED)), rivals=torch.from_numpy(made.direction(RIVALS)))
    drawn = draw_calibration("ultrasound", known=[one.id for one in KNOWN], counts=FEW, seed=calibrating.SEED)
    rows = vectors_of_planes(encoder, drawn.planes)
    leads = leads_of(list(rows[:, None]), asked)
    normal = leads[np.array(drawn.kinds) == NORMAL]
    names = rows @ asked.rivals.T
    right = [k for k, kind in enumerate(drawn.kinds) if kind != NORMAL and made.known[int(names[k].argmax())] == kind]
    expected = max(np.quantile(np.concatenate([leads[right], normal]), 0.99), normal.max())  # of five, the highest
    assert made.bias == pytest.approx(expected, abs=1e-6)
    assert made.set_on["known findings, drawn"]["named right"] == len(right)
    assert made.bank == ()


def test_a_normal_study_is_stored_with_its_captions_and_its_handicap(encoder: SmallEncoder) -> None:
    made = settle(encoder, CONCEPT, KIND, base_digest="ab" * 32, known=KNOWN, way=way_called(choice.USUAL))
    made.require("made", base="ab" * 32)
    assert made.normal == KIND.words_for(CONCEPT).normal
    assert made.sharpness == pytest.approx(encoder.logit_scale, abs=1e-5)
    assert len(made.direction(RIVALS)) == len(KNOWN) + len(made.bank)
    assert any("hazy margin" in text or "spiculated margin" in text for text in made.bank)
    drawn = draw_calibration("ultrasound", known=[one.id for one in KNOWN], counts=FEW, seed=calibrating.SEED)
    rows = vectors_of_planes(encoder, drawn.planes)[:, None]
    kinds, lead = np.array(drawn.kinds), leads_of(list(rows), directions_of(made))
    assert (lead[kinds == NORMAL] > made.bias).sum() == made.set_on["normals"]["called seen"] == 0


def test_studies_of_the_users_take_the_place_of_drawn_ones(encoder: SmallEncoder) -> None:
    told: list[tuple[str, int, int]] = []
    found = LeadCalibration.of(
        encoder,
        CONCEPT,
        KIND,
        KNOWN,
        normals=Own(4, planes=3),
        rehearse=Own(2),
        progress=lambda *what: told.append(what),
    )
    assert (len(found.known), len(found.normal), len(found.unlabelled)) == (0, 4, 2)
    made = settle(encoder, CONCEPT, KIND, base_digest="ab" * 32, known=KNOWN, way=way_called("name"), calibration=found)
    assert made.set_on["normals"] | {"called seen": 0} == {
        "studies": 4, "planes": 12, "sha256": digest_of_studies(["0", "1", "2", "3"]), "called seen": 0,
    }  # fmt: skip
    assert made.set_on["unlabelled"]["studies"] == 2
    assert "known findings, drawn" not in made.set_on
    assert told[-1] == ("studies of the usual mixture", 2, 2)


def test_a_study_is_spoken_for_by_the_plane_that_leads_most() -> None:
    asked = Directions(wanted=torch.tensor([1.0, 0.0]), rivals=torch.tensor([[0.0, 1.0]]))
    planes = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    np.testing.assert_allclose(leads_of([planes, planes[2:]], asked), [1.0, -0.2], atol=1e-6)


def test_where_nothing_is_drawn_normals_must_be_given(encoder: SmallEncoder) -> None:
    head = replace(load_concept("ct_hamartoma"), body="head")
    with pytest.raises(InputError, match=r"medkt draws no normal study of this part of the body.*--normals DIR"):
        settle(encoder, head, domain("ct"), base_digest="ab" * 32, known=KNOWN)


def test_a_concept_without_a_caption_cannot_be_asked() -> None:
    with pytest.raises(InputError, match="no caption that describes it"):
        described_by(replace(CONCEPT, captions=()))


def test_planes_have_the_vectors_that_they_have_alone(encoder: SmallEncoder) -> None:
    planes = [draw_normal("ultrasound", np.random.default_rng(n), side=64) for n in range(18)]  # more than one batch
    together = vectors_of_planes(encoder, planes)
    for place in (0, 15, 16, 17):
        torch.testing.assert_close(together[place], vectors_of_planes(encoder, [planes[place]])[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(18))
