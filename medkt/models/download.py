"""Fetching published files: resumed where they broke off, compared with their digest, complete or not there at all.

This is the one module of medkt that opens a network connection, and only `medkt models pull` calls it. Nothing is sent
but the request for the file.
"""

import json
import math
import shutil
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from medkt.bounds import read_note
from medkt.errors import InputError, OutputError, SettingsError, WeightsError
from medkt.io.sha256 import sha256_of
from medkt.models import store
from medkt.models.records import ModelFile, ModelRecord

_CHUNK = 1 << 20
_ATTEMPTS = 4
_TIMEOUT_S = 60
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

DownloadProgress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are here, and how many there will be if the server says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A file on its way: what has come, and which version of the remote file it belongs to."""

    content: Path
    note: Path

    @property
    def size(self) -> int:
        return self.content.stat().st_size if self.content.is_file() else 0

    def validator(self, url: str) -> str | None:
        note = read_note(self.note) or {}
        return str(note["validator"]) if note.get("url") == url and note.get("validator") else None

    def drop(self) -> None:
        self.content.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


class _BrokenOffError(Exception):
    """The connection ended early; what came is kept."""


def pull(
    record: ModelRecord,
    *,
    accept_licence: bool,
    progress: DownloadProgress = lambda *_: None,
    pause_s: float = 1.0,
    limit_s: float = math.inf,
) -> store.InstalledModel:
    """Fetch a model's files into the store.

    Args:
        record: the model.
        accept_licence: whether the user has accepted the licence of its weights.
        progress: told how far each file is.
        pause_s: before the first further attempt; doubled each time.
        limit_s: how long each file may take.

    Raises:
        SettingsError: the licence is not accepted.
        InputError: the model ships with medkt.
        WeightsError: it is not published for download, cannot be reached, or is not what its digest says.
        OutputError: the store cannot be written, or has no room.
    """
    if not record.files:
        raise InputError(f"{record.name} ships with medkt: there is nothing to pull")
    if not accept_licence:
        licence = record.licence
        raise SettingsError(
            f"the weights of {record.name} come under: {licence.title}. {licence.summary} ({licence.text}) "
            "Pull again with --accept-licence if you accept this"
        )
    before = store.installed(record.name)
    with store.assembling(record.name) as folder:
        files = {file.name: _pull_file(file, folder, progress, pause_s, limit_s) for file in record.files}
        _compare_with_first_pull(record, before, files)
        store.write_manifest(folder, record.name, record.files[0].name, files)
    return store.read_manifest(store.folder_of(record.name))


def fetch(
    url: str, destination: Path, sha256: str | None, progress: Callable[[int, int | None], None], pause_s: float = 1.0,
    limit_s: float = math.inf,
) -> str:  # fmt: skip
    """Download one file; what broke off is resumed, also by a later call.

    Args:
        url: https, or http on this machine.
        destination: where it goes once complete.
        sha256: what it must have; None if nobody states it.
        progress: told the bytes that are here and how many there will be.
        pause_s: before the first further attempt; doubled each time.
        limit_s: how long it may take in all, attempts and pauses included; what came by then is kept.

    Returns:
        Its SHA-256.

    Raises:
        WeightsError: it cannot be reached or is not what its digest says; nothing is left at `destination`.
        OutputError: it cannot be written; nothing is left.
    """
    _require_safe(url)
    part = _part_of(url)
    until = time.monotonic() + limit_s
    for attempt in range(_ATTEMPTS):
        _require_time(url, until)
        try:
            _receive(url, part, sha256, progress, until)
            break
        except _BrokenOffError as error:
            if attempt == _ATTEMPTS - 1:
                raise WeightsError(
                    f"the download of {url} broke off {_ATTEMPTS} times ({error}); pull again to go on where it stopped"
                ) from error
            time.sleep(pause_s * 2**attempt)
    return _finish(url, part, destination, sha256)


def _pull_file(
    file: ModelFile, folder: Path, progress: DownloadProgress, pause_s: float, limit_s: float
) -> store.StoredFile:
    if file.url is None:
        raise WeightsError(f"{file.name} is not published for download: bring it with `medkt models import`")
    target = folder / (file.name if file.member is None else "archive.zip")
    digest = fetch(
        file.url, target, file.sha256, lambda here, total: progress(file.name, here, total), pause_s, limit_s
    )
    if file.member is not None:
        _extract(target, file.member, folder / file.name)
        target.unlink()
        digest = sha256_of(folder / file.name)
    size = (folder / file.name).stat().st_size
    return store.StoredFile(sha256=digest, size=size, source=file.url, stated=file.sha256 is not None)


def _compare_with_first_pull(
    record: ModelRecord, before: store.InstalledModel | None, files: dict[str, store.StoredFile]
) -> None:
    for name, entry in files.items():
        first = before.files.get(name) if before else None
        if first and first.source == entry.source and first.sha256 != entry.sha256:
            raise WeightsError(
                f"{entry.source} now has the SHA-256 {entry.sha256}, the first pull brought {first.sha256}: its "
                f"publisher has changed it, or someone else; remove {store.folder_of(record.name)} to accept the new one"
            )


def _receive(
    url: str, part: _Part, sha256: str | None, progress: Callable[[int, int | None], None], until: float
) -> None:
    """What is missing of a file, appended to what is there."""
    validator = part.validator(url)
    if validator is None and sha256 is None:
        part.drop()  # without either, nothing would tell a mixture of two versions
    request = urllib.request.Request(url, headers={"User-Agent": "medkt"})
    if part.size:
        request.add_header("Range", f"bytes={part.size}-")
        if validator:
            request.add_header("If-Range", validator)
    try:
        with _opened(request, url) as response:
            _write(response, url, part, progress, until)
    except HTTPError as error:
        _answer_to(error, url, part)
    except URLError as error:
        raise WeightsError(
            f"{url} cannot be reached ({error.reason}): check the connection or the proxy (https_proxy), or bring the "
            "file by hand with `medkt models import`"
        ) from error
    except (HTTPException, ConnectionError, TimeoutError) as error:
        raise _BrokenOffError(str(error) or type(error).__name__) from error


def _opened(request: urllib.request.Request, url: str) -> HTTPResponse:
    try:
        return cast(HTTPResponse, _opener().open(request, timeout=_TIMEOUT_S))
    except WeightsError:  # which is a ValueError too
        raise
    except (ValueError, OverflowError) as error:  # of the address of a redirection, and of what is sent with it
        raise WeightsError(f"{url} leads to an address that is none ({error}); bring the file by hand") from error


def _write(
    response: HTTPResponse, url: str, part: _Part, progress: Callable[[int, int | None], None], until: float
) -> None:
    resumed = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {part.size}-")
    if response.status == 206 and not resumed:
        part.drop()
        raise _BrokenOffError("the server sent another range than was asked for")
    validator = _validator(response)
    if resumed and part.validator(url) not in (None, validator):  # a server need not know If-Range
        part.drop()
        raise _BrokenOffError("the file changed at its publisher while it was fetched; it is begun anew")
    length = _length(response.headers.get("Content-Length"))
    here = part.size if resumed else 0
    total = None if length is None else here + length
    try:
        _require_room(part.content.parent, (total or 0) - here)
        part.note.write_text(json.dumps({"url": url, "validator": validator}, allow_nan=False), encoding="utf-8")
        with _open_part(part.content, "ab" if resumed else "wb") as file:
            while chunk := _read(response):
                file.write(chunk)
                _require_time(url, until)
                here += len(chunk)
                progress(here, total)
    except OSError as error:
        part.drop()
        raise OutputError(f"{part.content.parent} cannot be written: {error}") from error
    if total is not None and here < total:
        raise _BrokenOffError(f"{here} of {total} bytes came")


def _length(stated: str | None) -> int | None:
    """How many bytes the server says it will send, by its header, None where it does not say.

    Raises:
        _BrokenOffError: it says no number: where the file ends could not be told.
    """
    if stated and not (stated.isascii() and stated.isdecimal() and len(stated) < 20):
        raise _BrokenOffError("the server states no length that is a number")
    return int(stated) if stated else None


def _validator(response: HTTPResponse) -> str | None:
    """What tells this version of the file from another; a weak tag promises the same meaning, not the same bytes."""
    validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
    return None if (validator or "").startswith("W/") else validator


def _require_time(url: str, until: float) -> None:
    if time.monotonic() > until:
        raise WeightsError(
            f"{url} did not come within the time limit; pull again to go on where it stopped, or raise --timeout"
        )


def _read(response: HTTPResponse) -> bytes:
    # A socket's errors are OSErrors, as are the disk's; they are told apart here.
    try:
        return response.read1(_CHUNK)  # what has come: a server that trickles is not waited for by the megabyte
    except (HTTPException, OSError, OverflowError) as error:  # the last where a part says that it is larger than memory
        raise _BrokenOffError(str(error) or type(error).__name__) from error


def _answer_to(error: HTTPError, url: str, part: _Part) -> None:
    code = error.code
    error.close()
    if code == 416:
        part.drop()
        raise _BrokenOffError("the server no longer has the part that is here") from error
    if code == 429 or code >= 500:
        raise _BrokenOffError(f"HTTP {code}") from error
    part.drop()
    raise WeightsError(f"{url} answered HTTP {code} {error.reason}: nothing was downloaded") from error


def _finish(url: str, part: _Part, destination: Path, sha256: str | None) -> str:
    digest = sha256_of(part.content)
    if sha256 is not None and digest != sha256:
        part.drop()
        raise WeightsError(f"{url} came with the SHA-256 {digest}, expected {sha256}: it was thrown away")
    try:
        part.content.replace(destination)
    except OSError as error:
        raise OutputError(f"{destination} cannot be written: {error}") from error
    finally:
        part.drop()
    return digest


def _extract(archive: Path, member: str, destination: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [entry for entry in opened.infolist() if Path(entry.filename).name == member]
            if len(found) != 1:
                raise WeightsError(f"the archive should hold one {member}, it holds {opened.namelist()}")
            _require_room(destination.parent, found[0].file_size)
            with opened.open(found[0]) as source, destination.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise WeightsError(f"what was downloaded for {member} is no zip archive: {error}") from error


def _part_of(url: str) -> _Part:
    folder = store.home() / "downloads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the store {folder} cannot be written: {error}; set MEDKT_HOME elsewhere") from error
    name = new_sha256(url.encode()).hexdigest()[:16]
    return _Part(content=folder / f"{name}.part", note=folder / f"{name}.json")


def _open_part(path: Path, mode: str) -> IO[Any]:
    return path.open(mode)


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(f"{folder} has room for {free / 1e6:.0f} MB, {needed / 1e6:.0f} MB are needed")


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise WeightsError(f"{url} is not an https address")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never away from https."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> Any:
        _require_safe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_SafeRedirects)
