"""Where the data that ships with medkt lies: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path
from typing import Any

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


def data_yaml(relative: str) -> Any:
    """What a shipped YAML file holds, by libyaml where PyYAML was built with it: it takes a tenth of the time."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(data_file(relative).read_text(encoding="utf-8"), loader)
