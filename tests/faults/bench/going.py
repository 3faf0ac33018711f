"""Goes through attacks for a while, keeps how far it came, findings as files, and a summary.

Below a folder lie `state.json` (how far each attack came under each seed), `NAME-SEED-NUMBER` with `.json` beside it for the
first findings of each kind, and `summary.md` and `summary.json`. The same seed gives the same inputs.
"""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

from .attacks import ATTACKS, Attack
from .child import SOUND, End, Limits, end_of, warm

KEPT = 3  # findings of one kind, as files
LARGEST_KEPT = 2_000_000
VERDICTS = ("done", "refused", "crash", "hang", "memory", "trace", "words", "silent")


@dataclass(slots=True)
class Record:
    """How far an attack came."""

    number: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    peak_mib: int = 0
    seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Sound:
    """The seeds of an attack, and what each gives undamaged."""

    attack: Attack
    files: list[Path]
    results: dict[Path, End] = field(default_factory=dict)

    def result(self, file: Path, limits: Limits) -> End:
        if file not in self.results:
            self.results[file] = end_of(self.attack.door, file, limits)
        return self.results[file]


@contextmanager
def prepared(*alike: Attack) -> Iterator[list[Sound]]:
    """The seeds of attacks that share them and their door, in a folder of their own, and this process ready to read them."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        files = list(alike[0].sound(Path(folder)))
        results = {files[0]: warm(alike[0].door, files[0])} if files else {}
        yield [Sound(attack, files, results) for attack in alike]


def input_of(sound: Sound, seed: int, number: int, folder: Path) -> tuple[Path, Path]:
    """Input `number` of an attack, and the sound input that it was made of."""
    attack, files = sound.attack, sound.files
    file = files[number % len(files)]
    random = Random(f"{seed} {attack.name} {number}")
    return attack.change(file, number // len(files), random, folder), file


def tried(sound: Sound, path: Path, origin: Path, limits: Limits) -> End:
    """How an input ended; `silent` where a strict attack gave another result than the sound input."""
    end = end_of(sound.attack.door, path, limits)
    if not sound.attack.strict or end.verdict != "done":
        return end
    expected = sound.result(origin, limits)
    if expected.verdict == "done" and end.result != expected.result:
        return End(verdict="silent", said=f"of {origin.name} | {end.result[:200]}", peak_mib=end.peak_mib)
    return end


def go(
    attacks: Sequence[Attack], *, seed: int, seconds_each: float, findings: Path, most: int = 0, limits: Limits | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Record]:  # fmt: skip
    """Try inputs of each attack for `seconds_each`, or `most` of them, going on from where an earlier call stopped."""
    findings.mkdir(parents=True, exist_ok=True)
    state = read_state(findings)
    records = state.setdefault(str(seed), {})
    for _, alike in groupby(attacks, key=lambda attack: (attack.sound, attack.door)):
        with prepared(*alike) as sounds:
            for sound in sounds:
                record = records.setdefault(sound.attack.name, Record())
                if sound.files:
                    _attack(sound, record, seed, seconds_each, most, findings, limits or Limits())
                write_state(findings, state)
                say(_line(sound.attack.name, record))
    return {attack.name: records[attack.name] for attack in attacks}


def _attack(sound: Sound, record: Record, seed: int, seconds: float, most: int, findings: Path, limits: Limits) -> None:
    began, first = time.monotonic(), record.number
    while (not seconds or time.monotonic() - began < seconds) and (not most or record.number - first < most):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            path, origin = input_of(sound, seed, record.number, Path(folder))
            end = tried(sound, path, origin, limits)
            if end.verdict not in SOUND:
                _keep(sound.attack, record, seed, path, end, findings)
        record.counts[end.verdict] = record.counts.get(end.verdict, 0) + 1
        record.peak_mib = max(record.peak_mib, end.peak_mib)
        record.number += 1
    record.seconds += time.monotonic() - began


def _keep(attack: Attack, record: Record, seed: int, path: Path, end: End, findings: Path) -> None:
    """The input and how it ended, of the first of each kind."""
    record.kinds[end.kind] = record.kinds.get(end.kind, 0) + 1
    if record.kinds[end.kind] > KEPT:
        return
    name = f"{''.join(c if c.isalnum() else '_' for c in attack.name)}-{seed}-{record.number}"
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    told = {"attack": attack.name, "seed": seed, "number": record.number, **asdict(end)}
    (findings / f"{name}.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    if sum(one.stat().st_size for one in files) > LARGEST_KEPT:
        return
    shutil.rmtree(findings / name, ignore_errors=True)
    if path.is_file():
        (findings / name).mkdir()
        shutil.copy(path, findings / name / path.name[-80:])
    else:
        shutil.copytree(path, findings / name / path.name, symlinks=True)


def replay(told: Path, limits: Limits | None = None) -> End:
    """The input of a finding, made anew from its seed and number, through its door."""
    finding = json.loads(told.read_text(encoding="utf-8"))
    attack = next(one for one in ATTACKS if one.name == finding["attack"])
    with prepared(attack) as (sound,), tempfile.TemporaryDirectory(prefix="faults-") as folder:
        path, origin = input_of(sound, finding["seed"], finding["number"], Path(folder))
        return tried(sound, path, origin, limits or Limits())


# ---- how far it came


def read_state(findings: Path) -> dict[str, dict[str, Record]]:
    file = findings / "state.json"
    held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {seed: {name: Record(**record) for name, record in records.items()} for seed, records in held.items()}


def write_state(findings: Path, state: dict[str, dict[str, Record]]) -> None:
    """The state, and the summary of all seeds, each whole or not at all."""
    held = {seed: {name: asdict(record) for name, record in records.items()} for seed, records in state.items()}
    rows = summary(state)
    for name, text in {
        "state.json": json.dumps(held, indent=1), "summary.json": json.dumps(rows, indent=1), "summary.md": as_markdown(rows),
    }.items():  # fmt: skip
        part = findings / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(findings / name)


def summary(state: dict[str, dict[str, Record]]) -> list[dict[str, Any]]:
    """A row a format, and one of all: how many inputs, how they ended, and the largest memory."""
    formats = {attack.name: attack.format for attack in ATTACKS}
    counts: dict[str, Counter[str]] = {}
    peaks: Counter[str] = Counter()
    for records in state.values():
        for name, record in records.items():
            for row in (formats.get(name, name), "all"):
                counts.setdefault(row, Counter()).update(record.counts)
                peaks[row] = max(peaks[row], record.peak_mib)
    order = [name for name in counts if name != "all"] + (["all"] if counts else [])
    return [
        {"format": name, "inputs": sum(counts[name].values()), **{v: counts[name][v] for v in VERDICTS}, "peak_mib": peaks[name]}
        for name in order
    ]  # fmt: skip


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row.values())) + " |" for row in rows)]) + "\n"


def _line(name: str, record: Record) -> str:
    counts = ", ".join(f"{record.counts[one]} {one}" for one in VERDICTS if record.counts.get(one))
    return f"{name}: {record.number} inputs, {counts}, {record.peak_mib} MiB, {record.seconds:.0f} s"
