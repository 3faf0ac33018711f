"""What the classes of a run are, how its cases are planned, and what its rows say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets.dataset_trees import TREES
from learnt import make_words, with_gain, write_learnt
from segmentation.bright_spots import BrightSpots

from medkt.concepts import Concept, load_concept
from medkt.datasets.case import Case
from medkt.datasets.protocol import load_protocol
from medkt.domains import domain
from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.pipeline import Classification, ConceptScore, EncoderFacts
from medkt.presence import Reason
from medkt.spatial import Geometry, Image, Provenance
from medkt.tasks.cases import CaseWork
from medkt.tasks.classify.classes import (
    TRUE_CLASS,
    ClassWords,
    classes_of_manifest,
    classes_of_protocol,
    plan_of_class_manifest,
    plan_of_classes,
    replaced,
    survey_classes,
)
from medkt.tasks.classify.runner import APART, ONE_ENCODER, ClassRunner, ClassRunnerFactory, row_of_classes
from medkt.transfer.packages import AdaptedEncoder

SALT = b"a salt of a test"
BRIGHT, DARK = make_words("us_bright", "bright spot"), make_words("us_dark", "dark spot")


def _classes() -> list[ClassWords]:
    return [ClassWords(name="light", concept=BRIGHT), ClassWords(name="Dark", concept=DARK)]


# ---- which classes


def test_a_given_concept_takes_the_place_of_its_class() -> None:
    by_id = make_words("us_bright", "shining spot")
    by_name = make_words("us_gloom", "Dark Spot")
    by_class = make_words("us_light", "Light")
    assert [one.concept.id for one in replaced(_classes(), [by_id])] == ["us_bright", "us_dark"]
    assert [one.concept for one in replaced(_classes(), [by_id, by_name])] == [by_id, by_name]
    assert replaced(_classes(), [by_class])[0] == ClassWords(name="light", concept=by_class)
    assert replaced(_classes(), []) == tuple(_classes())


def test_a_concept_that_is_none_of_the_classes() -> None:
    with pytest.raises(
        SettingsError, match=r"us_grey \(grey spot\) is none of the classes light \(us_bright\), Dark \(us_dark\)"
    ):
        replaced(_classes(), [make_words("us_grey", "grey spot")])
    with pytest.raises(SettingsError, match="us_bright and us_light are both the class light"):
        replaced(_classes(), [BRIGHT, make_words("us_light", "Light")])
    with pytest.raises(
        SettingsError, match=r"one class alone \(light \(us_bright\)\) has nothing to be told apart from"
    ):
        replaced(_classes()[:1], [])
    with pytest.raises(SettingsError, match="the classes light, bright have one concept, us_bright"):
        replaced([*_classes(), ClassWords(name="bright", concept=BRIGHT)], [])


def test_the_classes_of_the_protocols() -> None:
    taught = load_concept("cxr_lung_cancer")
    found = classes_of_protocol(load_protocol("jsrt"), [taught])
    assert {one.name: one.concept.id for one in found} == {
        "benign": "cxr_benign_nodule", "malignant": "cxr_lung_cancer",
    }  # fmt: skip
    found = classes_of_protocol(load_protocol("chexpert"))
    assert [one.name for one in found][3:] == ["Edema", "Pleural Effusion"]
    with pytest.raises(SettingsError, match=r"cxr_nodule .* is none of the classes Atelectasis \(cxr_atelectasis\)"):
        classes_of_protocol(load_protocol("chexpert"), [load_concept("cxr_nodule")])


# ---- the cases of a data set


def test_cases_of_a_data_set_have_their_class(tmp_path: Path) -> None:
    TREES["chexpert"](tmp_path)
    protocol = load_protocol("chexpert")
    classes = classes_of_protocol(protocol)
    plan = plan_of_classes(protocol, tmp_path, classes=classes, keep_ids=True, columns=["sex"])
    works = list(plan.works(SALT, dict.fromkeys(range(1, 6), (0, 0))))
    assert [work.concepts for work in works] == [(one.concept.id,) for one in classes]
    assert works[3].columns == {"patient": "patient00004", TRUE_CLASS: "Edema", "kept_sex": "Female"}
    with pytest.raises(SettingsError, match="--by scanner: the data set has no such column"):
        plan_of_classes(protocol, tmp_path, classes=classes, columns=["scanner"])
    with pytest.raises(InputError, match="an image is of class 'Edema', which is none of"):
        plan_of_classes(protocol, tmp_path, classes=[one for one in classes if one.name != "Edema"])


# ---- the cases of a manifest


def _manifest(path: Path, *rows: str, head: str = "case_id,image,class_name,concept,modality,site") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    for row in rows:
        (path.parent / row.split(",")[1]).touch()
    return path


def _load(name: str) -> Concept:
    known = {"bright spot": BRIGHT, "us_dark": DARK, "dark spot": DARK}
    if name not in known:
        raise UnknownNameError(name)
    return known[name]


def test_a_manifest_names_its_classes(tmp_path: Path) -> None:
    """By the concept of the row where there is one, else by the name of the class."""
    path = _manifest(tmp_path / "a.csv", "a,a.png,bright spot,,ultrasound,1", "b,b.png,gloom,us_dark,ultrasound,2")
    survey = survey_classes(path)
    assert survey.names == {"bright spot": "", "gloom": "us_dark"}
    assert survey.modality == "ultrasound"
    classes = classes_of_manifest(survey, [], only=False, load=_load)
    assert [(one.name, one.concept.id) for one in classes] == [("bright spot", "us_bright"), ("gloom", "us_dark")]
    learnt = make_words("us_dark", "gloom of the depth")
    assert classes_of_manifest(survey, [learnt], only=False, load=_load)[1].concept == learnt
    plan = plan_of_class_manifest(path, survey, classes=classes, keep_ids=True, columns=["site"])
    works = list(plan.works(SALT, {2: (0, 0)}))
    assert works[0].concepts == ("us_dark",)
    assert works[0].columns == {"patient": "b", TRUE_CLASS: "gloom", "kept_site": "2"}
    with pytest.raises(
        SettingsError, match="--by sex: the manifest has no such column; it has class_name, present, site"
    ):
        plan_of_class_manifest(path, survey, classes=classes, columns=["sex"])


def test_given_concepts_may_be_all_the_classes(tmp_path: Path) -> None:
    """One of which no case may be."""
    survey = survey_classes(_manifest(tmp_path / "a.csv", "a,a.png,dark spot,,,1", "b,b.png,Bright Spot,,mri,1"))
    assert survey.modality == ""
    grey = make_words("us_grey", "grey spot")
    classes = classes_of_manifest(survey, [BRIGHT, DARK, grey], only=True, load=_load)
    assert [one.name for one in classes] == ["Bright Spot", "dark spot", "grey spot"]
    with pytest.raises(SettingsError, match="class 'dark spot' of the manifest is none of us_bright, us_grey"):
        classes_of_manifest(survey, [BRIGHT, grey], only=True, load=_load)
    two = survey_classes(_manifest(tmp_path / "b.csv", "a,a.png,dark spot,,,1", "b,b.png,us_dark,,,1"))
    with pytest.raises(SettingsError, match="classes 'dark spot' and 'us_dark' of the manifest both mean us_dark"):
        classes_of_manifest(two, [BRIGHT, DARK], only=True, load=_load)


def test_manifests_that_say_too_little_or_too_much(tmp_path: Path) -> None:
    path = _manifest(tmp_path / "a.csv", "a,a.png,dark spot,,,1", "b,b.png,,,,1")
    with pytest.raises(InputError, match="case 2, column class_name: empty; name the class of every image"):
        survey_classes(path)
    path = _manifest(tmp_path / "b.csv", "a,a.png,gloom,us_dark,,1", "b,b.png,gloom,us_bright,,1")
    with pytest.raises(InputError, match="case 2: class 'gloom' has the concept 'us_bright' here and 'us_dark' before"):
        survey_classes(path)
    with pytest.raises(InputError, match="there is no such table"):
        survey_classes(tmp_path / "none.csv")


# ---- rows


def _result(*scores: tuple[float, float]) -> Classification:
    """A classification of one plane with these shares and cosines, which a float32 holds exactly."""
    made = tuple(
        ConceptScore(
            concept=one.concept, name=one.name, learnt=False, texts=("a text",), planes=(0,),
            cosines=np.array([cosine], dtype=np.float32), probabilities=np.array([share], dtype=np.float32),
        )
        for one, (share, cosine) in zip(_classes(), scores, strict=True)
    )  # fmt: skip
    facts = EncoderFacts(name="none", digest="", licence="none")
    return Classification(image=_image(), domain=domain("ultrasound"), scores=made, encoder=facts, warnings=("w",))


def test_a_row_of_which_nothing_is_claimed() -> None:
    made = _result((0.75, 0.5), (0.25, 0.125))
    first, second = made.scores
    strange = Reason(code="unlike-modality", sentence="it is strange")
    words = Reason(code="negation", sentence="it says no")
    held = replace(made, scores=(replace(first, no_claim=(strange, words)), replace(second, no_claim=(strange,))))
    row = row_of_classes(_classes(), held, true="us_bright")
    assert (row["predicted"], row["hit"], row["rank"], row["no_claim"]) == (
        None,
        False,
        None,
        "unlike-modality;negation",
    )
    assert row["probability_us_bright"] == 0.75


def test_a_row_of_a_case() -> None:
    row = row_of_classes(_classes(), _result((0.75, 0.5), (0.25, 0.125)), true="us_dark")
    assert row == {
        "concept": "us_dark", "predicted": "light", "hit": False, "rank": 2, "probability_us_bright": 0.75,
        "cosine_us_bright": 0.5, "probability_us_dark": 0.25, "cosine_us_dark": 0.125, "domain": "ultrasound",
        "planes_scored": 1, "input_digest": "d", "incomplete": 0, "warnings": 1, "words_notes": "", "no_claim": None,
    }  # fmt: skip


def test_ties_are_no_hits_and_cosines_break_them() -> None:
    for true, other in (("us_bright", "Dark"), ("us_dark", "light")):
        row = row_of_classes(_classes(), _result((0.5, 0.2), (0.5, 0.2)), true=true)
        assert (row["predicted"], row["hit"], row["rank"]) == (other, False, 2)
    row = row_of_classes(_classes(), _result((1.0, 0.21), (1.0, 0.2)), true="us_bright")
    assert (row["predicted"], row["hit"], row["rank"]) == ("light", True, 1)


# ---- whom the classes are asked of


@pytest.fixture
def taught(tmp_path: Path) -> tuple[Path, Path]:
    """Packages of both classes, which give the plain encoder another gain."""
    return write_learnt(tmp_path / "a.medkt", BRIGHT, 5.0), write_learnt(tmp_path / "b.medkt", DARK, 2.0)


def _image() -> Image:
    values = np.full((1, 32, 32), 20, dtype=np.uint8)
    values[0, 8:16, 8:16] = 220
    geometry = Geometry.of_pixels(32, 32)
    return Image(values=values, geometry=geometry, modality="US", provenance=Provenance(source="raster", digest="d"))


def _row(packages: tuple[Path, ...], **asked: Any) -> tuple[dict[str, Any], ClassRunner]:
    factory = ClassRunnerFactory(classes=tuple(_classes()), packages=packages, **asked)
    runner = ClassRunner.of(factory, AdaptedEncoder.of(BrightSpots(), packages, together=factory.together))
    case = Case(case_id="a", image=Path("a.png"), modality="ultrasound")
    work = CaseWork(key="a", number=1, case=case, concepts=("us_bright",))
    (row,) = runner.write(work, runner.compute(work, _image()))
    return dict(row), runner


def test_one_taught_encoder_is_asked_of_all_classes(taught: tuple[Path, Path]) -> None:
    """As if the adapted encoder had been loaded; so what it forgot of the other class shows."""
    row, runner = _row(taught[:1])
    adapted = ClassRunner.of(
        ClassRunnerFactory(classes=tuple(_classes())), AdaptedEncoder.of(with_gain(BrightSpots(), 5.0))
    )  # fmt: skip
    case = Case(case_id="a", image=Path("a.png"), modality="ultrasound")
    work = CaseWork(key="a", number=1, case=case, concepts=("us_bright",))
    (wanted,) = adapted.write(work, adapted.compute(work, _image()))
    assert row == wanted
    facts = runner.facts()["encoder"]
    assert facts["classes_asked_of"] == ONE_ENCODER
    assert facts["adapted_digest"].startswith("adapted:")
    assert "packages" not in adapted.facts()["encoder"]
    base = _row(())[0]
    assert base["cosine_us_dark"] != row["cosine_us_dark"]


def test_classes_apart_and_together(taught: tuple[Path, Path]) -> None:
    base, one = _row(())[0], _row(taught[:1])[0]
    apart, runner = _row(taught[:1], apart=True)
    assert apart["cosine_us_bright"] == one["cosine_us_bright"]
    assert apart["cosine_us_dark"] == base["cosine_us_dark"]
    assert runner.facts()["encoder"]["classes_asked_of"] == APART
    both, runner = _row(taught)
    assert both["cosine_us_bright"] == one["cosine_us_bright"]
    assert runner.facts()["encoder"]["classes_asked_of"] == APART
    summed, runner = _row(taught, together=True)
    assert runner.facts()["encoder"]["classes_asked_of"] == ONE_ENCODER
    assert summed["cosine_us_bright"] != both["cosine_us_bright"]
    gain = runner.answers.base.module.get_parameter("gain")
    assert gain.item() == pytest.approx(3.0 + (5.0 - 3.0) + (2.0 - 3.0))
    runner.held.close()
    assert torch.equal(runner.taught.base.module.get_parameter("gain"), BrightSpots().module.get_parameter("gain"))


def test_a_class_that_nobody_knows_is_told_with_its_case(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "m.csv").write_text("case_id,image,class_name\na,a.png,cxr_nodule\nb,b.png,Nodule 7\n")
    says = r"case 2 of the manifest is of class .Nodule 7.: .*The column concept says which one a class means"
    with pytest.raises(UnknownNameError, match=says):
        classes_of_manifest(survey_classes(tmp_path / "m.csv"), [], only=False, load=load_concept)


def test_a_class_whose_words_are_not_understood_is_not_called_and_the_others_are() -> None:
    made = _result((0.75, 0.5), (0.25, 0.125))
    denied = Reason(code="words-denied", sentence="it says no")
    normal = replace(made.scores[1], concept=None, name="normal")
    held = replace(made, scores=(replace(made.scores[0], no_claim=(denied,)), made.scores[1], normal))
    assert held.no_claim == ()
    row = row_of_classes(_classes(), replace(held, scores=held.scores[:2]), true="us_bright")
    assert row["no_claim"] == "words-denied"  # one of two is left, and there is nothing to compare it with
    three = [*_classes(), replace(_classes()[1], concept=replace(_classes()[1].concept, id="us_grey"), name="grey")]
    scores = (*held.scores[:2], replace(made.scores[1], probabilities=np.array([0.5], np.float32)))
    row = row_of_classes(three, replace(held, scores=scores), true="us_bright")
    assert (row["predicted"], row["hit"], row["rank"], row["no_claim"]) == ("grey", False, None, None)
