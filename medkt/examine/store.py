"""Where examinations lie: in medkt's own folder, one file for each digest of weights; that of the embedded model beside its weights."""

import re
from pathlib import Path

from medkt.errors import InputError
from medkt.examine.examination import Examination
from medkt.io.sha256 import sha256_of_json
from medkt.models.store import home
from medkt.records import RecordForm

SHIPPED = Path(__file__).resolve().parents[1] / "models" / "small" / "weights" / "examination.json"
"""Of the embedded model, made by `evaluation/small_model/examination.py`; of no use to other weights."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def examination_path(digest: str) -> Path:
    """Where the examination of these weights lies, or would lie.

    Raises:
        InputError: this is no SHA-256; generated weights have none and cannot be kept.
    """
    if not _DIGEST.fullmatch(digest):
        raise InputError(f"an examination is kept by the SHA-256 of the weights, got {digest!r}: load them from a file")
    return home() / "examinations" / f"{digest}.json"


def find_examination(digest: str) -> Examination | None:
    """The examination of these weights: the user's own, else the one that ships with medkt; None without.

    Raises:
        InputError: its file is damaged, or is of other weights than its name says.
    """
    if not _DIGEST.fullmatch(digest):
        return None
    path = examination_path(digest)
    if path.is_file():
        found = read_examination(path)
        if found.digest != digest:
            raise InputError(
                f"{path}: is of the weights {found.digest[:12]}; remove it, or run `medkt models examine` again"
            )
        return found
    if SHIPPED.is_file() and (found := read_examination(SHIPPED)).digest == digest:
        return found
    return None


def read_examination(path: str | Path) -> Examination:
    """Read what `FORM.text` gave.

    Raises:
        InputError: not there, damaged, changed since, of another format or of a later version.
    """
    return FORM.read_file(path)


FORM = RecordForm(
    kind=Examination, name="examination", number=1, key="version", head={"format": "medkt examination"},
    sum_of=sha256_of_json, writer="medkt models examine", again="run `medkt models examine` again with --overwrite",
)  # fmt: skip
