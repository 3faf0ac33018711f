"""The sheet of fifty texts, other tokenizers, and words that must never be refused."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import BertWordPieceTokenizer, Tokenizer

from medkt.calibration import Scorer
from medkt.concepts import concept_from_text, concepts, read_concepts
from medkt.concepts.encoder_lint import TextEncoder
from medkt.concepts.meaning import check_text
from medkt.concepts.wordlike import is_wordlike, plain_text, words_in
from medkt.domains import domain
from medkt.domains.registry import domains
from medkt.errors import InputError
from medkt.io import read_image
from medkt.models.clip import ClipEncoder
from medkt.models.registry import load_encoder
from medkt.models.wordpiece import WordPieces
from medkt.phantom.study import write_study
from medkt.pipeline.words import cut_off_told, word_notes

MEANINGLESS = (
    "...", "😀", "肺结节", "عقدة رئوية", "узелок в лёгком", "λέξη", "asdfghjkl", "qwertyuiop zxcvbnm", "12345", "?!?!",
    ";;; --- ///", "3.14", "aGVsbG8gd29ybGQ=", "https://example.org/scan?id=7", "<b></b><br/>", "xkcd bcdfg", "ljashdbflsabdf",
    "the of and", "結節 😀 …", "aaaa zzzz",
)  # fmt: skip
NOTHING = ("", "  \t\r\n ", "\u200b\u200d\ufeff", "\u00a0\u3000")  # whitespace and characters without a width

NOTED = {
    "no lung nodule": "negation",
    "without any nodule": "negation",
    "normal lungs, nodule absent": "negation",
    "the patient denies trauma, no fracture": "negation",
    "lungs are free of consolidation": "negation",
    "unremarkable chest radiograph": "negation",
    "pneumothorax has been ruled out": "negation",
    "negative for pleural effusion": "negation",
    "nodule not seen": "negation",
    "there isn’t a nodule": "negation",  # a typographic apostrophe
    "is there a nodule?": "question",
    "what is in the left lung": "question",
    "r/o pneumonia": "question",
    "pleural effusion？": "question",  # a full-width mark
    "whether the heart is enlarged": "question",
}

# presence of each at commit 25bf40f, before any text was checked: the phantom of `medkt phantom --finding cxr_nodule
# --seed 0 --format dicom`, Scorer.of(load_encoder("small"), concept_from_text(text), domain("cxr")).score(image).score
SOUND = {
    "lung nodule": 0.999771,
    "Lung Nodule": 0.999771,
    "a small round bright spot in the lung": 0.470271,
    "pleural effusion": 0.000008,
    "a large right-sided pleural effusion": 0.000035,
    "pneumothorax": 0.000007,
    "enlarged heart": 0.000029,
    "non-calcified nodule": 0.160443,
    "consolidation in the left lower lobe": 0.000000,
    "a chest radiograph showing a lung mass": 0.014840,
    "rib fracture": 0.007156,
    "a hazy opacity": 0.022535,
    "bright linear opacity at the left base": 0.000011,
    "mass with a spiculated margin": 0.014753,
    "emphysema": 0.000037,
}

TERMS = [
    "atelectasis",
    "bronchiectasis",
    "pneumomediastinum",
    "pneumoperitoneum",
    "hydropneumothorax",
    "hemothorax",
    "empyema",
    "lymphangioleiomyomatosis",
    "sarcoidosis",
    "silicosis",
    "asbestosis",
    "mesothelioma",
    "hamartoma",
    "carcinoid",
    "thymoma",
    "teratoma",
    "lymphoma",
    "lymphadenopathy",
    "cardiomegaly",
    "hepatosplenomegaly",
    "cholelithiasis",
    "choledocholithiasis",
    "cholangiocarcinoma",
    "cholecystitis",
    "pancreatitis",
    "pseudocyst",
    "diverticulitis",
    "appendicitis",
    "intussusception",
    "volvulus",
    "pneumatosis",
    "hydronephrosis",
    "nephrolithiasis",
    "angiomyolipoma",
    "oncocytoma",
    "pheochromocytoma",
    "adrenal",
    "adenoma",
    "leiomyoma",
    "endometriosis",
    "adenomyosis",
    "hydrosalpinx",
    "cystadenoma",
    "varicocele",
    "seminoma",
    "hirschsprung",
    "schwannoma",
    "meningioma",
    "glioblastoma",
    "astrocytoma",
    "oligodendroglioma",
    "ependymoma",
    "medulloblastoma",
    "craniopharyngioma",
    "cavernoma",
    "hemangioma",
    "haemangioma",
    "aneurysm",
    "dissection",
    "thrombosis",
    "embolism",
    "infarct",
    "haemorrhage",
    "hemorrhage",
    "subarachnoid",
    "subdural",
    "epidural",
    "hydrocephalus",
    "encephalomalacia",
    "leukoaraiosis",
    "demyelination",
    "spondylolisthesis",
    "spondylolysis",
    "scoliosis",
    "kyphosis",
    "osteophyte",
    "osteoporosis",
    "osteomyelitis",
    "osteosarcoma",
    "chondrosarcoma",
    "enchondroma",
    "osteochondroma",
    "exostosis",
    "fracture",
    "dislocation",
    "synovitis",
    "tenosynovitis",
    "bursitis",
    "meniscus",
    "chiari",
    "arteriovenous",
    "malformation",
    "fistula",
    "pseudoaneurysm",
    "stenosis",
    "calcification",
    "ossification",
    "emphysema",
    "honeycombing",
    "fibrosis",
    "consolidation",
    "opacity",
    "reticulation",
    "cavity",
    "bulla",
    "bleb",
    "mass",
    "nodule",
    "micronodules",
    "miliary",
    "tuberculosis",
    "aspergilloma",
    "mycetoma",
    "abscess",
    "bronchogram",
    "kerley",
    "effusion",
    "ascites",
    "pericardial",
    "tamponade",
    "aorta",
    "coarctation",
    "tracheomalacia",
    "achalasia",
    "hiatal",
    "hernia",
    "esophageal",
    "varices",
    "cirrhosis",
    "steatosis",
    "hemochromatosis",
    "lipoma",
    "liposarcoma",
    "galactocele",
    "fibroadenoma",
    "phyllodes",
    "microcalcifications",
    "spiculated",
    "fibrocystic",
    "gynecomastia",
    "thyroid",
    "goiter",
    "parathyroid",
    "sialolithiasis",
    "cholesteatoma",
    "mastoiditis",
    "sinusitis",
    "mucocele",
    "retinoblastoma",
    "glaucoma",
    "osteonecrosis",
    "perthes",
    "hydatid",
    "echinococcus",
    "neurocysticercosis",
    "toxoplasmosis",
    "moyamoya",
    "periventricular",
    "leukomalacia",
    "holoprosencephaly",
    "lissencephaly",
    "syringomyelia",
    "myelomeningocele",
    "catheter",
    "stent",
    "pacemaker",
    "gastrostomy",
    "clip",
    "prosthesis",
    "ménière",
    "köhler",
    "schmorl",
    "wernicke",
    "langerhans",
    "scheuermann",
    "rathke",
    "jaw",
    "hip",
    "rib",
    "knee",
    "femur",
    "wrist",
    "bowel",
    "uterus",
    "ovary",
    "prostate",
    "bladder",
    "kidney",
    "spleen",
    "liver",
    "pancreas",
    "gallbladder",
    "COPD",
    "PE",
    "DVT",
    "ICH",
    "SAH",
    "AVM",
    "GGO",
    "HCC",
    "TB",
    "CHF",
    "ARDS",
    "IVC",
    "PICC",
    "ETT",
    "NGT",
    "RCC",
    "MS",
    "PLCH",
]


class OnlyTokens:
    """A `TextEncoder` of a real tokenizer, without weights."""

    def __init__(self, name: str, tokenize: Any, length: int = 77) -> None:
        self.spec, self.device, self._tokenize = SimpleNamespace(name=name, text_length=length), "cpu", tokenize

    def tokenize(self, texts: Sequence[str]) -> Any:
        return self._tokenize(self, texts)

    def encode_text(self, tokens: Any) -> Any:
        raise AssertionError("a text is checked by its pieces alone")


@pytest.fixture(scope="module")
def word_pieces(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    """BERT's pieces over single letters, two Chinese signs, and the words of the sheet that have a meaning."""
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    words = {word for text in (*NOTED, *SOUND) for word in re.findall(r"[a-z]+", plain_text(text).lower())}
    letters = [chr(code) for code in range(97, 123)]
    rows = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *letters,
        *(f"##{one}" for one in letters),
        "肺",
        "у",
        *"0123456789.,;:?!'-/",
    ]
    path.write_text("\n".join([*rows, *sorted(words - set(letters))]), encoding="utf-8")
    pieces = WordPieces(Tokenizer.from_str(BertWordPieceTokenizer(str(path), lowercase=True).to_str()), 64)
    return OnlyTokens("pieces", lambda self, texts: pieces(texts, torch.device("cpu")), 64)


@pytest.fixture(params=["small", "clip", "word pieces"])
def encoder(request: pytest.FixtureRequest, word_pieces: TextEncoder) -> Any:
    if request.param == "small":
        return load_encoder("small")
    return OnlyTokens("clip", ClipEncoder.tokenize) if request.param == "clip" else word_pieces


def test_the_sheet_is_of_fifty() -> None:
    assert (len(set(MEANINGLESS)), len(NOTED), len(SOUND)) == (20, 15, 15)


@pytest.mark.parametrize("text", MEANINGLESS)
def test_a_text_without_meaning_is_refused_by_every_tokenizer(encoder: Any, text: str) -> None:
    refusal = check_text(encoder, text).refusal
    assert "cannot be asked: " in refusal
    assert refusal.endswith("say in English what is seen, such as 'a small round bright spot in the lung'")
    assert check_text(None, text).refusal  # before any model is loaded, too


@pytest.mark.parametrize("text", [*NOTHING, "a\ud800b", "\udce9"])
def test_nothing_and_half_characters_are_refused(text: str) -> None:
    assert check_text(None, text).refusal
    with pytest.raises(InputError, match=r"is empty|no text"):
        concept_from_text(text)


@pytest.mark.parametrize(("text", "code"), NOTED.items())
def test_denials_and_questions_are_noted_and_not_refused(encoder: Any, text: str, code: str) -> None:
    verdict = check_text(encoder, text, modality="cxr")
    assert not verdict.refusal
    assert code in verdict.codes


@pytest.mark.parametrize("text", SOUND)
def test_a_sound_text_is_not_noted(encoder: Any, text: str) -> None:
    verdict = check_text(encoder, text, modality="cxr")
    assert (verdict.refusal, dict(verdict.notes)) == ("", {})


def test_the_presence_of_a_sound_text_is_what_it_was(tmp_path: Path) -> None:
    image = read_image(write_study(tmp_path / "s", domain="cxr", finding="cxr_nodule", seed=0, format="dicom"))
    encoder, kind = load_encoder("small"), domain("cxr")
    for text, before in SOUND.items():
        found = Scorer.of(encoder, concept_from_text(text), kind).score(image).score
        assert found == pytest.approx(before, abs=0.02), text  # the film was then shown by its own window


@pytest.mark.parametrize("term", TERMS)
def test_no_word_of_radiology_is_refused(term: str) -> None:
    for encoder in (load_encoder("small"), OnlyTokens("clip", ClipEncoder.tokenize), None):
        for written in (term, term.upper(), term.lower()):
            assert check_text(encoder, written).refusal == ""
        assert set(check_text(encoder, term).codes) <= {"unknown_words"}


def test_nothing_that_ships_is_refused_and_no_prompt_is_noted() -> None:
    encoder = load_encoder("small")
    for one in concepts().values():
        for text in (*one.names, *(caption.text for caption in one.captions)):
            assert not check_text(encoder, text).refusal, text
        assert not word_notes(encoder, one, domains()[one.modality]), one.id


def test_no_text_of_the_evaluation_is_refused() -> None:
    encoder, root = load_encoder("small"), Path(__file__).resolve().parents[2] / "evaluation"
    if not root.is_dir():
        pytest.skip("the evaluation stands beside the checkout's tests alone")
    files = [path for path in root.rglob("*.yaml") if "captions:" in path.read_text(encoding="utf-8")]
    assert files
    for own in (one for path in files for one in read_concepts(path)):
        for text in (*own.names, *(caption.text for caption in own.captions)):
            assert not check_text(encoder, text).refusal, text


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("non-contrast chest with a nodule", ()),
        ("CT without IV contrast showing a nodule", ()),
        ("no-reflow", ("unknown_words",)),
        ("lesion no. 3 in the lung", ()),
        ("normal pressure hydrocephalus", ()),
        ("abnormal mass larger than normal", ()),
        ("a mass, lobulated and bright", ()),
        ("nodule or mass", ()),
        ("Pleural effusion and consolidation.", ("several_findings",)),
        ("There is a nodule. There is an effusion.", ("several_findings",)),
        ("Impression: nodule", ("several_findings",)),
        ("No nodule; no effusion", ("negation", "several_findings")),
        ("nodule cannot be excluded", ("hedge",)),
        ("possible pneumonia?", ("question", "hedge")),
        ("肺 nodule", ("unknown_words",)),
        ("lung nodule 😀", ("unknown_words",)),
        ("flurbish gromp", ("unknown_words",)),
        ("hyperechoic nodule", ("other_modality",)),
        ("a round bright spot " * 20, ("cut_off",)),
    ],
)
def test_what_is_noted(text: str, codes: tuple[str, ...]) -> None:
    found = check_text(load_encoder("small"), text, modality="cxr" if "CT" not in text else "ct")
    assert (found.refusal, found.codes) == ("", codes)


def test_what_is_still_to_be_written_is_refused() -> None:
    assert "it still holds REPLACE" in check_text(None, "REPLACE by what is seen, such as a round spot").refusal


def test_a_note_says_which_part_is_not_known() -> None:
    notes = check_text(load_encoder("small"), "a zibbern nodule 肺 😀").notes
    said = "small does not know '肺', 'zibbern', '😀'; what is found was not decided by that"
    assert notes == {"unknown_words": said}


@pytest.mark.parametrize(
    "written",
    ["Ｌｕｎｇ Ｎｏｄｕｌｅ", "Lung\u00a0Nodule", "Lung No\u00addule", "Lung\r\nNodule", " Lung\t\u200bNodule\x00", "Lung\u3000Nodule", "𝐋𝐮𝐧𝐠 Nodule"],
)  # fmt: skip
def test_what_looks_the_same_is_the_same(written: str) -> None:
    assert concept_from_text(written) == concept_from_text("Lung Nodule")


def test_typographic_signs_become_plain_ones_in_files_too(tmp_path: Path) -> None:
    text = """version: 1
modality: cxr
licence: CC0-1.0
author: me
sources: {own: own}
concepts:
  - {id: one, name: "pale\\u00a0disc", source: [own], captions: {prompt: ["a ‘pale’ disc – in\\u00adside the lung"]}}
"""
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    (concept,) = read_concepts(tmp_path / "one.yaml")
    assert (concept.name, concept.texts()) == ("pale disc", ("a 'pale' disc - inside the lung",))


def test_the_same_words_of_another_modality_are_looked_at_anew() -> None:
    encoder = load_encoder("small")
    said = {
        one: check_text(encoder, "a hyperdense spot", modality=one).codes for one in ("mri", "ct", "ultrasound", "")
    }
    assert said == {"mri": ("other_modality",), "ct": (), "ultrasound": ("other_modality",), "": ()}
    assert check_text(encoder, "a hyperdense spot", modality="mri").codes == said["mri"]


def test_letters_and_digits_or_capitals_in_turns_are_no_words() -> None:
    for code in ("aBcDeFgHiJkLmNoP", "x1y2z3a4", "dGhlIHBhdGllbnQgaGFz"):
        assert words_in(f"{code} in the lung") == (("in", "the", "lung"), (code,))
    assert words_in("aBcDeFgHiJkLmNo")[1] == ()  # a letter too short, and so are names in one word
    assert words_in("lungNodule T2w")[0][:2] == ("lung", "nodule")


@pytest.mark.parametrize(
    ("word", "is_one"),
    [
        ("aksjdhaksjd", False), ("thrombophlebitis", True), ("sdkfjha", False), ("nightshade", True), ("hirschsprung", True),
        ("lkjhg", False), ("dfghdfgh", False), ("property", True), ("zzzebra", False), ("xkcd", False), ("copd", True),
        ("nоdule", False), ("ménière", True), ("um", False),
    ],
)  # fmt: skip
def test_what_is_like_a_word(word: str, is_one: bool) -> None:
    assert is_wordlike(word) == is_one  # the o of one "nodule" is Cyrillic


@pytest.mark.parametrize(
    ("text", "usual", "by_phrases"),
    [
        ("no round lesion", {"negation"}, set()),
        ("a bright nodule and no effusion", {"negation", "several_findings"}, set()),
        ("a normal lung with a nodule", {"negation"}, {"negation"}),
        ("nodule, effusion", {"several_findings"}, {"several_findings"}),
    ],
)
def test_what_makes_a_phrase_of_its_own_is_no_note_by_phrases(text: str, usual: set[str], by_phrases: set[str]) -> None:
    encoder, concept = load_encoder("small"), concept_from_text(text, modality="cxr")
    assert set(word_notes(encoder, concept, domains()["cxr"])) == usual
    assert set(word_notes(encoder, concept, domains()["cxr"], by_phrases=True)) == by_phrases


def test_a_prompt_that_is_cut_off_is_quoted_with_what_is_read() -> None:
    encoder, concept = load_encoder("small"), concept_from_text("a round bright spot " * 20, modality="cxr")
    note = word_notes(encoder, concept, domains()["cxr"])["cut_off"]
    assert note.startswith("'")
    assert "a round bright spot a round" in note
    assert f"longer than the {encoder.spec.text_length} tokens that small reads" in note
    assert cut_off_told(encoder, ["a spot", *["a round bright spot " * 20] * 3]).endswith(
        f"and 2 more are longer than the {encoder.spec.text_length} tokens that small reads, their ends are cut off"
    )
    assert cut_off_told(encoder, ["a round bright spot"]) == ""
