"""Damage by the rules of a format: fields of a header, cells, columns, members, rows, with all that vouches for them redone."""

import gzip
import hashlib
import json
import shutil
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from .damage import ODD_TEXTS, ODD_VALUES, disturb, torn

Change = Callable[[Path, int, Random, Path], Path]

# of NIfTI-1: offset and form of each field that decides something
_FIELDS = (
    (0, "i"), (39, "b"), *((40 + 2 * n, "h") for n in range(8)), (68, "h"), (70, "h"), (72, "h"), (74, "h"),
    *((76 + 4 * n, "f") for n in range(8)), (108, "f"), (112, "f"), (116, "f"), (123, "b"), (252, "h"), (254, "h"),
    *((256 + 4 * n, "f") for n in range(6)), *((280 + 4 * n, "f") for n in range(12)), (344, "i"), (348, "i"), (352, "i"), (356, "i"),
)  # fmt: skip
_TYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 9999, -1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-38, 1e38, 3e38, float("nan"), float("inf"), float("-inf"), 352.0, 351.5, 1e9)
_WHOLE = (0, 1, 2, 3, 5, 7, 8, 348, 540, 1000, 16384, 32767, -1, -2, -32768)


def headed(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Fields of a NIfTI header with other numbers; packed again where it was."""
    content = seed.read_bytes()
    packed = content[:2] == b"\x1f\x8b"
    changed = bytearray(gzip.decompress(content) if packed else content)
    for _ in range(random.randint(1, 3)):
        at, form = random.choice(_FIELDS)
        value: Any = random.choice(_FLOATS if form == "f" else _WHOLE)
        if at == 70:
            value = random.choice(_TYPES)
        if form == "b":
            value %= 128
        order = "<" if random.random() < 0.95 else ">"
        struct.pack_into(order + form, changed, at, value)
    target = folder / seed.name
    target.write_bytes(gzip.compress(bytes(changed), mtime=0) if packed else bytes(changed))
    return target


def _text_of(value: Any) -> str:
    return json.dumps(value, allow_nan=True)


def in_json(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Other values and keys; now and then brackets without end."""
    target = folder / seed.name
    if number % 20 == 19:
        deep = random.choice((500, 100_000))
        target.write_text(random.choice(("[", '{"a":')) * deep)
    else:
        target.write_text(_text_of(disturb(json.loads(seed.read_text(encoding="utf-8")), random)))
    return target


def in_yaml(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Other values and keys, aliases, tags, several documents."""
    target = folder / seed.name
    text = yaml.dump(disturb(yaml.safe_load(seed.read_text(encoding="utf-8")), random), sort_keys=False)
    added = random.choice((
        "", "", "", "", "\n---\na: 1\n", "\n...\n", "\nx: !!python/object/apply:os.system [true]\n", "\nx: &a [*a]\n", "\n? [a, b]\n: 1\n",
        "\nx: !!binary AAAA\n", "\nx: 2001-13-45\n", "\nx: 0o9\n", "\nx: 190:20:30\n", "\n<<: 1\n", "\nx: !!timestamp 1\n", "\nx: !!int ''\n", "\n%YAML 9.9\n",
    ))  # fmt: skip
    target.write_text(text + added, encoding="utf-8", errors="surrogatepass")
    return target


def in_csv(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Other cells, columns and lines, quotes, another encoding."""
    target = folder / seed.name
    separator = "\t" if seed.suffix == ".tsv" else ","
    lines = [line.split(separator) for line in seed.read_text(encoding="utf-8").splitlines()]
    for _ in range(random.randint(1, 3)):
        row = random.randrange(len(lines))
        cell = random.randrange(len(lines[row])) if lines[row] else 0
        kind = random.randrange(7)
        if kind == 0:
            lines[row] = lines[row][:cell] + lines[row][cell + 1 :]
        elif kind == 1:
            lines.insert(row, list(lines[row]))
        elif kind == 2:
            lines[row].insert(cell, random.choice(ODD_TEXTS))
        elif kind == 3:
            lines = [line[:cell] + line[cell + 1 :] for line in lines]
        elif lines[row]:
            lines[row][cell] = random.choice(ODD_TEXTS)
    text = random.choice(("\n", "\n", "\r\n", "\r")).join(separator.join(line) for line in lines)
    coding = random.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"))
    target.write_bytes(text.encode("utf-8" if coding == "utf-8" else coding, "surrogatepass" if coding == "utf-8" else "replace"))  # fmt: skip
    return target


def in_parquet(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Columns of other types, names and counts."""
    from pyarrow import parquet

    held = parquet.read_table(seed, use_threads=False)
    for _ in range(random.randint(1, 2)):
        if not held.num_columns:
            break
        at = random.randrange(held.num_columns)
        name, count = held.schema.names[at], held.num_rows
        kind = random.randrange(5)
        if kind == 0:
            held = held.remove_column(at)
        elif kind == 1:
            held = held.append_column(random.choice((name, *ODD_TEXTS[:9])), held.column(at))
        elif kind == 2:
            held = held.slice(0, random.choice((0, 1)))
        else:
            held = held.set_column(at, name, _other_column(count, random))
    target = folder / seed.name
    parquet.write_table(held, target)
    return target


def in_unlisted_table(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """The table of results of a run whose record states no digests, with other columns."""
    from medkt.runs.folder import RunFolder

    target = folder / seed.name
    shutil.copytree(seed, target)
    RunFolder(target).write_record(replace(RunFolder(target).read(), tables={}))
    (folder / "of").mkdir()
    in_parquet(target / "results.parquet", number, random, folder / "of").replace(target / "results.parquet")
    return target


def _other_column(count: int, random: Random) -> Any:
    import pyarrow as pa

    words = [random.choice(ODD_TEXTS).encode("utf-8", "replace").decode() for _ in range(count)]
    return random.choice((
        pa.array([None] * count), pa.array([1.5] * count), pa.array([2**62] * count), pa.array([b"\xff\x00"] * count),
        pa.array([[1, 2]] * count), pa.array([{"a": 1}] * count), pa.array([float("nan")] * count), pa.array([True] * count),
        pa.array(["x" * 9000] * count), pa.array([0] * count, pa.timestamp("ns")), pa.array(["a"] * count).dictionary_encode(),
        pa.array(words),
    ))  # fmt: skip


def in_tensors(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Another header of safetensors, and its length as it is or not."""
    target = folder / seed.name
    target.write_bytes(other_header(seed.read_bytes(), random))
    return target


def other_header(content: bytes, random: Random) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header = _text_of(disturb(json.loads(content[8 : 8 + length]), random)).encode("utf-8", "surrogatepass")
    said = len(header) if random.random() < 0.8 else random.choice((0, 1, len(header) - 1, 2**40, 2**64 - 1))
    return said.to_bytes(8, "little") + header + content[8 + length :]


def in_package(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """A member changed and the manifest written anew, as somebody who means harm would."""
    from medkt.concepts.container import read_container, write_container

    members = read_container(seed)
    name = random.choice(sorted(members))
    members[name] = _other_member(name, members[name], random)
    if name != "manifest.json":
        stated = json.loads(members["manifest.json"])
        stated["members"][name] = {"bytes": len(members[name]), "sha256": hashlib.sha256(members[name]).hexdigest()}
        members["manifest.json"] = (json.dumps(stated, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    return write_container(folder / seed.name, members)


def _other_member(name: str, content: bytes, random: Random) -> bytes:
    if name.endswith(".json"):
        changed = disturb(json.loads(content), random)
        return (json.dumps(changed, indent=1, sort_keys=True) + "\n").encode()
    if name.endswith(".yaml"):
        return yaml.dump(disturb(yaml.safe_load(content), random), sort_keys=False).encode("utf-8", "replace")
    if name.endswith(".safetensors"):
        return other_header(content, random)
    more = random.choice((*ODD_TEXTS, "![x](http://x)", "<b>", "# " * 3000, "[a](javascript:1)", "&lt;", "a" * 100_000))
    return torn(content, random) if random.random() < 0.3 else content + more.encode("utf-8", "replace")


def within(pattern: str, change: Change) -> Change:
    """One file below a folder that fits a pattern; the others are as they were."""

    def chosen(seed: Path, number: int, random: Random, folder: Path) -> Path:
        target = folder / seed.name
        shutil.copytree(seed, target)
        file = random.choice(sorted(target.glob(pattern)))
        (folder / "of").mkdir()
        change(file, number, random, folder / "of").replace(file)
        return target

    return chosen


def in_run(what: str, change: Change) -> Change:
    """One file of a run's folder: the ledger, an outcome, a table, or its record."""
    patterns = {
        "ledger": "ledger.sqlite", "outcomes": "workers/*.jsonl", "tables": "*.parquet", "record": "run.json",
    }  # fmt: skip
    return within(patterns[what], change)


def in_ledger(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Rows of the ledger with other values, as nothing but SQLite would write them."""
    target = folder / seed.name
    shutil.copytree(seed, target)
    database = sqlite3.connect(target / "ledger.sqlite")
    table = random.choice(("cases", "outcomes", "files", "facts"))
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    values = [
        one for one in ODD_VALUES if isinstance(one, str | int | float | None) and one not in (2**63, 2**64, 10**400)
    ]
    value = random.choice([*values, b"\xff\x00", '{"key": 1}', "[" * 5000])
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
    try:
        if random.random() < 0.85:
            database.execute(f"UPDATE OR IGNORE {table} SET {random.choice(columns)} = ?", (value,))
        else:
            database.execute(random.choice((f"DELETE FROM {table}", f"DROP TABLE {table}", f"PRAGMA user_version = {random.choice((0, 1, 3, 99))}")))  # fmt: skip
    except sqlite3.IntegrityError:
        database.execute(f"DELETE FROM {table}")
    database.commit()
    database.close()
    return target


def in_layout(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """The file that describes a data set."""
    target = folder / seed.name
    shutil.copytree(seed, target)
    files = [one for one in sorted(target.rglob("*")) if one.suffix in (".json", ".csv", ".tsv") and one.is_file()]
    if not files:
        return target
    file = random.choice(files)
    (folder / "of").mkdir()
    change = in_json if file.suffix == ".json" else in_csv
    change(file, number, random, folder / "of").replace(file)
    return target


def in_pickle(seed: Path, number: int, random: Random, folder: Path) -> Path:
    """Pickles that would run something, or hold what is no tensor."""
    import os
    import pickle

    class Runs:
        def __init__(self, of: Any, words: tuple[Any, ...]) -> None:
            self.of, self.words = of, words

        def __reduce__(self) -> tuple[Any, ...]:
            return self.of, self.words

    marker = str(folder / "ran")
    made = random.choice((
        Runs(os.mkdir, (marker,)), Runs(eval, (f"__import__('os').mkdir({marker!r})",)), Runs(getattr, ({}, "keys")), Runs(bytearray, (2**40,)),
        {"a": Runs(os.mkdir, (marker,))}, [1, 2], None, {"a": 1}, {1: 2}, {"state_dict": None}, {"state_dict": {"a": {"b": 1}}}, np.zeros(3),
    ))  # fmt: skip
    target = folder / random.choice(("odd.pt", "odd.bin", "odd.pth"))
    target.write_bytes(pickle.dumps(made, protocol=random.choice((0, 2, 4, 5))))
    return target
