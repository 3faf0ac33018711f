"""The page of a result: well-formed, nothing from outside it, nothing that runs, a text for every picture."""

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from learnt import make_words, write_learnt
from PIL import Image as Picture
from whole_line import BRIGHT, QUICK, Command, Studies, bright_pipeline, options_of

from medkt.calibration import segment
from medkt.concepts import read_package
from medkt.config import resolve
from medkt.pipeline import StudyResult
from medkt.report.study_folder import Formats, write_result
from medkt.segmentation.slicewise import SegmentationSettings

FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2"))
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Collects tags with their attributes, and complains where one is left open or closed twice."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _report(medkt: Command, study: Path, folder: Path, *options: str) -> str:
    assert medkt("segment", "-i", study, "-o", folder, *QUICK, *options).code == 0
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["ct-series", "us-clip", "cxr-png"])
def test_it_opens_from_disk_and_asks_for_nothing(
    name: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    text = _report(medkt, studies[name], tmp_path, *BRIGHT, "-p", "something dark", *options_of(name))
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert page.of("html") == [{"lang": "en"}]
    assert page.of("meta")[0] == {"charset": "utf-8"}
    assert not page.of("script") + page.of("iframe") + page.of("form")
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)|url\(|@import|\bon\w+=", text)
    assert {one["href"] for one in page.of("a")} == {f"#{one['id']}" for one in page.of("h2") + page.of("main")}
    assert len(page.of("caption")) == len(page.of("table"))
    assert not re.findall(r"https?://", re.sub(r"data:image/png;base64,[^\"]*", "", text))
    words = " ".join("".join(page.words).split())
    for said in ("For research use only. Not a medical device", "a bright spot", "something dark", "SHA-256"):
        assert said in words


def test_every_picture_has_words_and_is_a_picture(
    medkt: Command, bright: None, studies: Studies, tmp_path: Path
) -> None:
    page = Page(_report(medkt, studies["dx"], tmp_path, *BRIGHT))
    (picture,) = page.of("img")
    assert picture["alt"] == "Image, saliency and outline of a bright spot"
    data = base64.b64decode(str(picture["src"]).removeprefix("data:image/png;base64,"))
    assert data == (tmp_path / "overlay.png").read_bytes()
    with Picture.open(BytesIO(data)) as opened:
        opened.verify()


def test_words_of_the_users_are_text(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    words = 'bright <script>alert("1")</script> & <img src=x onerror=y>'
    page = Page(_report(medkt, studies["dx"], tmp_path, "-p", words))
    assert not page.of("script")
    assert len(page.of("img")) == 1
    assert words in "".join(page.words)


def test_whose_weights_answered_is_told(studies: Studies, tmp_path: Path) -> None:
    """The package of each learnt concept, and the digest of the encoder that it made; nothing where there is none."""
    concepts = make_words("pale_disc", "bright disc"), make_words("black_disc", "dark disc")
    files = [
        write_learnt(tmp_path / f"{one.id}.medkt", one, gain) for one, gain in zip(concepts, (8.0, 0.5), strict=True)
    ]
    result = segment(studies["us"], concepts=files, prompts=["a bright spot"], model=bright_pipeline(FAST))
    text = _written(result, tmp_path / "learnt")
    words = " ".join("".join(Page(text).words).split())
    assert "model bright-spots, taught pale_disc, black_disc" in words
    for file, taught in zip(files, result.encoder.taught, strict=True):
        assert f"package: SHA-256 {read_package(file).digest}" in words
        assert f"encoder that was asked: SHA-256 {taught.adapted_digest}" in words
        assert "the encoder with what was learnt laid over it" in words
    plain = segment(studies["us"], prompts=["a bright spot"], model=bright_pipeline(FAST))
    assert "aught" not in _written(plain, tmp_path / "plain").split("Settings</th>")[0]


def _written(result: StudyResult, folder: Path) -> str:
    write_result(result, folder, formats=Formats(nifti=False), name="case")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_a_reference_is_told(medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    reference = studies["ct-nifti"].parent / "reference.nii.gz"
    options = (*BRIGHT, "--reference", str(reference), "--modality", "ct")
    page = Page(_report(medkt, studies["ct-nifti"], tmp_path, *options))
    words = " ".join("".join(page.words).split())
    assert "Scores against the reference" in words
    assert re.search(r"dsc 0\.\d{3}", words)
