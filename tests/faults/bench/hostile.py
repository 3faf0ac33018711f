"""Inputs of somebody who means harm: archives, questions in SQL, a server."""

import http.server
import io
import json
import os
import shutil
import threading
import time
import zipfile
from pathlib import Path
from random import Random
from typing import Any

from .damage import ODD_TEXTS

# ---- archives


def archive(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Names that climb out, links, bombs, doubled and encrypted members, archives within, lies about sizes."""
    target, content = folder / "hostile.zip", seed.read_bytes()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for _ in range(random.randint(1, 3)):
            _member(packed, content, random)
    changed = bytearray(target.read_bytes())
    if random.random() < 0.4:  # the directory says another thing than the members
        at = changed.rfind(b"PK\x01\x02")
        place, size = random.choice(
            ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (38, 4), (42, 4))
        )
        changed[at + place : at + place + size] = random.choice((b"\0", b"\1", b"\x7f", b"\xff")) * size
    if random.random() < 0.2:
        at = changed.rfind(b"PK\x05\x06")
        place, size = random.choice(((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)))
        changed[at + place : at + place + size] = random.choice((b"\0", b"\1", b"\xff")) * size
    target.write_bytes(bytes(changed))
    return target


_NAMES = ("../up.dcm", "/absolute.dcm", "C:\\a.dcm", "..\\up.dcm", "a/../../b.dcm", "a.dcm", "a.nii", "a.png", "x" * 5000, "", "a\0b.dcm", "\x1b[2J.dcm", "CON", "a.dcm/", ".hidden", "__MACOSX/._a")  # fmt: skip


def _member(packed: zipfile.ZipFile, content: bytes, random: Random) -> None:
    name = random.choice(_NAMES)
    kind = random.randrange(6)
    entry = zipfile.ZipInfo(name)
    entry.compress_type = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    with _quiet():
        if kind == 0:
            entry.external_attr = 0o120777 << 16
            packed.writestr(entry, "/etc/passwd")
        elif kind == 1:
            packed.writestr(entry, b"\0" * random.choice((1 << 20, 120 << 20)))
        elif kind == 2:
            packed.writestr(zipfile.ZipInfo("twice.dcm"), content[:100])
            packed.writestr(zipfile.ZipInfo("twice.dcm"), content[:100])
        elif kind == 3:
            inside = io.BytesIO()
            with zipfile.ZipFile(inside, "w") as nested:
                nested.writestr("a.zip", content)
            packed.writestr(entry, inside.getvalue())
        elif kind == 4:
            entry.flag_bits |= 1
            packed.writestr(entry, content[:50])
        else:
            packed.writestr(entry, content)


def _quiet() -> Any:
    import warnings

    caught = warnings.catch_warnings()
    caught.__enter__()
    warnings.simplefilter("ignore")

    class _Left:
        def __enter__(self) -> None:
            return None

        def __exit__(self, *_: object) -> None:
            caught.__exit__(*_)  # type: ignore[arg-type]

    return _Left()


# ---- questions

QUESTIONS = (
    "COPY results TO '{there}'", "COPY (SELECT 1) TO '{there}' (FORMAT csv)", "EXPLAIN ANALYZE COPY results TO '{there}'",
    "EXPLAIN COPY results TO '{there}'", "EXPLAIN (ANALYZE) COPY results TO '{there}'", "EXPLAIN EXPLAIN ANALYZE COPY results TO '{there}'",
    "SELECT 1; COPY results TO '{there}'", "ATTACH '{there}'", "ATTACH '{table}' AS x (TYPE sqlite)", "EXPORT DATABASE '{there}'",
    "IMPORT DATABASE '{there}'", "INSTALL httpfs", "LOAD httpfs", "LOAD '{there}'", "SET threads = 1", "SET enable_external_access = true",
    "RESET lock_configuration", "PRAGMA database_list", "PRAGMA enable_profiling = 'json'", "PRAGMA profiling_output = '{there}'",
    "CREATE TABLE x AS SELECT 1", "CREATE VIEW x AS SELECT 1", "CREATE MACRO m(a) AS a", "DROP VIEW results", "DELETE FROM results", "INSERT INTO results SELECT * FROM results",
    "UPDATE results SET dsc = 1", "ALTER TABLE results ADD COLUMN x INT", "CHECKPOINT", "VACUUM", "CALL pragma_version()", "EXECUTE x", "PREPARE x AS SELECT 1",
    "BEGIN", "COMMIT", "DESCRIBE results", "SHOW TABLES", "SUMMARIZE results", "USE x", "SELECT * FROM read_csv('{table}')", "SELECT * FROM '{table}'",
    "SELECT * FROM read_parquet('{table}')", "SELECT * FROM parquet_metadata('{table}')", "SELECT * FROM glob('/*')", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM sniff_csv('{table}')", "SELECT getenv('HOME')", "SELECT * FROM duckdb_settings() WHERE name = 'x'",
    "SELECT * FROM query('COPY results TO ''{there}''')", "SELECT * FROM query_table('{table}')", "FROM results", "SELECT * FROM range(100000000000)",
    "SELECT count(*) FROM range(10000) a, range(10000) b", "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 100000) SELECT max(n) FROM t",
    "SELECT repeat('x', 2000000000)", "SELECT list_sum(range(30000000))", "SELECT " + "(" * 3000 + "1" + ")" * 3000, "SELECT 1 + " * 3000 + "1",
    "SELECT '\\x00'", "SELECT \x00", "\ufeffSELECT 1", "--", "/*", ";", "", "SELECT", "SELECT $1", "SELECT ?", "SELECT regexp_matches(repeat('a', 40), '(a+)+$')",
    "VALUES (1)", "TABLE results", "PIVOT results ON concept USING count(*)", "SELECT * FROM sqlite_scan('{there}', 'x')", "SELECT load_extension('x')", "UPDATE EXTENSIONS",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT count(*) FROM t", "FROM enable_logging(storage := 'file', storage_path := '{there}')",
    "FROM enable_profiling(save_location := '{there}')", "SELECT write_log('{there}')", "FROM checkpoint()", "FROM duckdb_secrets()", "EXPLAIN (FORMAT html) SELECT 1",
)  # fmt: skip


def question(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Each question in turn; after the last of them with pieces of it exchanged, doubled and cut."""
    target = folder / "asked"
    shutil.copytree(seed, target / "run")
    text = QUESTIONS[number % len(QUESTIONS)].format(there=target / "there", table=target / "run" / "results.parquet")
    if number >= len(QUESTIONS):
        words = text.split(" ")
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(words))
            words[at : at + random.randint(0, 2)] = [
                random.choice((*ODD_TEXTS[:40], "EXPLAIN", "ANALYZE", "/* */", "--\n", "SELECT", ";", "COPY", "dsc"))
            ]
        text = " ".join(words)
    (target / "question.sql").write_text(text, encoding="utf-8", errors="surrogateescape" if "\ud800" not in text else "replace")  # fmt: skip
    return target


# ---- a server


def server(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """What a server does with each of its next answers, as JSON."""
    answers = [
        {
            "code": random.choice((200, 200, 200, 206, 206, 301, 302, 404, 416, 429, 500, 503, 204, 304)),
            "length": random.choice(("right", "right", "short", "long", "none", "words", "negative", "huge")),
            "range": random.choice(("right", "right", "wrong", "words", "none")),
            "etag": random.choice(('"one"', '"one"', '"two"', 'W/"one"', "", "x" * 9000)),
            "sent": random.choice((1.0, 1.0, 0.5, 0.0, 1.5)),
            "slow": random.random() < 0.1,
            "headers": random.choice((0, 0, 0, 150)),
            "coding": random.choice(("", "", "", "gzip", "chunked")),
            "location": random.choice(("", "/model.pth", "http://example.org/x", "file:///etc/passwd", "ftp://x/y", "//", "http://[")),
        }
        for _ in range(8)
    ]  # fmt: skip
    target = folder / "server.json"
    target.write_text(json.dumps({"answers": answers, "stated": random.random() < 0.5}))
    return target


CONTENT = bytes(range(256)) * 200


def fetched(path: Path) -> object:
    """Fetch a file from that server: whole and right, or refused; anything else that lies there is an error of ours."""
    import hashlib

    from medkt.models.download import fetch

    plan = json.loads(path.read_text())
    place = path.parent / f"fetched-{os.getpid()}"
    place.mkdir()
    os.environ["MEDKT_HOME"] = str(place / "home")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
    digest = hashlib.sha256(CONTENT).hexdigest()
    with _Server(("127.0.0.1", 0), _handler(plan["answers"])) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{served.server_port}/model.pth"
        try:
            found = fetch(url, place / "model.pth", digest if plan["stated"] else None, lambda *_: None, 0.0, 3.0)
        finally:
            served.shutdown()
    if plan["stated"] and (place / "model.pth").read_bytes() != CONTENT:
        raise AssertionError("another file than its digest states")
    return found


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """What the client did to it is not of interest."""


def _handler(answers: list[dict[str, Any]]) -> type[http.server.BaseHTTPRequestHandler]:
    left = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            plan = left.pop(0) if left else answers[-1]
            start = _start(self.headers.get("Range"))
            body = CONTENT[start:] if plan["code"] == 206 else CONTENT
            self.send_response(plan["code"])
            for name, value in _headers(plan, start, len(body)):
                self.send_header(name, value)
            try:
                self.end_headers()
                self._send((body * 2)[: int(len(body) * plan["sent"])], slow=plan["slow"])
            except OSError:  # nobody listens any more
                return

        def _send(self, body: bytes, *, slow: bool) -> None:
            for at in range(0, len(body), 1000 if slow else len(body)):
                self.wfile.write(body[at : at + (1000 if slow else len(body))])
                time.sleep(0.1 if slow else 0)

    return Handler


def _start(asked: str | None) -> int:
    digits = (asked or "").removeprefix("bytes=").rstrip("-")
    return min(int(digits), len(CONTENT)) if digits.isdecimal() else 0


def _headers(plan: dict[str, Any], start: int, length: int) -> list[tuple[str, str]]:
    lengths = {
        "right": str(length), "short": str(length // 2), "long": str(length * 2), "words": "many", "negative": "-5", "huge": "9" * 30,
    }  # fmt: skip
    ranges = {
        "right": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}",
        "wrong": "bytes 0-9/10",
        "words": "all of it",
    }
    found = [("ETag", plan["etag"])] if plan["etag"] else []
    found += [("Content-Length", lengths[plan["length"]])] if plan["length"] in lengths else []
    found += [("Content-Range", ranges[plan["range"]])] if plan["code"] == 206 and plan["range"] in ranges else []
    found += [("Location", plan["location"])] if plan["location"] else []
    if plan["coding"]:
        found.append(("Transfer-Encoding" if plan["coding"] == "chunked" else "Content-Encoding", plan["coding"]))
    return found + [(f"X-{n}", "x") for n in range(plan["headers"])]
