"""`medkt report --volumes`: volumes beside the page lie where the study lies, name nobody, and open in a real browser."""

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from chromium import NO_WEBGL, SOFTWARE_WEBGL, Browser, chromium
from numpy.typing import NDArray
from whole_line import SHAPES, Command, bright_pipeline

from medkt.cli.main import main
from medkt.datasets.case import Case
from medkt.datasets.manifest import write_manifest
from medkt.domains import domain
from medkt.io import read_image
from medkt.phantom.study import PLANTED, reference_path, write_study
from medkt.pipeline import Pipeline
from medkt.runs.folder import RunFolder
from medkt.runs.work import pseudonym

from .inline_engine import InlineEngine

FEW = ("--resamples", "200")
QUICK = ("--set", "m2ib.steps=1", "--set", "m2ib.samples=1")
FORMATS = ("dicom", "nifti", "dicom", "nifti")
SEEDS = (1, 4, 5, 6)  # with a nodule that a few voxels show


class Elements(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, **wanted: str) -> list[dict[str, str | None]]:
        return [had for _, had in self.tags if all(had.get(name.strip("_")) == value for name, value in wanted.items())]


def _evaluated(root: Path, cases: list[Case], *words: str) -> Path:
    """A run of the plain models in this process."""
    write_manifest(cases, root / "cases.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medkt.runs.local.LocalEngine", InlineEngine)
        patch.setattr(Pipeline, "load", lambda *_, settings, preset, **__: bright_pipeline(settings, preset))
        manifest = ("--manifest", str(root / "cases.csv"))
        assert (
            main(["evaluate", *manifest, "-o", str(root / "run"), "-p", "a bright spot", *QUICK, *FEW, *words, "-q"])
            == 0
        )
    return root / "run"


def _case(number: int, study: Path, modality: str) -> Case:
    return Case(
        case_id=f"MEDKT-PLANTED-{number}", patient_id=f"PLANTEDPATIENT-{number}", image=study, modality=modality,
        references=(reference_path(study),), reference_kind="mask",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `cases.csv` and the run over it: four CT volumes, two of them slanting, of two formats."""
    root = tmp_path_factory.mktemp("PLANTEDFOLDER")
    cases = []
    for number, form in enumerate(FORMATS):
        study = write_study(
            root / f"study-{number}", domain="ct", finding="ct_nodule", seed=SEEDS[number], format=form, oblique=number > 1,  # type: ignore[arg-type]
            **SHAPES["ct"],
        )  # fmt: skip
        cases.append(_case(number, study, "ct"))
    _evaluated(root, cases)
    return root


@pytest.fixture(scope="module", autouse=True)
def no_plots() -> Iterator[None]:
    """`test_report.py` looks at the plots; here they would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medkt.tasks.masks.sections.draw_curves", lambda _: [])
        patch.setattr("medkt.tasks.masks.sections.draw_forest", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def paged(made: Path, no_plots: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, with its page and viewers; tests leave it as it is."""
    root = tmp_path_factory.mktemp("paged")
    shutil.copytree(made / "run", root / "run")
    assert main(["report", str(root / "run"), "--volumes", str(made / "cases.csv"), *FEW]) == 0
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """The run in a folder that a test may change; the studies stay where they are."""
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path


def _page(root: Path) -> Elements:
    return Elements((root / "run" / "report.html").read_text(encoding="utf-8"))


def _scripts(files: Path) -> Iterator[tuple[Path, str, dict[str, bytes]]]:
    """The scripts with voxels: file, name, and each layer as NIfTI."""
    for path in sorted([*files.glob("volume-*.js"), *files.glob("found-*.js")]):
        called = re.fullmatch(r"medktVolume\((\"[^\"]+\"), (\{.*\})\);\n", path.read_text(encoding="ascii"))
        assert called is not None
        layers = {layer: gzip.decompress(base64.b64decode(data)) for layer, data in json.loads(called[2]).items()}
        yield path, json.loads(called[1]), layers


def _voxels(data: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    stored = nib.Nifti1Image.from_stream(BytesIO(data))
    return np.asarray(stored.dataobj), stored.affine


def _original(made: Path, key: str) -> Path:
    """The folder of the study that a case of the run was made from."""
    salt = RunFolder(made / "run").salt()
    (number,) = [n for n in range(len(FORMATS)) if pseudonym(f"MEDKT-PLANTED-{n}", salt) == key]
    return made / f"study-{number}"


def test_the_page_has_a_viewer_for_each_volume(paged: Path) -> None:
    files = paged / "run" / "report_files"
    viewers = _page(paged).of(class_="viewer")
    assert len(viewers) == len(FORMATS)
    for one in viewers:
        scripts = [paged / "run" / address for address in json.loads(str(one["data-scripts"]))]
        assert [path.is_file() for path in scripts] == [True, True]
        assert json.loads(str(one["data-facts"]))["parts"] == [path.name for path in scripts]
        assert json.loads(str(one["data-facts"]))["layers"] == ["image", "saliency", "mask", "reference"]
    for name in ("niivue.min.js", "niivue.LICENSE.txt", "viewer.js"):
        assert (files / name).stat().st_size > 1000


def test_every_layer_lies_voxel_for_voxel_where_the_study_lies(made: Path, paged: Path) -> None:
    """By nibabel: the grid of the image is that of its own reference file; mask and reference are the files' voxels."""
    keys = set()
    for path, name, layers in _scripts(paged / "run" / "report_files"):
        assert path.name == name
        key = re.sub(r"^(volume|found)-|\.js$", "", name)
        keys.add(key)
        reference: Any = nib.load(_original(made, key) / "reference.nii.gz")
        for data in layers.values():
            values, affine = _voxels(data)
            assert values.shape == reference.shape
            assert np.allclose(affine, reference.affine, atol=1e-3)
        if name.startswith("volume-"):
            assert np.array_equal(_voxels(layers["reference"])[0], 255 * (np.asarray(reference.dataobj) > 0))
            image = read_image(next(one for one in _original(made, key).iterdir() if "reference" not in one.name))
            rule = domain("ct").intensity(image)
            expected = np.stack([np.rint(255 * rule.apply(plane)) for plane in image.values])
            assert np.array_equal(_voxels(layers["image"])[0], expected.transpose(2, 1, 0))
            continue
        written = paged / "run" / "cases" / key
        (mask,) = [one for one in written.glob("*.nii.gz") if "saliency" not in one.name]
        (saliency,) = written.glob("*_saliency.nii.gz")
        stored: Any = nib.load(mask)
        assert np.array_equal(_voxels(layers["mask"])[0], 255 * np.asarray(stored.dataobj))
        stored = nib.load(saliency)
        assert np.allclose(
            _voxels(layers["saliency"])[0] / 255, stored.get_fdata() / stored.get_fdata().max(), atol=0.005
        )
    assert len(keys) == len(FORMATS)


def test_nothing_names_a_patient(made: Path, paged: Path) -> None:
    files = paged / "run" / "report_files"
    held = [layer for _, _, layers in _scripts(files) for layer in layers.values()]
    held += [
        path.read_bytes() for path in [*files.iterdir(), paged / "run" / "report.html"] if path.name != "niivue.min.js"
    ]
    for planted in (*PLANTED.values(), "PLANTED", str(made), str(paged)):
        assert not [data for data in held if planted.encode() in data], planted
    assert not [path for path in files.iterdir() if "PLANTED" in path.name]


def test_what_is_not_what_the_run_was_made_from_is_refused(made: Path, root: Path, medkt: Command) -> None:
    other = made / "other.csv"  # beside the studies, for its paths are relative
    other.write_text((made / "cases.csv").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    copied = root / "run" / "salt"
    for source, says in (
        (other, "is not what the run was made from"),
        (made, "is no file; give the manifest"),
        (made / "none.csv", "is no file; give the manifest"),
    ):
        ran = medkt("report", root / "run", "--volumes", source, *FEW)
        assert (ran.code, says in ran.err) == (2, True), ran.err
    copied.write_text("0" * 64, encoding="ascii")
    assert "has no case case-" in medkt("report", root / "run", "--volumes", made / "cases.csv", *FEW).err
    copied.unlink()
    assert "has no salt any more" in medkt("report", root / "run", "--volumes", made / "cases.csv", *FEW).err
    assert not copied.exists()
    assert not (root / "run" / "report_files").exists()
    assert not (root / "run" / "report.html").exists()


def test_an_image_that_changed_since_the_run_is_refused(made: Path, root: Path, medkt: Command) -> None:
    for path in (root / "run" / "cases").glob("*/result.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["input"]["digest"] = "0" * 64
        path.write_text(json.dumps(record), encoding="utf-8")
    ran = medkt("report", root / "run", "--volumes", made / "cases.csv", *FEW)
    assert ran.code == 2
    assert re.search(r"case case-\w+: the image is another than the run saw", ran.err)
    assert not (root / "run" / "report_files").exists()
    assert "PLANTED" not in ran.err


def test_masks_that_were_there_have_no_images(made: Path, tmp_path: Path, medkt: Command) -> None:
    for folder in ("true", "mine"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            shutil.copy(made / f"study-{number}" / "reference.nii.gz", tmp_path / folder / f"{number}.nii.gz")
    words = (
        "evaluate",
        "--reference",
        tmp_path / "true",
        "--prediction",
        tmp_path / "mine",
        "-o",
        tmp_path / "run",
        "-q",
    )
    assert medkt(*words, *FEW).code == 0
    ran = medkt("report", tmp_path / "run", "--volumes", made / "cases.csv", *FEW)
    assert (ran.code, "it had no images to look at" in ran.err) == (2, True)


def test_of_pictures_there_is_nothing_to_view(tmp_path: Path, medkt: Command) -> None:
    cases = []
    for number in range(2):
        study = write_study(
            tmp_path / f"s{number}", domain="ultrasound", finding="us_cyst", seed=number, format="png", side=64
        )
        cases.append(_case(number, study, "ultrasound"))
    run = _evaluated(tmp_path, cases)
    ran = medkt("report", run, "--volumes", tmp_path / "cases.csv", *FEW)
    assert ran.code == 0
    assert "none of the cases shown is a volume, so there is nothing to view" in ran.err
    assert not (run / "report_files").exists()
    assert not _page(tmp_path).of(class_="viewer")


def test_images_do_not_outlive_the_page_that_shows_them(made: Path, root: Path, medkt: Command) -> None:
    files = root / "run" / "report_files"
    assert medkt("report", root / "run", "--volumes", made / "cases.csv", *FEW).code == 0
    assert medkt("report", root / "run", "--volumes", made / "cases.csv", "--cases", "1", *FEW).code == 0
    assert len(list(files.glob("volume-*.js"))) == 2
    (files / "mine.txt").write_text("a user's own", encoding="utf-8")
    assert medkt("report", root / "run", *FEW).code == 0
    assert [path.name for path in files.iterdir()] == ["mine.txt"]
    page = _page(root)
    assert not page.of(class_="viewer")
    assert "script" not in [tag for tag, _ in page.tags]


def test_two_arms_share_an_image(made: Path, tmp_path: Path, medkt: Command) -> None:
    for arm in ("base", "kt"):
        shutil.copytree(made / "run", tmp_path / "run" / arm)
    page = tmp_path / "a page.html"
    ran = medkt("report", tmp_path / "run", "--volumes", made / "cases.csv", "-o", page, *FEW)
    assert ran.code == 0, ran.err
    assert "a page_files: the images of the volumes shown; the page needs this folder beside it" in ran.out
    files = tmp_path / "a page_files"
    counts = [len(list(files.glob(f"{part}-*.js"))) for part in ("volume", "found-base", "found-kt")]
    assert counts == [4, 4, 4]
    addresses = json.loads(str(Elements(page.read_text(encoding="utf-8")).of(class_="viewer")[0]["data-scripts"]))
    assert addresses[0].startswith("a%20page_files/volume-case-")


def test_what_a_run_did_not_write_is_said(made: Path, root: Path, medkt: Command) -> None:
    for path in (root / "run" / "cases").glob("*/result.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["findings"][0]["files"] = {}
        path.write_text(json.dumps(record), encoding="utf-8")
    assert medkt("report", root / "run", "--volumes", made / "cases.csv", *FEW).code == 0
    text = (root / "run" / "report.html").read_text(encoding="utf-8")
    assert text.count("The run wrote no mask. The run wrote no saliency map.") == len(FORMATS)
    assert json.loads(str(_page(root).of(class_="viewer")[0]["data-facts"]))["layers"] == ["image", "reference"]


# ---- in a browser

SEEN = """(() => { const { nv } = shown; nv.drawScene(); const gl = nv.gl;
const [w, h] = [gl.drawingBufferWidth, gl.drawingBufferHeight]; const pixels = new Uint8Array(4 * w * h);
gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, pixels); const seen = { grey: 0, red: 0, green: 0, sum: 0 };
for (let i = 0; i < pixels.length; i += 4) { const [r, g, b] = pixels.slice(i, i + 3); seen.sum += r + g + b;
seen.grey += r > 40 && r === g && g === b; seen.red += r > g + 40 && r > b + 40; seen.green += g > r + 25 && g > b + 10; }
return seen; })()"""


KEYS = "[...document.querySelectorAll('.viewer')].map((one) => one.dataset.name.split(' ').at(-1))"
# one voxel of the image is bright: it is drawn in the planes through it and in no others; then the image is the
# reference, and drawn where the reference is drawn
LIT = """(() => { const { nv, facts } = shown; const [image, reference] = [nv.volumes[0], nv.volumes.at(-1)];
Object.assign(nv.opts, { crosshairWidth: 0, isOrientationTextVisible: false, showAllOrientationMarkers: false });
const index = [1, 30, 9]; const [, rows, columns] = facts.shape; const lit = [];
const pixels = () => { nv.drawScene(); const gl = nv.gl; const [w, h] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
  const read = new Uint8Array(4 * w * h); gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, read); return read; };
const bright = (read, i) => read[i] > 200 && read[i + 1] > 200 && read[i + 2] > 200;
const count = (read, test) => { let found = 0; for (let i = 0; i < read.length; i += 4) found += test(read, i); return found; };
for (let k = 1; k < nv.volumes.length; k += 1) nv.setOpacity(k, 0);
image.img.fill(0); image.img[(index[0] * rows + index[1]) * columns + index[2]] = 255; nv.updateGLVolume();
for (const [axis, name] of facts.planes.entries()) { nv.setSliceType({ axial: 0, coronal: 1, sagittal: 2 }[name]);
  for (const step of [-1, 0, 1]) { shown.goTo(index.map((at, k) => at + (k === axis ? step : 0))); lit.push(count(pixels(), bright) > 0); } }
const first = reference.img.indexOf(255); const plane = rows * columns; nv.setSliceType(3);
shown.goTo([Math.floor(first / plane), Math.floor(first / columns) % rows, first % columns]);
image.img.set(reference.img); nv.updateGLVolume(); const white = pixels();
nv.setOpacity(nv.volumes.length - 1, 1); const green = pixels();
return { lit, area: count(white, bright), apart: count(white, (read, i) => bright(read, i) !== green[i + 1] > green[i] + 60) }; })()"""


@pytest.fixture
def page(paged: Path, tmp_path: Path) -> Path:
    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    shutil.copytree(paged / "run" / "report_files", tmp_path / "report_files")
    return Path(shutil.copy(paged / "run" / "report.html", tmp_path))


@pytest.mark.slow
def test_a_volume_in_a_browser(made: Path, page: Path, tmp_path: Path) -> None:
    """Opened from disk, by keyboard: planes are drawn, layers come and go, nothing complains, nothing else is asked for."""
    with Browser(page, tmp_path / "profile", *SOFTWARE_WEBGL) as browser:
        browser.value("addEventListener('medkt-viewer', (event) => { window.shown = event.detail; })")
        assert browser.value("document.querySelectorAll('canvas').length") == 0
        assert not [one for one in browser.requests if "niivue" in one or "volume-" in one]
        browser.value("document.querySelector('.viewer button').focus()")
        browser.press("Enter", 13, "\r")
        browser.wait_for("window.shown !== undefined")
        facts = browser.value("shown.facts")
        assert browser.value("shown.index()") == facts["start"]
        assert browser.value("document.querySelector('.viewer button').getAttribute('aria-expanded')") == "true"
        drawn = browser.value(SEEN)
        assert drawn["grey"] > 1000
        assert min(drawn["red"], drawn["green"]) > 0
        _layers_can_be_switched(browser, drawn)
        _places_can_be_gone_to(browser, facts)
        _window_can_be_changed(browser)
        _everything_has_a_name(browser)
        _voxels_are_drawn_where_they_are(browser, made)
        browser.value("shown.button.click()")
        assert browser.value("document.querySelectorAll('canvas').length") == 0
        assert browser.complaints == []
        assert all(one.startswith(("file:///", "data:", "blob:")) for one in browser.requests)
        for path in (page.parent / "report_files").glob("volume-*.js"):
            path.unlink()
        browser.value("document.querySelectorAll('.viewer > button')[3].click()")
        browser.wait_for(
            "document.querySelector('.viewer [role=status]').textContent.includes('is not beside the page')"
        )


def _layers_can_be_switched(browser: Browser, drawn: dict[str, int]) -> None:
    browser.value(
        "document.querySelectorAll('.viewer input[type=checkbox]').forEach((one) => one.id = one.parentElement.textContent)"
    )
    switch = (
        "[...document.querySelectorAll('.viewer label')].find((one) => one.textContent.includes('{}')).control.click()"
    )
    browser.value(switch.format("the reference (green)"))
    without = browser.value(SEEN)
    assert without["green"] < drawn["green"]
    browser.value(switch.format("mask, red"))
    browser.value(switch.format("saliency, purple to yellow"))
    bare = browser.value(SEEN)
    assert bare["red"] < without["red"]
    assert bare["grey"] > drawn["grey"]
    for words in ("the reference (green)", "mask, red", "saliency, purple to yellow"):
        browser.value(switch.format(words))
    assert browser.value(SEEN) == drawn


def _places_can_be_gone_to(browser: Browser, facts: dict[str, Any]) -> None:
    """Slider, keys and radio buttons; `LIT` shows that what is then drawn is the voxel of that number."""
    slices = facts["shape"][0]
    for index in range(slices):
        browser.value(
            f"(() => {{ const {{ input }} = shown.sliders[0]; input.value = {index}; input.dispatchEvent(new Event('input')); }})()"
        )
        assert browser.value("shown.index()") == [index, *facts["start"][1:]]
    browser.value("shown.canvas.focus()")
    browser.press("ArrowDown", 40)
    assert browser.value("shown.index()[0]") == slices - 2
    assert f"axial {slices - 2} of {slices}" in browser.value("shown.status.textContent")
    for name, kind in (("coronal", 1), ("sagittal", 2), ("axial", 0), ("three", 3)):
        browser.value(f"document.querySelector('.viewer input[type=radio][value={name}]').click()")
        assert browser.value("shown.nv.opts.sliceType") == kind
        assert browser.value(SEEN)["sum"] > 0


def _window_can_be_changed(browser: Browser) -> None:
    """By the mouse, as radiologists do; the sliders say what it is, and the run's own comes back."""
    before = browser.value(SEEN)["sum"]
    browser.value("shown.canvas.scrollIntoView({ block: 'center' })")
    x, y = browser.value(
        "(({ x, y, width, height }) => [x + width / 4, y + height / 2])(shown.canvas.getBoundingClientRect())"
    )
    browser.mouse("mousePressed", x, y, button="right", buttons=2, clickCount=1)
    for step in range(1, 6):
        browser.mouse("mouseMoved", x, y + 10 * step, button="right", buttons=2)
    browser.mouse("mouseReleased", x, y + 50, button="right", clickCount=1)
    changed = browser.value("[shown.nv.volumes[0].cal_min, shown.nv.volumes[0].cal_max]")
    assert changed != [0, 255]
    assert browser.value(SEEN)["sum"] != before
    browser.value(
        "[...document.querySelectorAll('.viewer button')].find((one) => one.textContent === 'As the run saw it').click()"
    )
    assert browser.value("[shown.nv.volumes[0].cal_min, shown.nv.volumes[0].cal_max]") == [0, 255]


def _voxels_are_drawn_where_they_are(browser: Browser, made: Path) -> None:
    """In a volume whose slices slant against the patient: pixel by pixel, by what is read back from the canvas."""
    slanting = [key for key in browser.value(KEYS)[:3] if int(_original(made, key).name[-1]) > 1]
    browser.value("shown.button.click(); window.shown = undefined")
    browser.value(f"document.querySelector('.viewer[data-name$=\"{slanting[0]}\"] button').click()")
    browser.wait_for("window.shown !== undefined")
    drawn = browser.value(LIT)
    assert drawn["lit"] == 3 * [False, True, False]
    assert drawn["area"] > 100
    assert drawn["apart"] == 0


def _everything_has_a_name(browser: Browser) -> None:
    """As a screen reader has it."""
    for role in ("button", "checkbox", "slider", "radio"):
        names = browser.names(role)
        assert names, role
        assert all(len(name) > 3 for name in names), names
    assert [
        name
        for name in browser.names("image")
        if name.startswith("Planes of a_bright_spot_") and ", worst case case-" in name
    ]
    assert [name for name in browser.names("group") if name.startswith("Volume of a_bright_spot_")]


@pytest.mark.slow
def test_without_webgl_the_page_says_so_and_keeps_the_pictures(page: Path, tmp_path: Path) -> None:
    with Browser(page, tmp_path / "profile", *NO_WEBGL) as browser:
        browser.value("document.querySelector('.viewer button').click()")
        browser.wait_for("document.querySelector('.viewer [role=status]').textContent.includes('cannot be shown')")
        assert "no WebGL2" in browser.value("document.querySelector('.viewer [role=status]').textContent")
        assert browser.value(
            "[...document.querySelectorAll('main figure img')].every((one) => one.src.startsWith('data:'))"
        )
