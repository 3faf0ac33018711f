"""A concept that is only asked: examined as a learning is, and written without weights."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medkt.asking import WAYS, calibration, choice, way_called
from medkt.audit import exam
from medkt.audit.verdict import Verdict
from medkt.concepts import Caption, Concept, load_concept, read_package
from medkt.concepts.privacy import require_plain_card
from medkt.domains import domain
from medkt.errors import InputError, NotCarriedError
from medkt.learning.text_card import as_markdown, set_on_said
from medkt.learning.text_learning import AskingOutcome, ask_well
from medkt.models.small import load_small
from medkt.models.small.dual_encoder import SmallEncoder
from medkt.models.weights import weights_digest

pytestmark = (
    pytest.mark.slow
)  # each learns, or asks of drawn pictures, for tens of seconds; what learns elsewhere is quicker

KIND = domain("ultrasound")


@pytest.fixture(scope="module")
def encoder() -> SmallEncoder:
    return load_small()


@pytest.fixture(scope="module", autouse=True)
def _few_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exam, "COUNTS", exam.PictureCounts(finding=30, others=24, normal=12, known=4))
        patch.setattr(choice, "COUNTS", exam.PictureCounts(finding=4, others=4, normal=3, known=0))
        patch.setattr(calibration, "COUNTS", exam.PictureCounts(finding=0, others=0, normal=20, known=4))
        yield


@pytest.fixture(scope="module")
def made(encoder: SmallEncoder) -> AskingOutcome:
    return ask_well(encoder, load_concept("us_phyllodes"), KIND, way=way_called("virtual with bank"))


def told(text: str, name: str = "oddity") -> Concept:
    return Concept(
        id=name, name=name, captions=(Caption(text=text, roles=("inversion", "prompt")),), modality="ultrasound"
    )


def test_a_described_finding_is_carried_and_the_base_is_as_it_was(encoder: SmallEncoder, made: AskingOutcome) -> None:
    assert made.verdict.answer == "yes", made.verdict.line
    assert made.base.digest == weights_digest(encoder.module) == weights_digest(load_small().module)
    assert made.asking.base_digest == made.base.digest
    (sat,) = made.sat
    assert set(sat.ways) == {way.name for way in WAYS}
    assert set(sat.controls) == {"other words", "nonsense", "altered words"}
    assert sat.after.share("finding") == pytest.approx(sat.ways["virtual with bank"].share("finding"))
    assert sat.after.auc("others") > 0.75 > sat.controls["nonsense"].auc("others")
    assert made.meaning[0].startswith("what is asked means, AUC of its lead on drawn pictures: ")


def test_the_package_holds_no_weights_and_a_plain_card(tmp_path: Path, made: AskingOutcome) -> None:
    path = tmp_path / "a.medkt"
    package = made.save(path)
    (one,) = read_package(path).learnt
    assert package.digest == read_package(path).digest
    assert (one.delta, one.recipe["how"]) == (b"", "text")
    assert one.asking is not None
    assert one.asking.digest == made.asking.digest
    assert one.words_carried == made.verdict.line
    assert one.card == as_markdown(made)
    require_plain_card("card.md", one.card)
    assert "Nothing was trained" in one.card
    for line in set_on_said(made.asking):
        assert line in one.card
    assert json.loads(json.dumps(one.audit, allow_nan=False))["exams"][0]["pictures"]["finding"] == 30


def test_a_sentence_about_nothing_is_not_shown_to_be_carried(encoder: SmallEncoder) -> None:
    one = ask_well(encoder, told("a round bright parking budget of the committee"), KIND)
    assert one.verdict.answer != "yes"
    assert "nothing can be drawn" in one.verdict.why
    assert one.asking.way == choice.USUAL


def test_what_a_known_finding_looks_like_is_that_findings(encoder: SmallEncoder) -> None:
    cyst = load_concept("us_cyst")
    one = ask_well(encoder, told(cyst.texts("inversion")[0]), KIND, known=[cyst, load_concept("us_lipoma")])
    assert one.verdict.answer != "yes", one.verdict.line


def test_words_of_another_modality_are_refused_unless_kept_anyway(encoder: SmallEncoder, tmp_path: Path) -> None:
    brain = told("a round hyperintense lesion deep in the white matter of the brain")
    with pytest.raises(NotCarriedError, match="of another modality or part of the body"):
        ask_well(encoder, brain, KIND)
    kept = ask_well(encoder, brain, KIND, keep_anyway=True)
    assert kept.verdict.answer == "no"
    kept.save(tmp_path / "a.medkt")
    assert read_package(tmp_path / "a.medkt").learnt[0].words_carried.endswith("(kept anyway)")


def test_what_is_not_carried_is_not_written(tmp_path: Path, made: AskingOutcome) -> None:
    against = replace(made, verdict=Verdict(answer="no", why="a test says so"))
    with pytest.raises(NotCarriedError, match="a test says so; nothing was written"):
        against.save(tmp_path / "a.medkt")
    assert not list(tmp_path.iterdir())


def test_without_an_audit_nothing_is_shown(encoder: SmallEncoder) -> None:
    one = ask_well(encoder, load_concept("us_phyllodes"), KIND, level="none")
    assert (one.verdict.answer, one.sat, one.meaning) == ("not shown", (), ())
    assert "No exam was set" in as_markdown(one)


def test_a_concept_without_known_findings_is_refused(encoder: SmallEncoder) -> None:
    with pytest.raises(InputError, match="no known finding to tell this one apart from"):
        ask_well(encoder, load_concept("us_phyllodes"), KIND, known=[], level="none")
