"""`pull` against a server on this machine that cuts connections, changes files and refuses."""

import hashlib
import http.server
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from medkt.errors import InputError, OutputError, SettingsError, WeightsError
from medkt.models import download, store
from medkt.models.download import pull
from medkt.models.records import ModelFile, ModelRecord, record_of

CONTENT = bytes(range(256)) * 3000


@dataclass
class Server:
    """What is served, and how badly."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    cuts: list[int] = field(default_factory=list)  # after how many bytes each of the next answers ends
    codes: list[int] = field(default_factory=list)  # what the next requests are refused with
    ranges: list[str | None] = field(default_factory=list)  # what was asked for
    redirect: str | None = None
    heeds_if_range: bool = True
    pause_s: float = 0.0  # between pieces of an answer
    changes_to: tuple[bytes, str] | None = None  # content and ETag from the second request on


def make_handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            server.ranges.append(self.headers.get("Range"))
            if server.changes_to and len(server.ranges) == 2:
                server.files["model.pth"], server.etag = server.changes_to
            if server.redirect:
                self.send_response(302)
                self.send_header("Location", server.redirect)
                self.end_headers()
                return
            content = server.files.get(self.path.lstrip("/"))
            if server.codes or content is None:
                self.send_error(server.codes.pop(0) if server.codes else 404)
                return
            start = self._start(len(content))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if server.etag:
                self.send_header("ETag", server.etag)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            piece = content[start : start + server.cuts.pop(0) if server.cuts else None]
            if not server.pause_s:
                self.wfile.write(piece)
                return
            for at in range(0, len(piece), 1000):
                try:
                    self.wfile.write(piece[at : at + 1000])
                except OSError:  # nobody listens any more
                    return
                time.sleep(server.pause_s)

        def _start(self, length: int) -> int:
            asked, validator = self.headers.get("Range"), self.headers.get("If-Range")
            if not asked or (server.heeds_if_range and validator and validator != server.etag):
                return 0
            return min(int(asked.removeprefix("bytes=").rstrip("-")), length)

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server(files={"model.pth": CONTENT})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), make_handler(state)) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{served.server_port}"
        yield state
        served.shutdown()
        thread.join()


def make_record(server: Server, *, digest: str | None = None, **changes: Any) -> ModelRecord:
    file = ModelFile(name="model.pth", url=f"{server.url}/model.pth", sha256=digest)
    return replace(record_of("sam-vit-b"), files=(replace(file, **changes),))


def bring(record: ModelRecord) -> store.InstalledModel:
    return pull(record, accept_licence=True, pause_s=0.0)


def left_behind() -> list[str]:
    return sorted(str(path.relative_to(store.home())) for path in store.home().rglob("*") if path.is_file())


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_arrives_with_its_digest(server: Server) -> None:
    seen: list[tuple[str, int, int | None]] = []
    record = make_record(server, digest=digest_of(CONTENT))
    found = pull(record, accept_licence=True, progress=lambda *args: seen.append(args))
    assert (found.folder / "model.pth").read_bytes() == CONTENT
    assert found.files["model.pth"].stated
    assert seen[-1] == ("model.pth", len(CONTENT), len(CONTENT))
    assert left_behind() == ["models/sam-vit-b/medkt.json", "models/sam-vit-b/model.pth"]


def test_without_a_stated_digest_what_came_is_recorded(server: Server) -> None:
    found = bring(make_record(server))
    assert found.files["model.pth"].sha256 == digest_of(CONTENT)
    assert not found.files["model.pth"].stated
    server.files["model.pth"] = b"another"
    with pytest.raises(WeightsError, match=r"now has the SHA-256 .*, the first pull brought"):
        bring(make_record(server))
    assert (found.folder / "model.pth").read_bytes() == CONTENT


def test_a_cut_connection_is_resumed(server: Server) -> None:
    server.cuts = [100_000, 200_000]
    found = bring(make_record(server, digest=digest_of(CONTENT)))
    assert (found.folder / "model.pth").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=300000-"]


def test_a_later_pull_goes_on_where_the_last_one_stopped(server: Server) -> None:
    server.cuts = [10_000] * 4
    with pytest.raises(WeightsError, match=r"broke off 4 times \(40000 of 768000 bytes came\); pull again"):
        bring(make_record(server))
    assert not store.folder_of("sam-vit-b").exists()
    assert bring(make_record(server)).files["model.pth"].sha256 == digest_of(CONTENT)
    assert server.ranges[-1] == "bytes=40000-"
    assert left_behind() == ["models/sam-vit-b/medkt.json", "models/sam-vit-b/model.pth"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server) -> None:
    server.cuts = [10_000] * 4
    with pytest.raises(WeightsError, match="broke off"):
        bring(make_record(server))
    server.files["model.pth"], server.etag = CONTENT[::-1], '"two"'
    assert bring(make_record(server)).files["model.pth"].sha256 == digest_of(CONTENT[::-1])


@pytest.mark.parametrize("etag", ['"two"', None, 'W/"one"'])
def test_two_versions_are_never_joined(server: Server, etag: str | None) -> None:
    server.cuts, server.heeds_if_range = [10_000], False
    server.changes_to = (CONTENT[::-1], etag)  # type: ignore[assignment]
    found = bring(make_record(server))
    assert (found.folder / "model.pth").read_bytes() == CONTENT[::-1]
    assert server.ranges == [None, "bytes=10000-", None]


def test_a_server_that_trickles_ends_with_the_time_limit(server: Server) -> None:
    server.pause_s = 0.05  # 768 pieces would take 38 s
    began = time.monotonic()
    with pytest.raises(WeightsError, match=r"did not come within the time limit; pull again to go on"):
        pull(make_record(server), accept_licence=True, limit_s=0.5)
    assert time.monotonic() - began < 5
    server.pause_s = 0.0
    found = bring(make_record(server))
    assert (found.folder / "model.pth").read_bytes() == CONTENT
    assert server.ranges[1] is not None  # what had come was kept


def test_without_any_mark_of_its_version_a_part_is_not_trusted(server: Server) -> None:
    server.etag, server.cuts = None, [10_000]
    bring(make_record(server))
    assert server.ranges == [None, None]


def test_a_wrong_digest_leaves_nothing(server: Server) -> None:
    with pytest.raises(WeightsError, match=f"came with the SHA-256 {digest_of(CONTENT)}, expected 0000"):
        bring(make_record(server, digest="0" * 64))
    assert left_behind() == []


def test_not_found_leaves_nothing(server: Server) -> None:
    with pytest.raises(WeightsError, match="answered HTTP 404 Not Found: nothing was downloaded"):
        bring(make_record(server, url=f"{server.url}/none.pth"))
    assert left_behind() == []


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.codes = [503, 429]
    bring(make_record(server))
    assert len(server.ranges) == 3


def test_a_part_that_the_server_no_longer_has(server: Server) -> None:
    server.cuts = [10_000]
    server.codes = []
    record = make_record(server, digest=digest_of(CONTENT))
    original = download._receive
    calls = []

    def refuse_second(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            server.codes = [416]
        original(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "_receive", refuse_second)
        bring(record)
    assert server.ranges == [None, "bytes=10000-", None]


def test_a_full_disk_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(path: Path, mode: str) -> Any:
        path.touch()
        return Path("/dev/full").open(mode)

    monkeypatch.setattr(download, "_open_part", open_full)
    with pytest.raises(OutputError, match=r"cannot be written: .*No space left"):
        bring(make_record(server))
    assert left_behind() == []


def test_too_little_room_is_seen_before_the_download(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(OutputError, match="has room for 0 MB, 1 MB are needed"):
        bring(make_record(server))
    assert left_behind() == []


def test_a_store_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match=r"cannot be written.*set MEDKT_HOME elsewhere"):
        bring(make_record(server))


def test_nobody_listens(server: Server) -> None:
    with pytest.raises(WeightsError, match=r"cannot be reached .*or bring the file by hand"):
        bring(make_record(server, url="http://127.0.0.1:9/model.pth"))
    assert left_behind() == []


def test_a_redirect_away_from_https_is_not_followed(server: Server) -> None:
    server.redirect = "http://example.invalid/model.pth"
    with pytest.raises(WeightsError, match=r"http://example.invalid/model.pth is not an https address"):
        bring(make_record(server))


@pytest.mark.parametrize("url", ["http://example.invalid/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_other_addresses_are_refused(server: Server, url: str) -> None:
    with pytest.raises(WeightsError, match="is not an https address"):
        bring(make_record(server, url=url))


def make_zip(**members: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def test_a_member_of_an_archive(server: Server) -> None:
    server.files["model.pth"] = make_zip(folder__inner=CONTENT, other=b"x")
    found = bring(make_record(server, member="inner"))
    assert (found.folder / "model.pth").read_bytes() == CONTENT
    assert left_behind() == ["models/sam-vit-b/medkt.json", "models/sam-vit-b/model.pth"]


def test_archives_that_are_none_or_lack_the_member(server: Server) -> None:
    with pytest.raises(WeightsError, match="is no zip archive"):
        bring(make_record(server, member="inner"))
    server.files["model.pth"], server.etag = make_zip(other=b"x"), '"two"'
    with pytest.raises(WeightsError, match=r"should hold one inner, it holds \['other'\]"):
        bring(make_record(server, member="inner"))
    assert left_behind() == []


def test_what_cannot_be_pulled(server: Server) -> None:
    with pytest.raises(SettingsError, match=r"come under: Apache-2.0\..*--accept-licence"):
        pull(make_record(server), accept_licence=False)
    with pytest.raises(InputError, match="ships with medkt"):
        bring(record_of("small"))
    with pytest.raises(WeightsError, match="is not published for download"):
        bring(make_record(server, url=None))
    assert server.ranges == []


def test_a_damaged_manifest_is_told(server: Server) -> None:
    found = bring(make_record(server))
    (found.folder / store.MANIFEST).write_text("{")
    with pytest.raises(WeightsError, match=r"medkt.json is missing or damaged"):
        store.installed("sam-vit-b")
    (found.folder / store.MANIFEST).write_text(json.dumps({"name": "x", "weights": "../../x", "files": {}}))
    with pytest.raises(WeightsError, match="names a file outside its folder"):
        store.installed("sam-vit-b")


def test_a_redirection_to_no_address(server: Server) -> None:
    server.redirect = "http://[::1"
    with pytest.raises(WeightsError, match="leads to an address that is none"):
        bring(make_record(server))


def test_a_part_that_says_it_is_larger_than_memory(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of 2^70 bytes: Python's reader cannot even ask for so many."""

    def fail(*_: Any) -> bytes:
        raise OverflowError("cannot fit 'int' into an index-sized integer")

    monkeypatch.setattr("http.client.HTTPResponse.read1", fail)
    with pytest.raises(WeightsError, match="broke off"):
        bring(make_record(server))
