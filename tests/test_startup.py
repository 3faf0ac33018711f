"""Starting up is light: neither `import medkt` nor the help texts load torch, NumPy or any reader of files."""

import json
import subprocess
import sys

import pytest

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
    ["import medkt", "from medkt.cli.main import main; main(['--help'])"]
    + [f"from medkt.cli.main import main; main(['{name}', '--help'])" for name in COMMANDS],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not _modules_after(code) & HEAVY


def test_the_public_names_are_all_there() -> None:
    import medkt

    for name in medkt.__all__:
        assert getattr(medkt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'segmnet'"):
        medkt.segmnet  # noqa: B018
