"""The core is small, every import is declared, and what an extra would bring is said in one line before anything is done."""

import ast
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image
from whole_line import QUICK, Command, Studies, files_below, medkt, options_of, studies

import medkt as package
from medkt import extras
from medkt.extras import EXTRAS, has_extra, require
from medkt.resources import data_file

__all__ = ["medkt", "studies"]

ROOT = Path(__file__).resolve().parents[1]
MOST_IN_THE_CORE = 18
AS_ASKED = {
    "monai", "torch", "transformers", "segment-anything", "nibabel", "pydicom", "SimpleITK", "scikit-image",
}  # fmt: skip


def _project() -> Mapping[str, list[str]]:
    """Distributions by the extra that asks for them; "" for the core."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = {"": table["dependencies"], **table["optional-dependencies"]}
    return {name: [Requirement(line).name for line in lines] for name, lines in listed.items()}


def _imported() -> set[str]:
    """The top-level modules that anything in medkt imports, wherever the import stands."""
    found = set()
    for file in (ROOT / "medkt").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"medkt"}


def _modules_of(distributions: Sequence[str]) -> set[str]:
    wanted = {name.lower().replace("_", "-") for name in distributions}
    return {
        module
        for module, owners in packages_distributions().items()
        if wanted & {owner.lower().replace("_", "-") for owner in owners}
    }


def test_the_core_is_small_and_has_what_was_asked_for() -> None:
    core = _project()[""]
    assert len(core) == len(set(core)) <= MOST_IN_THE_CORE
    assert set(core) >= AS_ASKED


def test_every_import_is_declared_and_every_requirement_imported() -> None:
    project, imported = _project(), _imported()
    core = _modules_of(project[""])
    of_extras = {module for modules in EXTRAS.values() for module in modules}
    assert imported <= core | of_extras
    assert not {name for name in project[""] if not _modules_of([name]) & imported}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_modules_of_an_extra_are_those_of_its_distributions(extra: str) -> None:
    project = _project()
    assert set(EXTRAS[extra]) <= _modules_of(project[extra])
    assert all(_modules_of([name]) & set(EXTRAS[extra]) for name in project[extra])
    assert not {name.lower() for name in project[extra]} & {name.lower() for name in project[""]}


def test_all_is_every_extra_that_is_no_tool() -> None:
    (everything,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]["all"]
    assert Requirement(everything).extras == set(EXTRAS)


def test_what_is_there_passes_and_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "made-up", ("antigravity",))  # type: ignore[arg-type]
    sys.modules.pop("antigravity", None)
    assert has_extra("made-up")
    require("made-up", "flying")
    assert "antigravity" not in sys.modules


def without(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda name: name not in EXTRAS[extra])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with little in it: a picture, a TIFF, a manifest, two folders of masks and an empty run."""
    monkeypatch.chdir(tmp_path)
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    picture.save("a.png")
    picture.save("a.tif")
    Path("cases.csv").write_text("case_id,image\none,a.png\n", encoding="utf-8")
    for name in ("masks", "run"):
        Path(name).mkdir()
    picture.save("masks/a.png")
    return tmp_path


SEGMENT = ("segment", "--modality", "cxr", "-c", "cxr_nodule", "-o", "out")
BATCH = ("batch", "--manifest", "cases.csv", "-c", "cxr_nodule", "-o", "out")
ASKED: Sequence[tuple[str, tuple[str, ...]]] = [
    ("dicom-objects", (*SEGMENT, "-i", "a.png", "-f", "nifti,dicom-seg")),
    ("tiff", (*SEGMENT, "-i", "a.tif")),
    ("runs", BATCH),
    ("runs", (*BATCH, "--dry-run")),
    ("ray", (*BATCH, "--engine", "ray")),
    ("runs", ("batch", "merge", "run", "-o", "out")),
    ("runs", ("batch", "verify", "run")),
    ("runs", ("evaluate", "--reference", "masks", "--prediction", "masks", "-o", "out")),
    ("runs", ("evaluate", "--manifest", "cases.csv", "-c", "cxr_nodule", "-o", "out")),
    ("runs", ("report", "run", "-o", "out")),
    ("runs", ("compare", "run", "masks", "-o", "out")),
    ("runs", ("query", "run", "SELECT 1")),
    ("runs", ("calibrate", "cxr_nodule", "-m", "cases.csv", "-o", "out")),
    ("signing", ("concept", "sign", "--new-key", "out")),
    ("lora", ("learn", "cxr_nodule", "-o", "out.medkt", "--set", "finetune.trains.what=lora")),
]


@pytest.mark.parametrize(("extra", "words"), ASKED, ids=lambda one: one if isinstance(one, str) else " ".join(one[:3]))
def test_a_missing_extra_is_one_line_and_nothing_is_written(
    extra: str, words: tuple[str, ...], here: Path, medkt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(extra, monkeypatch)
    before = files_below(here), sorted(one.name for one in here.iterdir())
    ran = medkt(*words)
    assert ran.code == 2
    assert ran.err.splitlines()[-1].endswith(f"is not installed: pip install 'medkt[{extra}]'")
    assert len(ran.err.splitlines()) == 1
    assert (files_below(here), sorted(one.name for one in here.iterdir())) == before


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No module of any extra can be imported."""
    gone = {module for modules in EXTRAS.values() for module in modules}
    for name in [*gone, *(one for one in sys.modules if one.split(".")[0] in gone)]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("study", ["ct-series", "ct-nifti", "us-png"])
def test_studies_are_segmented_and_classified_by_the_core_alone(
    study: str, tmp_path: Path, medkt: Command, studies: Studies, bare: None
) -> None:
    given = studies[study]
    concept = {"ct": "ct_nodule", "us": "us_cyst"}[study[:2]]
    ran = medkt("segment", "-i", given, "-o", tmp_path / "out", "-c", concept, *options_of(study), *QUICK)
    assert ran.code == 0, ran.err
    assert (tmp_path / "out" / "report.html").is_file()
    assert medkt("classify", "-i", given, "-c", concept, *options_of(study)).code == 0


@pytest.mark.slow
def test_concepts_are_learnt_and_looked_at_by_the_core_alone(tmp_path: Path, medkt: Command, bare: None) -> None:
    learnt = tmp_path / "asked.medkt"
    ran = medkt("learn", "us_cyst", "--how", "text", "--audit", "none", "-o", learnt)
    assert ran.code == 0, ran.err
    assert medkt("concept", "verify", learnt).code == 0
    assert medkt("concept", "show", learnt).code == 0
    assert medkt("concept", "lint", data_file("radiology_captions/ultrasound.yaml")).code == 0
    assert package.__version__ in medkt("doctor").out
