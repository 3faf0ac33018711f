"""Starting up is light: neither `import medkt` nor the help texts load torch, NumPy or any reader of files.

Commands that need no model load none of the packages that models need: a cohort of masks is scored by many processes, and each
of them pays for what it imports.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medkt.cli.main import COMMANDS

HEAVY = {"torch", "numpy", "scipy", "nibabel", "pydicom", "highdicom", "SimpleITK", "skimage", "monai", "transformers"}


def _modules_after(code: str) -> set[str]:
    program = (
        f"import sys, json\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "code",
    [
        "import medkt",
        "import medkt; medkt.EvaluateRequest(run='a'); medkt.evaluate",
        "from medkt.cli.main import main; main(['--help'])",
    ]
    + [f"from medkt.cli.main import main; main(['{name}', '--help'])" for name in COMMANDS],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not _modules_after(code) & HEAVY


OF_MODELS = {
    "torch",
    "torchvision",
    "transformers",
    "monai",
    "open_clip",
    "timm",
    "segment_anything",
    "tokenizers",
    "ray",
}
OF_WRITERS = {"highdicom", "SimpleITK"}
OF_PAGES = {"matplotlib", "jinja2"}
OF_TABLES = {"pyarrow", "duckdb"}
OF_OUTLINES = {"skimage"}
OF_FILES = {"pydicom", "nibabel", "tifffile"}  # readers of what is no picture
ALL = OF_MODELS | OF_WRITERS | OF_PAGES | OF_TABLES | OF_FILES | OF_OUTLINES
# what a command may load of those above, once it has run; a package that is not named here must not be loaded
MAY_LOAD = {
    "evaluate": {"pyarrow"}, "report": {"pyarrow", *OF_PAGES}, "compare": {"pyarrow"}, "query": {"duckdb", "pyarrow"},
    "batch status": set(), "phantom": {"nibabel", "pydicom"}, "concepts": set(),
    "models show": set(),
}  # fmt: skip


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs over two folders of masks, `run` and `other`."""
    folder = tmp_path_factory.mktemp("light")
    for side, shift in (("reference", 0), ("prediction", 2)):
        (folder / side).mkdir()
        for case in range(2):
            mask = np.zeros((24, 30), np.uint8)
            mask[6:12, 8 + shift : 15 + case] = 255
            Image.fromarray(mask).save(folder / side / f"{case}.png")
    sides = ["--reference", str(folder / "reference"), "--prediction", str(folder / "prediction")]
    for name, more in (("run", []), ("other", ["--salt", str(folder / "run" / "salt")])):
        loaded = _modules_of(["evaluate", *sides, "-o", str(folder / name), *more])
        assert not loaded & ALL - MAY_LOAD["evaluate"]
    return folder


def _modules_of(words: list[str]) -> set[str]:
    return _modules_after(f"from medkt.cli.main import main; assert main({words!r}) == 0")


@pytest.mark.parametrize("command", sorted(set(MAY_LOAD) - {"evaluate"}))
def test_a_command_loads_what_it_needs_and_no_more(command: str, scored: Path, tmp_path: Path) -> None:
    run, other = str(scored / "run"), str(scored / "other")
    words = {
        "report": ["report", run], "compare": ["compare", run, other], "batch status": ["batch", "status", run],
        "query": ["query", run, "SELECT count(*) FROM results"], "concepts": ["concepts"], "models show": ["models", "show", "small"],
        "phantom": ["phantom", "--finding", "cxr_nodule", "-o", str(tmp_path / "study")],
    }[command]  # fmt: skip
    loaded = _modules_of(words)
    assert not loaded & ALL - MAY_LOAD[command]


def test_a_worker_that_scores_pictures_loads_no_model_and_no_reader_of_volumes(scored: Path) -> None:
    of_worker = f"""
    from medkt.runs import worker
    from medkt.tasks.masks import pairs
    from medkt.io import read_mask
    from medkt.metrics import evaluate_case
    sides = dict((side, read_mask("{scored}/" + side + "/0.png")) for side in ("reference", "prediction"))
    evaluate_case(**sides, tolerance_px=1)
    """
    assert not _modules_after(of_worker) & ALL


def test_a_name_of_the_package_of_files_is_the_function_whatever_was_loaded_before() -> None:
    program = "import medkt.io.masks, medkt.io.read; from medkt.io import read_image, read_mask; read_image.__call__, read_mask.__call__"
    assert {"medkt"} <= _modules_after(program)


def test_the_public_names_are_all_there() -> None:
    import medkt

    for name in medkt.__all__:
        assert getattr(medkt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'segmnet'"):
        medkt.segmnet  # noqa: B018
