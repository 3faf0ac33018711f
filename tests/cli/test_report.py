"""`medkt report` and `medkt compare`: the page of runs with known numbers, as text and in a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from run_tables import make_outcomes, row, write_run
from whole_line import Command

FEW = ("--resamples", "200")
SECRET = "PLANTED"


def _run(path: Path, shift: float = 0.0, **identity: object) -> Path:
    """Twelve cases of two concepts, two of them failed; the pictures of some."""
    rows = [
        row(("cyst", "nodule")[n % 2], dsc=round(0.3 + 0.05 * n + shift, 3), iou=0.2, sex="FM"[n % 3 == 0], **_more(n))
        for n in range(10)
    ]
    rows += [{"concept": "cyst", "kind": "timeout", "sex": "F"}, {"concept": "cyst", "kind": "unreadable", "sex": "M"}]
    run = write_run(path, make_outcomes(rows), **identity)
    for number in (0, 1, 8, 9):
        folder = run / "cases" / f"case-{number:03d}"
        folder.mkdir()
        Picture.fromarray(np.full((20, 60), 25 * number, np.uint8)).save(folder / "overlay.png")
    (run / "cases" / "case-000" / "secret.txt").write_text(SECRET, encoding="utf-8")
    return run


def _more(n: int) -> dict[str, Any]:
    """Scores of cases with and without the finding that overlap, volumes, and lesions."""
    there, score = n % 5 != 3, (0.3, 0.7, 0.6, 0.5, 0.9)[n % 5] + 0.01 * n
    volumes = {"volume_reference_ml": 4.0 + n, "volume_prediction_ml": 5.0 + 0.8 * n} if there else {}
    lesions = {"lesions_reference": float(there), "lesions_predicted": 1.0}
    scores = {"scores_found": f"{score:g}" if there else "", "scores_false": "" if there else f"{score:g}"}
    told = {"score": score, "probability": score, "outcome": "normal" if there else "reference empty"}
    return volumes | lesions | scores | told


class _Page(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def test_the_page_of_a_run(tmp_path: Path, medkt: Command) -> None:
    run = _run(tmp_path / "run", protocol="busi")
    ran = medkt("report", run, "--by", "sex", *FEW)
    assert ran.code == 0, ran.err
    text = (run / "report.html").read_text(encoding="utf-8")
    for said in (
        "not a medical device", "sex: F", "timeout", "unreadable", "0.300", "BUSI, breast ultrasound", "not tuned on labels",
        "unclear: the paper reports nothing on BUSI", "2" * 64, "rule for empty masks", "case-000",
        "ROC curve of the presence score of cyst", "Bland-Altman plot of the volumes of nodule", "FROC curve of cyst", "Share of the lesions found", "calibration error",
    ):  # fmt: skip
        assert said.lower() in text.lower(), said
    assert SECRET not in text
    assert str(tmp_path) not in text
    assert medkt("report", run, "--cases", "0", "-o", tmp_path / "page.html", *FEW).code == 0
    assert "There are none to show." in (tmp_path / "page.html").read_text(encoding="utf-8")


def _published(page: Path) -> set[tuple[str, str]]:
    """Arm and condition of each row beside published values."""
    text = page.read_text(encoding="utf-8")
    if "Ours beside published values" not in text:
        return set()
    table = text.split("Ours beside published values", 1)[1].split("</table>", 1)[0]
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", one, re.DOTALL) for one in table.split("<tr")[2:]]
    return {(row[1].strip(), row[5].strip()) for row in rows if row[0].strip() == "dsc"}


@pytest.mark.slow
def test_published_values_stand_beside_the_run_that_they_are_of(tmp_path: Path, medkt: Command) -> None:
    """The base's beside a base and those after transfer beside KT, which the run's record tells apart, not its place."""
    base, taught, again = (
        _run(tmp_path / name, protocol="udiat", learnt=name != "base") for name in ("base", "kt", "again")
    )
    shown = {}
    for run in (base, taught):
        assert medkt("report", run, *FEW).code == 0
        shown[run] = _published(run / "report.html")
    assert {arm for arm, _ in shown[base]} == {"base"}
    assert {arm for arm, _ in shown[taught]} == {"KT"}
    assert {condition for _, condition in shown[base]} == {"base"}
    assert {condition for _, condition in shown[taught]} & {"base", "–"} == set()
    for first, second, arms in ((base, taught, {"base", "KT"}), (taught, base, {"base", "KT"}), (taught, again, set())):
        ran = medkt("compare", first, second, "-o", tmp_path / "both.html", *FEW)
        assert ran.code == 0, ran.err
        assert {arm for arm, _ in _published(tmp_path / "both.html")} == arms


def test_the_page_can_be_read_by_everybody(tmp_path: Path, medkt: Command) -> None:
    run = _run(tmp_path / "run")
    assert medkt("report", run, *FEW).code == 0
    page = _Page((run / "report.html").read_text(encoding="utf-8"))
    assert page.of("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(head.get("scope") in ("col", "row") for head in page.of("th"))
    assert len(page.of("caption")) == len(page.of("table"))
    pictures = page.of("img")
    assert len(pictures) >= 11  # two forests, two of each curve, three cases
    assert all(len(str(one["alt"])) > 30 for one in pictures)
    assert all(str(one["src"]).startswith("data:image/") for one in pictures)
    assert all(str(one["href"]).startswith(("#", "data:")) for one in page.of("a", "link"))
    assert not page.of("script", "iframe", "object")
    assert all("tabindex" in one for one in page.of("div") if one.get("class") == "scroll")
    anchors = {one["id"] for _, one in page.tags if "id" in one}
    assert {str(one["href"])[1:] for one in page.of("a")} <= anchors


@pytest.mark.slow
def test_base_beside_kt(tmp_path: Path, medkt: Command) -> None:
    _run(tmp_path / "both" / "base")
    _run(tmp_path / "both" / "kt", 0.1)
    ran = medkt("report", tmp_path / "both", *FEW)
    assert ran.code == 0, ran.err
    text = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert "base and KT compared" in text
    assert "Second run minus first" in text
    assert "0.100 (0.100 to 0.100)" in text


def test_compare(tmp_path: Path, medkt: Command) -> None:
    first, second = _run(tmp_path / "a"), _run(tmp_path / "b", 0.1)
    ran = medkt("compare", first, second, *FEW)
    assert ran.code == 0, ran.err
    assert "0.100 (0.100 to 0.100)" in ran.out
    lines = [json.loads(line) for line in medkt("compare", first, second, "--json", *FEW).out.splitlines()]
    assert {line["concept"] for line in lines} == {"cyst", "nodule"}
    assert lines[0]["comparison"]["mean"]["estimate"] == pytest.approx(0.1)
    assert medkt("compare", first, second, "-o", tmp_path / "page.html", *FEW).code == 0
    assert "first and second compared" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_is_refused(tmp_path: Path, medkt: Command) -> None:
    run = _run(tmp_path / "run")
    for words, says in (
        (("report", tmp_path), "holds no run"),
        (("report", run, "--by", "age"), "--by age: the result table has no such column"),
        (("report", run, "--cases", "-1"), "--cases -1: 0 or more"),
        (("compare", run, run), "a run compared with itself differs in nothing"),
        (("compare", run, tmp_path), "holds no run"),
    ):
        ran = medkt(*words)
        assert ran.code == 2
        assert says in ran.err


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path, medkt: Command) -> None:
    """Headless Chromium opens the file from disk: no error on its console, and every picture is drawn."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    _run(tmp_path / "both" / "base")
    _run(tmp_path / "both" / "kt", 0.1)
    assert medkt("report", tmp_path / "both", *FEW).code == 0
    page = tmp_path / "both" / "report.html"
    # the test's own script notes in the title which pictures were drawn; the report itself has none
    probe = (
        "<script>addEventListener('load', async () => { const all = [...document.images];"
        "await Promise.all(all.map(one => { one.loading = 'eager'; return one.decode(); }));"
        "document.title = 'drawn ' + all.filter(one => one.naturalWidth > 0).length + ' of ' + all.length; });</script>"
    )
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{probe}</body>"), encoding="utf-8")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
        "--virtual-time-budget=20000", "--dump-dom",
    ]  # fmt: skip
    ran = subprocess.run(
        [chromium, *flags, f"--user-data-dir={tmp_path / 'profile'}", probed.as_uri()],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    drawn = re.search(r"<title>drawn (\d+) of (\d+)</title>", ran.stdout)
    assert drawn is not None, ran.stderr[-2000:]
    assert drawn[1] == drawn[2]
    assert int(drawn[1]) >= 16
    assert "CONSOLE" not in ran.stderr
