"""Where the data that ships with medkt lies: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_file(relative: str) -> Path:
    """The path of a shipped data file or folder, such as `configs/domains/ct.yaml`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        candidate = root / relative
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"medkt's data file {relative} is missing: the installation is incomplete, reinstall medkt")
