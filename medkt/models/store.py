"""The folder where model weights are kept: `MEDKT_HOME`, or the user's cache folder.

A model is a folder `models/<name>` that holds its files and `medkt.json`, which says where each file came from and its
SHA-256. A folder appears complete or not at all: it is put together beside its place and moved there. Over an earlier
copy its files take their places one by one; whoever looks for the model next finishes what a killed process left of that.
Nothing here opens a network connection; `medkt.models.download` does, for `medkt models pull` alone.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from medkt.bounds import parse_json
from medkt.errors import OutputError, SettingsError, UnknownNameError, WeightsError
from medkt.io.moves import is_moving, move_files
from medkt.io.parts import part_beside, sweep_parts
from medkt.io.sha256 import sha256_of
from medkt.models.records import ModelRecord, record_of, records

MANIFEST = "medkt.json"
OWN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""What a user may call a model in the store: no path, and no file's name."""


A_FILE = "a file"


def told_source(source: str) -> str:
    """Where a file came from, as it may be passed on: an address, or that it was a file."""
    return source if source.startswith("https://") else A_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of an installed model.

    Attributes:
        sha256: of the file as it lies in the store.
        size: in bytes.
        source: the address that it came from; `A_FILE` for a file of this computer, whose path is nobody's business.
        stated: whether its publisher's digest was there to compare with; otherwise `sha256` is only what came first.
        signer: fingerprint of the trusted key that signed the bundle that it came in; "" for none.
    """

    sha256: str
    size: int
    source: str
    stated: bool
    signer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model in the store.

    Attributes:
        name: of its folder: that of the model, or one that the user gave it.
        folder: where it lies.
        weights: which file holds the weights.
        files: every file by name.
        model: the name of the model that it is, of `medkt models list`.
        recognised: what its weights were recognised as when they were brought, in words; "" where they were pulled.
    """

    name: str
    folder: Path
    weights: str
    files: Mapping[str, StoredFile]
    model: str
    recognised: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What `verify` says of one file: "ok", "changed" or "missing", whether its publisher states its digest, and who signed."""

    model: str
    file: str
    state: Literal["ok", "changed", "missing"]
    stated: bool
    signer: str = ""


def home() -> Path:
    """The folder of everything that medkt keeps: `MEDKT_HOME` if set, else the platform's cache folder."""
    if given := os.environ.get("MEDKT_HOME"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _users_home() / "AppData" / "Local") / "medkt" / "Cache"
    if sys.platform == "darwin":
        return _users_home() / "Library" / "Caches" / "medkt"
    return Path(os.environ.get("XDG_CACHE_HOME") or _users_home() / ".cache") / "medkt"


def _users_home() -> Path:
    """The user's own folder.

    Raises:
        SettingsError: the system knows none, as in a container whose user has no entry and no HOME.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise SettingsError(
            "this user has no home folder (no HOME, no entry among the users); set MEDKT_HOME to a folder for what medkt keeps"
        ) from error


def folder_of(name: str) -> Path:
    """Where a model lies, or would lie."""
    return home() / "models" / name


def installed(name: str) -> InstalledModel | None:
    """A model in the store, or None if it is not there.

    Raises:
        WeightsError: its manifest is damaged.
    """
    folder = folder_of(name)
    sweep_parts(folder)  # of a process that was killed among the files of a new copy
    return read_manifest(folder) if (folder / MANIFEST).is_file() else None


def is_own_name(name: str) -> bool:
    """Whether the user gave this name to a model in the store; its manifest is not read."""
    known = name in records("encoder") or name in records("segmenter")
    return not known and bool(OWN_NAME.fullmatch(name)) and (folder_of(name) / MANIFEST).is_file()


def own_names() -> tuple[str, ...]:
    """The models in the store under names that the user gave them, sorted."""
    place = home() / "models"
    folders = sorted(place.iterdir()) if place.is_dir() else []
    return tuple(one.name for one in folders if is_own_name(one.name))


def read_manifest(folder: Path) -> InstalledModel:
    """The manifest of a model folder.

    Raises:
        WeightsError: missing or damaged.
    """
    try:
        content = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {name: StoredFile(**entry) for name, entry in content["files"].items()}
        found = InstalledModel(
            name=content["name"], folder=folder, weights=content["weights"], files=files,
            model=content.get("model", content["name"]), recognised=content.get("recognised", ""),
        )  # fmt: skip
        words = (found.name, found.weights, found.model, found.recognised, *(one.sha256 for one in files.values()))
        if not all(isinstance(word, str) for word in words):
            raise TypeError("a name or digest that is no text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{folder / MANIFEST} is missing or damaged ({error}): pull or import again") from error
    for name in (found.weights, *files):
        if Path(name).name != name or name in ("", ".", ".."):
            raise WeightsError(f"{folder / MANIFEST} names a file outside its folder: {name!r}")
    return found


def weights_path(record: ModelRecord) -> Path:
    """The weights file of a model in the store.

    Raises:
        WeightsError: the model is not there; the message says how to bring it.
    """
    found = installed(record.name)
    if found is None:
        raise WeightsError(
            f"the weights of {record.name} are not in {folder_of(record.name)}: run `medkt models pull {record.name}`, "
            f"or `medkt models import {record.name} PATH` if you have them"
        )
    return found.folder / found.weights


def stated_digest(weights: Path) -> str | None:
    """The digest that a weights file must have by the manifest beside it; None if there is no manifest."""
    if not (weights.parent / MANIFEST).is_file():
        return None
    entry = read_manifest(weights.parent).files.get(weights.name)
    return entry.sha256 if entry else None


def verify(found: InstalledModel) -> list[FileCheck]:
    """Every file of a model hashed again; `stated` is found anew, for what lies beside a file does not vouch for it."""
    findings = []
    published = published_of(found.model)
    for name, entry in found.files.items():
        path = found.folder / name
        state: Literal["ok", "changed", "missing"] = "missing"
        if path.is_file():
            state = "ok" if sha256_of(path) == entry.sha256 else "changed"
        findings.append(
            FileCheck(model=found.name, file=name, state=state, stated=entry.sha256 in published, signer=entry.signer)
        )
    return findings


def published_of(name: str) -> frozenset[str]:
    """The digests that publishers state of a model's files; none for a model that this medkt does not know."""
    with suppress(UnknownNameError):
        return record_of(name).published
    return frozenset()


@contextmanager
def assembling(name: str) -> Iterator[Path]:
    """A folder to put a model together in; it takes the model's place when the block ends without an error.

    Raises:
        OutputError: the store cannot be written.
    """
    place = folder_of(name)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        staging = part_beside(place.parent)
        staging.mkdir(0o700)
    except OSError as error:
        raise OutputError(f"the store {place.parent} cannot be written: {error}; set MEDKT_HOME elsewhere") from error
    try:
        yield staging
        _replace(staging, place)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{name} cannot be written to {place}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_manifest(
    folder: Path, name: str, weights: str, files: Mapping[str, StoredFile], *, model: str = "", recognised: str = ""
) -> None:
    """Write what `read_manifest` reads; the model is the name itself where none is given."""
    content = {
        "name": name, "model": model or name, "recognised": recognised, "weights": weights,
        "files": {file: asdict(entry) for file, entry in files.items()},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _replace(staging: Path, place: Path) -> None:
    """A folder cannot be moved onto one that holds files, and an earlier copy must outlive a kill: its files are replaced."""
    staging.chmod(0o755)  # until now it keeps others out; a shared MEDKT_HOME lets them read
    if not place.exists():
        staging.rename(place)
        return
    sweep_parts(place)
    names, earlier = ([one.name for one in folder.iterdir() if one.is_file()] for folder in (staging, place))
    hidden = part_beside(place)
    try:
        staging.rename(hidden)
        move_files(hidden, sorted(names, key=lambda name: (name == MANIFEST, name)), earlier=earlier)
    finally:
        if not is_moving(hidden):
            shutil.rmtree(hidden, ignore_errors=True)
