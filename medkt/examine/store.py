"""Where examinations lie: in medkt's own folder, one file for each digest of weights; that of the embedded model beside its weights."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medkt.bounds import parse_json, read_text
from medkt.errors import InputError, MedktError
from medkt.examine.examination import Dependence, Examination, Lesions, Row, Share, Vocabulary
from medkt.io.guard import one_line
from medkt.io.sha256 import sha256_of_json
from medkt.models.store import home

FORMAT = "medkt examination"
VERSION = 1
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


def as_json(examination: Examination) -> dict[str, Any]:
    """What is written, as plain values, with a checksum of all of it."""
    content = {"format": FORMAT, "version": VERSION, **asdict(examination)}
    plain: dict[str, Any] = json.loads(json.dumps(content, allow_nan=False))
    return {**plain, "sum": sha256_of_json(plain)}


def as_text(examination: Examination) -> str:
    """The file's content."""
    return json.dumps(as_json(examination), indent=1, allow_nan=False) + "\n"


def read_examination(path: str | Path) -> Examination:
    """Read what `as_text` gave.

    Raises:
        InputError: not there, damaged, changed since, of another format or of a later version.
    """
    try:
        content = parse_json(read_text(Path(path)), str(path))
    except MedktError:  # some are ValueErrors too
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({one_line(str(error))}); {_AGAIN}") from error
    return _checked(content, path)


_AGAIN = "run `medkt models examine` again with --overwrite"


def _checked(content: Any, path: str | Path) -> Examination:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: is no examination of medkt's; give a file that `medkt models examine` wrote")
    version = content.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(f"{path}: version {version!r}, this medkt reads 1 to {VERSION}; {_AGAIN}")
    told = content.pop("sum", None)
    try:
        made, sound = _made(content), told == sha256_of_json(content)  # NaN and infinity are ValueErrors here
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({one_line(str(error))}); {_AGAIN}") from error
    if not sound:
        raise InputError(f"{path}: was changed since it was written, or is damaged; {_AGAIN}")
    return made


def _made(content: Mapping[str, Any]) -> Examination:
    plain = {name: value for name, value in content.items() if name not in ("format", "version")}
    vocabulary = content["vocabulary"]
    parts = {
        "domains": tuple(content["domains"]),
        "rows": {name: _row(row) for name, row in content["rows"].items()},
        "lesions": _lesions(content["lesions"]),
        "dependence": Dependence(**content["dependence"]),
        "vocabulary": Vocabulary(
            asked=vocabulary["asked"],
            unknown=tuple(vocabulary["unknown"]),
            of_sentences=tuple(vocabulary["of_sentences"]),
        ),
    }
    return Examination(**{**plain, **parts})


def _row(content: Mapping[str, Any]) -> Row:
    return Row(right=Share(**content["right"]), domains=_domains(content["domains"]), likeness=content["likeness"])


def _lesions(content: Mapping[str, Any]) -> Lesions:
    parts = {
        "by_mean": Share(**content["by_mean"]), "by_maximum": Share(**content["by_maximum"]),
        "by_mean_of_domains": _domains(content["by_mean_of_domains"]),
    }  # fmt: skip
    return Lesions(**{**content, **parts})


def _domains(content: Mapping[str, Any]) -> dict[str, tuple[float, int]]:
    return {name: (float(share), int(number)) for name, (share, number) in content.items()}
