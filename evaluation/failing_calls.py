"""Let calls to the system fail under every command that writes: each ends done, or in one line, and a later start ends the same.

    python evaluation/failing_calls.py --seconds-each 60 --write evaluation/results/failing_calls.md
    python evaluation/failing_calls.py --only learn report --seconds-each 20 --seed 3

`failing_calls.c` is compiled (`cc`) and loaded before the C library, so that calls of every library fail, SQLite's and
Arrow's too: open for writing, write, fsync, rename, link, mkdir, flock, unlink and truncate below the command's folder.
For each kind of call and each error that a disk gives for it, moments are drawn: that call alone fails, or it and all
later ones of its kind. Commands are forked from a process that has loaded everything; `batch` and `evaluate` work at
their cases in their own process, so that what a worker writes fails too.

Allowed is exit code 0, 2, 3 or 4, with one line that says why and no trace; after it a start without faults that ends
with the files of a run that nobody disturbed, and nothing half written or temporary beside them.
"""

import argparse
import ctypes
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from kills import LEFT, Forked, draw, folder_of, revision, run_of, temporary

import medkt.learning
from medkt.about import __version__
from medkt.cli.main import main as main_of_medkt
from medkt.concepts import Base, load_concept, write_package
from medkt.learning import LearningOutcome
from medkt.models.registry import load_encoder
from medkt.phantom.study import write_study
from medkt.transfer.copies import copy_encoder
from medkt.transfer.delta import make_delta, to_bytes

KINDS = ("open", "write", "fsync", "rename", "link", "mkdir", "flock", "unlink", "truncate")  # as in failing_calls.c
ERRORS = {
    "open": ("ENOSPC", "EACCES", "EROFS", "EIO"),
    "write": ("ENOSPC", "EIO"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EACCES", "EROFS", "EIO"),
    "link": ("EPERM", "ENOTSUP"),
    "mkdir": ("EACCES", "EROFS", "ENOSPC"),
    "flock": ("ENOLCK", "ENOTSUP", "EIO"),
    "unlink": ("EACCES", "EROFS"),
    "truncate": ("ENOSPC", "EIO"),
}
CODES = (0, 2, 3, 4)
LEARN = tuple(
    word
    for setting in (
        "inversion.steps=2", "judged_with.steps=2", "rehearsed_with.steps=2", "images=2", "rehearsal_images=1",
        "validation_images=1", "views=1", "pictured=0.0", "finetune.steps=2", "finetune.learning_rate=0.001", "choose=false",
        *(f"{part}.dtype=float32" for part in ("inversion", "judged_with", "rehearsed_with", "finetune")),  # much faster on CPUs
    )
    for word in ("--set", setting)
)  # fmt: skip
SMALL = {"shape": (4, 40, 32), "spacing_mm": (20.0, 8.0, 9.0)}
CHEAP = (
    "--set",
    "m2ib.steps=1",
    "--set",
    "m2ib.samples=1",
    "--set",
    "map.max_slices=1",
    "--set",
    "presence.gate=false",
)


@dataclass
class Command:
    """What is run in a folder, what lies there before, which files must come out the same, and what is said again.

    `once` where a second start after a first that ended well is refused, because the result is there; `talks` where a line
    is said of each study, or of how far the work is.
    """

    words: Callable[[Path, Path], Sequence[object]]
    results: Callable[[Path], dict[str, bytes]]
    before: Callable[[Path, Path], None] = lambda inputs, folder: None
    once: bool = False
    talks: bool = False


@dataclass
class Counted:
    tries: Counter[str] = field(default_factory=Counter)  # by kind of call
    outcomes: Counter[int] = field(default_factory=Counter)
    moments: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def _files(*names: str) -> Callable[[Path], dict[str, bytes]]:
    return lambda folder: {name: (folder / name).read_bytes() for name in names}


def _copied(*parts: str) -> Callable[[Path, Path], None]:
    def copy(inputs: Path, folder: Path) -> None:
        for part in parts:
            if (inputs / part).is_dir():
                shutil.copytree(inputs / part, folder / part)
            else:
                shutil.copy2(inputs / part, folder / part)

    return copy


def _out(folder: Path) -> dict[str, bytes]:
    """A result, without what holds times: the SEG is only seen to be there."""
    return {name: b"" if name.endswith(".dcm") else content for name, content in folder_of(folder / "out").items()}


PICTURE = ("--modality", "ultrasound", "-c", "us_cyst")
COMMANDS = {
    "segment": Command(
        lambda i, f: ("segment", "-i", i / "images/1.png", *PICTURE, "-o", f / "out", *CHEAP), _out, once=True
    ),
    "segment several": Command(
        lambda i, f: (
            *(
                "segment",
                "-i",
                i / "images/1.png",
                i / "images/2.png",
                *PICTURE,
                "-o",
                f / "out",
                "--overwrite",
                *CHEAP,
            ),
        ),
        _out,
        talks=True,
    ),
    "segment --overwrite": Command(
        lambda i, f: ("segment", "-i", i / "images/1.png", *PICTURE, "-o", f / "out", "--overwrite", *CHEAP),
        _out,
        _copied("out"),
    ),
    "segment -f dicom-seg": Command(
        lambda i, f: (
            *(
                "segment",
                "-i",
                i / "series",
                "-c",
                "ct_nodule",
                "-o",
                f / "out",
                "-f",
                "dicom-seg,nifti",
                "--overwrite",
            ),
            *CHEAP,
        ),
        _out,
    ),
    "explain": Command(
        lambda i, f: ("explain", "-i", i / "images/1.png", *PICTURE, "-o", f / "out", "--overwrite", *CHEAP), _out
    ),
    "learn": Command(
        lambda i, f: ("learn", "us_phyllodes", "-o", f / "x.medkt", "--cache", f / "cache", *LEARN),
        _files("x.medkt", "x.html"),
        once=True,
    ),
    "invert": Command(
        lambda i, f: ("invert", "-c", "us_cyst", "-o", f / "out", "--set", "steps=2", "--images", 1, "--overwrite"),
        lambda f: dict.fromkeys(folder_of(f / "out"), b""),
    ),
    "calibrate": Command(
        lambda i, f: (
            "calibrate",
            "us_cyst",
            "-m",
            i / "normals.csv",
            "--figure",
            f / "rule.png",
            "-o",
            f / "rule.json",
        ),
        _files("rule.json", "rule.png"),
        once=True,
    ),
    "report": Command(
        lambda i, f: ("report", i / "run", "-o", f / "page.html", "--resamples", 100), _files("page.html")
    ),
    "compare": Command(
        lambda i, f: ("compare", i / "run", i / "other", "-o", f / "page.html", "--resamples", 100), _files("page.html")
    ),
    "query": Command(
        lambda i, f: ("query", f / "run", "SELECT concept, avg(dsc) FROM results GROUP BY 1"), _files(), _copied("run")
    ),
    "evaluate": Command(
        lambda i, f: (
            *("evaluate", "--reference", i / "reference", "--prediction", i / "prediction", "-c", "lesion"),
            *("-o", f / "run", "--salt", i / "salt", "--resamples", 100, "-w", 1),
        ),
        lambda f: run_of(f / "run"),
        talks=True,
    ),
    "batch": Command(
        lambda i, f: ("batch", "--manifest", i / "few.csv", "-o", f / "run", "--salt", i / "salt", "-w", 1, *CHEAP),
        lambda f: run_of(f / "run"),
        talks=True,
    ),
    "batch merge": Command(
        lambda i, f: ("batch", "merge", f / "shards"), lambda f: run_of(f / "shards"), _copied("shards")
    ),
    "batch status": Command(lambda i, f: ("batch", "status", f / "run"), _files(), _copied("run")),
    "batch verify": Command(lambda i, f: ("batch", "verify", f / "run"), _files(), _copied("run")),
    "batch retry": Command(lambda i, f: ("batch", "retry", f / "run"), _files(), _copied("run")),
    "concept new": Command(
        lambda i, f: ("concept", "new", "--modality", "ct", "--name", "ring", "-o", f / "ring.yaml"),
        _files("ring.yaml"),
        once=True,
    ),
    "concept sign --new-key": Command(
        lambda i, f: ("concept", "sign", "--new-key", f / "site.key"),
        lambda f: {name: b"" for name in sorted(os.listdir(f)) if name.startswith("site")},
        once=True,
    ),
    "concept sign": Command(
        lambda i, f: ("concept", "sign", f / "a.medkt", "--key", i / "site.key"), _files("a.medkt"), _copied("a.medkt")
    ),
    "concept compose": Command(
        lambda i, f: ("concept", "compose", i / "a.medkt", i / "b.medkt", "-o", f / "both.medkt"), _files("both.medkt")
    ),
    "phantom": Command(
        lambda i, f: ("phantom", "-o", f / "out", "--domain", "ct", "--finding", "ct_nodule"),
        lambda f: dict.fromkeys(folder_of(f / "out"), b""),
    ),
}


class Bench:
    """One command after the other, each try in a folder of its own."""

    def __init__(self, root: Path, library: ctypes.CDLL) -> None:
        self.root, self.library = root, library
        self.inputs = root / "inputs"

    def fork(self, words: Sequence[object], log: Path, fault: tuple[str, int, int, bool] | None, told: Path) -> int:
        """The exit code; how many calls of the kind were counted goes to `told`."""
        if fault is None:
            return int(Forked(words, log).wait() or 0)
        kind, error, at, lasting = fault

        def begin() -> None:
            below = str(self.root / "try").encode()
            self.library.fault_set(below, KINDS.index(kind) + 1, error, at, int(lasting))

        def end() -> None:
            count = self.library.fault_calls()
            self.library.fault_set(b"", 0, 0, 0, 0)
            told.write_text(str(count))

        return int(Forked(words, log, begin=begin, end=end).wait() or 0)

    def prepared(self, command: Command) -> Path:
        folder = self.root / "try"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command.before(self.inputs, folder)
        return folder

    def attack(self, name: str, command: Command, seconds: float, rng: random.Random) -> Counted:
        counted, log, told = Counted(), self.root / "log", self.root / "told"
        folder = self.prepared(command)
        wanted_code = self.fork(command.words(self.inputs, folder), log, None, told)
        if wanted_code not in (0, 4):
            counted.wrong.append(f"{name}: undisturbed, code {wanted_code}: {log.read_text().strip()[-300:]}")
            return counted
        wanted = command.results(folder)
        faults: list[tuple[str, str, int, bool]] = []
        for kind in KINDS:
            folder = self.prepared(command)
            self.fork(command.words(self.inputs, folder), log, (kind, 0, 0, False), told)
            count = counted.moments[kind] = int(told.read_text())
            faults += [
                (k, e, at, last)
                for k in (kind,)
                for e in ERRORS[k]
                for at in range(1, count + 1)
                for last in (False, True)
            ]
        rng.shuffle(faults)
        faults.sort(key=lambda fault: counted.moments[fault[0]] > 40)  # calls that are few are all tried first
        until = time.monotonic() + seconds
        for kind, error, at, lasting in faults:
            if time.monotonic() > until:
                break
            said = self._try(command, (kind, getattr(errno, error), at, lasting), wanted, wanted_code, counted)
            counted.tries[kind] += 1
            if said:
                counted.wrong.append(f"{name}: {kind} {error} at {at}{' and later' if lasting else ''}: {said}")
                print(counted.wrong[-1], file=sys.stderr, flush=True)
        return counted

    def _try(
        self, command: Command, fault: tuple[str, int, int, bool], wanted: dict[str, bytes], code: int, counted: Counted
    ) -> str:
        """What is wrong with how it ended, or nothing."""
        log, told, folder = self.root / "log", self.root / "told", self.prepared(command)
        words = command.words(self.inputs, folder)
        ended = self.fork(words, log, fault, told)
        counted.outcomes[ended] += 1
        said = log.read_text(encoding="utf-8", errors="replace")
        if "Traceback" in said or ended not in CODES:
            return f"code {ended}, {said.strip()[-400:]}"
        lines = [line for line in said.splitlines() if line.startswith("medkt: ")]
        if ended in (2, 3) and ((len(lines) > 1 and not command.talks) or not lines):
            return f"code {ended} and {len(lines)} lines: {said[-400:]}"
        if not (ended == code and command.once):
            again = self.fork(words, log, None, told)
            if again != code:
                return f"code {ended} ({said.strip()[-200:]}), started again: code {again}, {log.read_text().strip()[-300:]}"
        found = command.results(folder)
        differ = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
        left = [one.name for one in folder.rglob("*") if any(word in one.name for word in LEFT)]
        left += temporary()
        return f"code {ended}; differ {differ}, left {left}" if differ or left else ""


def make_inputs(bench: Bench) -> None:
    """What commands read: pictures, a series, two runs, two packages, a key."""
    draw(bench.inputs)
    log, told = bench.root / "log", bench.root / "told"
    series = write_study(bench.inputs / "study", domain="ct", finding="ct_nodule", seed=5, format="dicom", **SMALL)
    os.rename(series, bench.inputs / "series")
    masks = ("--reference", bench.inputs / "reference", "--prediction", bench.inputs / "prediction", "-c", "lesion")
    for name in ("run", "other"):
        words = (
            "evaluate",
            *masks,
            "-o",
            bench.inputs / name,
            "--salt",
            bench.inputs / "salt",
            "--resamples",
            100,
            "-w",
            1,
        )
        assert bench.fork(words, log, None, told) == 0, log.read_text()
    lines = (bench.inputs / "cases.csv").read_text().splitlines()[:3]  # two cases
    (bench.inputs / "few.csv").write_text("\n".join(lines) + "\n")
    for shard in ("1/2", "2/2"):
        words = ("batch", "--manifest", bench.inputs / "few.csv", "-o", bench.inputs / "shards", "--shard", shard)
        assert bench.fork((*words, "--salt", bench.inputs / "salt", *CHEAP), log, None, told) == 0, log.read_text()
    earlier = ("segment", "-i", bench.inputs / "images/1.png", "-p", "a dark disc", "--modality", "ultrasound")
    assert bench.fork((*earlier, "-o", bench.inputs / "out", *CHEAP), log, None, told) == 0, log.read_text()
    for package, concept in (("a", "us_phyllodes"), ("b", "us_cyst")):
        write_taught(bench.inputs / f"{package}.medkt", concept)
    assert bench.fork(("concept", "sign", "--new-key", bench.inputs / "site.key"), log, None, told) == 0


def learn_once(bench: Bench) -> None:
    """One learning, whose result every `medkt learn` of the bench then has at once: what is attacked is the writing."""
    learnt: list[LearningOutcome] = []
    real = medkt.learning.learn

    def learn(*words: Any, **named: Any) -> LearningOutcome:
        learnt[:] = learnt or [real(*words, **named)]
        return learnt[0]

    medkt.learning.learn = learn
    words = ("learn", "us_phyllodes", "-o", bench.inputs / "learnt.medkt", "--cache", bench.inputs / "cache", *LEARN)
    assert main_of_medkt(list(map(str, words))) == 0


def write_taught(path: Path, concept: str) -> None:
    """A package that shifts one weight of the small model."""
    base = load_encoder("small")
    adapted = copy_encoder(base)
    with torch.no_grad():
        next(one for one in adapted.module.parameters() if one.ndim == 2).mul_(1.01)
    delta = make_delta(base, adapted)
    told = Base(name=delta.base_name, digest=delta.base_digest)
    write_package(path, concept=load_concept(concept), delta=to_bytes(delta), recipe={}, base=told)


def _table(counted: dict[str, Counted], seconds: float, seed: int) -> str:
    total = sum(sum(one.tries.values()) for one in counted.values())
    lines = [
        "# Calls to the system that fail", "",
        f"medkt {__version__} at {revision()}, `python evaluation/failing_calls.py --seconds-each {seconds:g} --seed {seed}`; {total} "
        "tries: one call alone, or it and all later ones of its kind. A cell says how many tries there were, of how many calls.", "",
        f"| command | {' | '.join(KINDS)} | ended 0, 2, 3, 4 | other codes, traces, other results, leftovers |",
        f"|---|{'---|' * (len(KINDS) + 2)}",
    ]  # fmt: skip
    for name, one in counted.items():
        cells = " | ".join(
            f"{one.tries[kind]} of {one.moments[kind]}" if one.moments.get(kind) else "" for kind in KINDS
        )
        ended = ", ".join(str(one.outcomes[code]) for code in CODES)
        lines.append(f"| {name} | {cells} | {ended} | {len(one.wrong)} |")
    lines += ["", *(f"- {line}" for one in counted.values() for line in one.wrong)]
    return "\n".join(lines).rstrip() + "\n"


def _loaded() -> ctypes.CDLL:
    """The library of faults; this program starts itself again with it in front of all others."""
    place = os.environ.get("MEDKT_FAILING_CALLS")
    if place is None:
        folder = tempfile.mkdtemp(prefix="failing-calls-")
        place = f"{folder}/failing_calls.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", place, str(source), "-ldl"], check=True)
        os.environ |= {"MEDKT_FAILING_CALLS": place, "LD_PRELOAD": place, "OMP_NUM_THREADS": "1"}
        os.execv(sys.executable, [sys.executable, *sys.argv])
    os.environ.pop("LD_PRELOAD")
    library = ctypes.CDLL(place)
    shutil.rmtree(Path(place).parent)
    return library


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds-each", type=float, default=20.0, help="for each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=())
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    library = _loaded()
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests")]
    from cli.inline_engine import InlineEngine

    import medkt.io.write_seg
    import medkt.runs.local
    import medkt.tasks.masks.sections
    import medkt.tasks.segment.studies

    medkt.runs.local.LocalEngine = InlineEngine
    torch.set_num_threads(1)
    counted: dict[str, Counted] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "try" / "tmp").mkdir(parents=True)
        tempfile.tempdir = os.environ["TMPDIR"] = str(root / "tmp")
        (root / "tmp").mkdir()
        os.environ |= {"MEDKT_HOME": str(root / "home"), "MPLCONFIGDIR": str(root / "mpl")}
        bench = Bench(root, library)
        make_inputs(bench)
        for which in arguments.only or COMMANDS:
            rng = random.Random(f"{arguments.seed} {which}")
            if which == "learn":
                learn_once(bench)
            counted[which] = bench.attack(which, COMMANDS[which], arguments.seconds_each, rng)
            if arguments.write:  # what there is so far, should it be stopped
                arguments.write.write_text(_table(counted, arguments.seconds_each, arguments.seed), encoding="utf-8")
            print(which, dict(counted[which].moments), dict(counted[which].outcomes), file=sys.stderr, flush=True)
    table = _table(counted, arguments.seconds_each, arguments.seed)
    print(table, end="")
    for line in [line for one in counted.values() for line in one.wrong]:
        print(line)
    return 1 if any(one.wrong for one in counted.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
