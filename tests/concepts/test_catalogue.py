import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr._concepts_dict import concepts as dicom_concepts

from medkt.concepts import Concept, concept_from_text, concepts, load_concept, mentions
from medkt.concepts.concept import ROLES
from medkt.errors import AmbiguousInputError, InputError, UnknownNameError
from medkt.phantom.finding import Finding, findings

EVERY = tuple(concepts().values())
IDS = [concept.id for concept in EVERY]

# DICOM PS3.16 as pydicom ships it: scheme and code value to its meanings
MEANINGS: dict[tuple[str, str], set[str]] = {}
for _scheme in ("SCT", "DCM"):
    for _codes in dicom_concepts[_scheme].values():
        for _value, _entry in _codes.items():
            MEANINGS.setdefault((_scheme, _value), set()).add(_entry[0])

# SNOMED CT's own, in no list of PS3.16; each was looked up in several places
BEYOND = {
    "87433001": "Pulmonary emphysema", "95436008": "Lung consolidation", "12295008": "Bronchiectasis",
    "55641003": "Infarct", "154283005": "Pulmonary tuberculosis", "33737001": "Fracture of rib",
    "84089009": "Hiatal hernia", "32693004": "Demyelination", "230745008": "Hydrocephalus",
    "235919008": "Gallbladder calculus", "43064006": "Hydronephrosis", "8186001": "Cardiomegaly",
}  # fmt: skip


def test_there_are_enough_of_each_modality() -> None:
    assert len(EVERY) >= 60
    for modality in ("cxr", "ct", "mri", "ultrasound"):
        assert sum(concept.modality == modality for concept in EVERY) >= 15


@pytest.mark.parametrize("finding", findings().values(), ids=lambda finding: finding.id)
def test_each_phantom_finding_has_a_concept_with_its_look(finding: Finding) -> None:
    concept = load_concept(finding.id)
    assert (concept.name, concept.modality) == (finding.name, finding.domain)
    assert set(finding.synonyms) <= set(concept.synonyms)
    words = {
        finding.shape: "organ|ventricles|spaces" if finding.shape == "organ" else finding.shape,
        finding.margin: finding.margin,
        finding.intensity: finding.intensity.replace("_", " "),
        finding.texture: finding.texture,
        finding.number: {"single": "single|large", "several": "several", "many": "many"}[finding.number],
    }
    described = concept.texts("inversion")[0]
    missing = [word for word, pattern in words.items() if not re.search(pattern, described)]
    assert missing == []


@pytest.mark.parametrize("concept", EVERY, ids=IDS)
def test_each_concept_is_whole(concept: Concept) -> None:
    for role in ("inversion", "finetune", "prompt"):
        assert concept.texts(role)
    assert not any(mentions(text, concept.names) for text in concept.texts("inversion"))
    assert all(mentions(text, concept.names) for text in (*concept.texts("finetune"), *concept.texts("prompt")))
    assert (concept.licence, concept.author) == ("CC-BY-4.0", "The medkt authors")
    assert concept.source
    assert len(concept.digest) == 64
    assert concept.id.startswith({"ultrasound": "us_"}.get(concept.modality, f"{concept.modality}_"))
    assert set(concept.related) <= set(IDS) - {concept.id}
    assert bool(concept.window) == (concept.modality == "ct")
    assert all(len(caption.text.split()) < 30 for caption in concept.captions)  # most towers cut off after 77 tokens


@pytest.mark.parametrize("concept", EVERY, ids=IDS)
def test_every_finding_says_in_codes_what_it_is_and_where(concept: Concept) -> None:
    for code in (concept.category, concept.type, concept.region):
        assert code is not None
        known = MEANINGS.get((code.scheme, code.value))
        assert code.meaning in known if known else BEYOND[code.value] == code.meaning


def test_codes_beyond_dicom_are_needed() -> None:
    assert not any(("SCT", value) in MEANINGS for value in BEYOND)


def test_no_sentence_serves_two_concepts() -> None:
    texts = [caption.text for concept in EVERY for caption in concept.captions]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("name", "modality", "expected"),
    [
        ("cxr_nodule", "", "cxr_nodule"),
        ("lung nodule", "", "cxr_nodule"),  # its own name, though a synonym in CT
        ("lung nodule", "ct", "ct_lung_nodules"),
        ("Breast_Tumour", "", "us_breast_tumour"),
        ("breast tumor", "", "us_breast_tumour"),
        ("ground glass opacity", "", "ct_ground_glass"),
        ("Hampton hump", "", "cxr_infarct"),
        ("pneumothorax", "", "cxr_pneumothorax"),
        ("pneumothorax", "ct", "ct_pneumothorax"),
        ("edema", "", "cxr_oedema"),
    ],
)
def test_names_and_synonyms_are_found(name: str, modality: str, expected: str) -> None:
    assert load_concept(name, modality=modality).id == expected


def test_concepts_of_the_paper_are_there() -> None:
    for name in (
        "lung nodules", "benign nodule", "lung cancer", "breast tumour", "pneumothorax", "brain tumour", "glioma",
        "atelectasis", "cardiomegaly", "consolidation", "edema", "pleural effusion",
    ):  # fmt: skip
        assert load_concept(name)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no concept 'lung nodul'; nearest: lung nodule \(cxr_nodule\)"):
        load_concept("lung nodul")
    with pytest.raises(UnknownNameError, match="no concept 'pneumothorax' for mri"):
        load_concept("pneumothorax", modality="mri")
    with pytest.raises(UnknownNameError, match="known: cxr_nodule, "):
        load_concept("§§§§")


def test_a_synonym_of_several_modalities_asks_which() -> None:
    with pytest.raises(
        AmbiguousInputError, match=r"'pulmonary nodule' means 2 concepts \(cxr_nodule, ct_lung_nodules\)"
    ):
        load_concept("pulmonary nodule")


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    head = "version: 1\nmodality: ''\nlicence: x\nauthor: x\nsources: {s: s}\nconcepts:\n"
    entry = "  - {id: mine, name: Mine, source: [s], captions: {prompt: [p]}}\n"
    path.write_text(head + entry)
    assert load_concept(path).name == load_concept(str(path)).name == "Mine"
    path.write_text(head + entry + entry.replace("mine", "yours"))
    with pytest.raises(AmbiguousInputError, match=r"holds 2 concepts \(mine, yours\)"):
        load_concept(path)


def test_free_text_is_its_own_caption() -> None:
    concept = concept_from_text("  A ring   in the left lung! ", modality="cxr")
    assert concept.name == "A ring in the left lung!"
    assert concept.modality == "cxr"
    assert concept.is_free_text
    assert {role: concept.texts(role) for role in ROLES} == {
        "inversion": (concept.name,), "finetune": (concept.name,), "prompt": (concept.name,), "contrast": (),
    }  # fmt: skip


def test_empty_text_is_refused() -> None:
    with pytest.raises(InputError, match="the text of a concept is empty"):
        concept_from_text(" \n ")


@given(st.text(min_size=1).filter(str.strip))
def test_ids_of_free_text_are_safe_as_file_names(text: str) -> None:
    identifier = concept_from_text(text).id
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", identifier)
    assert len(identifier) <= 48


def test_ids_of_two_texts_differ() -> None:
    long = "a bright ring with a dark centre in the upper part of the left lung"
    texts = [long, long + " and more", "Ring!", "Ring?", "ring", "肺", "肝"]
    assert len({concept_from_text(text).id for text in texts}) == len(texts)
