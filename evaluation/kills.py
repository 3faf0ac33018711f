"""Kill commands at random moments and start them again: the results must be those of a run that nobody disturbed.

    python evaluation/kills.py --rounds 12 --write evaluation/results/kills.md
    python evaluation/kills.py --only segment learn --rounds 30 --seed 3

`batch`, `evaluate`, `learn`, `calibrate` and `segment --overwrite`, on drawn pictures with the small model. Every second
round ends with SIGTERM, the others with SIGKILL to the command and all its workers. A command goes on with what killed
ones left; where one comes to its end, its files are compared byte by byte and the next begins anew. Times stand in
`result.json` (`seconds`), in pages and in tables of timings: these are left out. After SIGTERM at once, and after
SIGKILL at the next end, nothing may be left in the temporary folder or half written beside the results.

Commands are forked from a process that has loaded everything, so that the moments fall into the work and not into
loading libraries.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image as Picture

from medkt.about import __version__
from medkt.cli.main import main as medkt
from medkt.concepts import read_package

SIDE = 64
PICTURES = 24
CHEAP = ("--set", "m2ib.steps=2", "--set", "m2ib.samples=2", "--set", "map.max_slices=2")
LEARN = tuple(
    word
    for setting in (
        "inversion.steps=4", "judged_with.steps=2", "rehearsed_with.steps=2", "images=2", "rehearsal_images=1",
        "validation_images=1", "views=1", "pictured=0.0", "finetune.steps=4", "choice.every=4", "choice.max_forgetting=1.0",
        "choice.learning_rates=[0.001]",
        *(f"{part}.dtype=float32" for part in ("inversion", "judged_with", "rehearsed_with", "finetune")),  # much faster on CPUs
    )
    for word in ("--set", setting)
)  # fmt: skip
TIMED = ("report.html", "timings.parquet", "timings.csv", "run.json")
LEFT = (".part", ".medkt-scratch-", ".held")


@dataclass
class Command:
    """What is run in a folder, what lies there before, and which files must come out the same."""

    name: str
    words: Callable[[Path, Path], Sequence[object]]  # (inputs, folder)
    results: Callable[[Path], dict[str, bytes]]
    before: Callable[[Path, Path], None] = lambda inputs, folder: None


@dataclass
class Counted:
    """What came of the rounds of a command."""

    whole: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    differ: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # traces, and codes that are not expected


def draw(root: Path) -> Path:
    """Grey pictures of a disc in noise, as images and as masks of two raters, with manifests."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE))
    for name in ("images", "reference", "prediction"):
        (root / name).mkdir(parents=True)
    cases, normals = ["case_id,image,concept,modality"], ["case_id,image,patient_id,present,modality"]
    for number in range(PICTURES):
        away = np.hypot(rows - rng.integers(25, 40), columns - rng.integers(25, 40))
        values = np.where(away < 9, 40, 130) + rng.normal(0, 25, (SIDE, SIDE))
        image = root / "images" / f"{number}.png"
        Picture.fromarray(values.clip(0, 255).astype(np.uint8)).save(image)
        for name, radius in (("reference", 9), ("prediction", 7)):
            Picture.fromarray(((away < radius) * 255).astype(np.uint8)).save(root / name / f"{number}.png")
        cases += [f"c{number},{image},us_cyst,ultrasound"] if number < 6 else []
        normals.append(f"n{number},{image},p{number},0,ultrasound")
    (root / "cases.csv").write_text("\n".join(cases) + "\n", encoding="utf-8")
    (root / "normals.csv").write_text("\n".join(normals) + "\n", encoding="utf-8")
    (root / "salt").write_text("5a" * 32, encoding="ascii")
    return root


def folder_of(path: Path) -> dict[str, bytes]:
    """Every file that holds no time, and `result.json` without its seconds."""
    found = {}
    for file in sorted(one for one in path.rglob("*") if one.is_file() and one.name not in TIMED):
        name = str(file.relative_to(path))
        found[name] = file.read_bytes()
        if file.name == "result.json":
            record = {key: value for key, value in json.loads(found[name]).items() if key != "seconds"}
            found[name] = json.dumps(record).encode()
    return found


def run_of(path: Path) -> dict[str, bytes]:
    """Tables and folders of cases of a run."""
    tables = {file.name: file.read_bytes() for file in sorted(path.glob("*.csv")) + sorted(path.glob("*.parquet"))}
    return {name: content for name, content in {**tables, **folder_of(path / "cases")}.items() if name not in TIMED}


def _batch(inputs: Path, folder: Path) -> Sequence[object]:
    return (
        "batch",
        "--manifest",
        inputs / "cases.csv",
        "-o",
        folder / "run",
        "--salt",
        inputs / "salt",
        "-w",
        2,
        *CHEAP,
    )


def _evaluate(inputs: Path, folder: Path) -> Sequence[object]:
    masks = ("--reference", inputs / "reference", "--prediction", inputs / "prediction", "-c", "lesion")
    return ("evaluate", *masks, "-o", folder / "run", "--salt", inputs / "salt", "--resamples", 100, "-w", 2)


def _learn(inputs: Path, folder: Path) -> Sequence[object]:
    return (
        "learn",
        "us_phyllodes",
        "-o",
        folder / "x.medkt",
        "--overwrite",
        "--cache",
        folder / "cache",
        "--audit",
        "none",
        *LEARN,
    )


def _calibrate(inputs: Path, folder: Path) -> Sequence[object]:
    outputs = ("-o", folder / "rule.json", "--figure", folder / "rule.png", "--overwrite")
    return ("calibrate", "us_cyst", "-m", inputs / "normals.csv", *outputs)


def _segment(inputs: Path, folder: Path) -> Sequence[object]:
    image = ("-i", inputs / "images" / "1.png", "--modality", "ultrasound", "-c", "us_cyst", "us_fibroadenoma")
    return ("segment", *image, "-o", folder / "out", "--overwrite", *CHEAP)


def _earlier(inputs: Path, folder: Path) -> None:
    """Another result, which is to be replaced: of other findings, so that other files lie there."""
    words = list(map(str, _segment(inputs, folder)))
    at = words.index("us_fibroadenoma")
    words[at] = "us_carcinoma"
    if forked(words, folder / "log").wait() != 0:
        raise SystemExit((folder / "log").read_text())


def _learned(folder: Path) -> dict[str, bytes]:
    digest = read_package(folder / "x.medkt").digest.encode()
    return {"x.medkt": (folder / "x.medkt").read_bytes(), "digest": digest, "x.html": (folder / "x.html").read_bytes()}


def _rule(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("rule.json", "rule.png")}


COMMANDS = (
    Command("batch", _batch, lambda folder: run_of(folder / "run")),
    Command("evaluate", _evaluate, lambda folder: run_of(folder / "run")),
    Command("learn", _learn, _learned),
    Command("calibrate", _calibrate, _rule),
    Command("segment", _segment, lambda folder: folder_of(folder / "out"), _earlier),
)


class Forked:
    """A command in a process of its own, and of a group of its own."""

    def __init__(
        self,
        words: Sequence[object],
        log: Path,
        *,
        begin: Callable[[], None] = lambda: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        """`begin` and `end` are called in the process, before and after the command."""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            begin()
            try:
                code = medkt([str(word) for word in words])
            except SystemExit as stop:  # of argparse
                code = int(stop.code or 0)
            except BaseException:
                traceback.print_exc()
                code = 99
            sys.stdout.flush()
            sys.stderr.flush()
            end()
            os._exit(code)

    def wait(self, seconds: float = 3600.0) -> int | None:
        """Its exit code, minus the signal that ended it; None where it still runs."""
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                return None
            time.sleep(0.002)

    def kill(self, number: signal.Signals) -> None:
        """SIGTERM to the command alone, as a scheduler does it; SIGKILL to all of its group."""
        if number == signal.SIGTERM:
            os.kill(self.pid, number)
        else:
            os.killpg(self.pid, number)


def forked(words: Sequence[object], log: Path) -> Forked:
    return Forked(words, log)


def rounds_of(command: Command, inputs: Path, root: Path, rounds: int, rng: random.Random) -> Counted:
    counted, folder = Counted(), root / "disturbed"
    calm = root / "calm"
    calm.mkdir(parents=True)
    command.before(inputs, calm)
    began = time.monotonic()
    if forked(command.words(inputs, calm), calm / "log").wait() != 0:
        raise SystemExit((calm / "log").read_text())
    counted.whole = time.monotonic() - began
    wanted = command.results(calm)
    fresh = True
    while sum(counted.killed.values()) < rounds or not fresh:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            command.before(inputs, folder)
        last = sum(counted.killed.values()) >= rounds
        number = (signal.SIGKILL, signal.SIGTERM)[sum(counted.killed.values()) % 2]
        fresh = _one(command, inputs, folder, None if last else (number, rng.uniform(0, 1.1 * counted.whole)), counted)
        if fresh:
            counted.ended += 1
            found = command.results(folder)
            counted.differ += [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
            counted.left += _left(folder)
    return counted


def _one(
    command: Command, inputs: Path, folder: Path, kill: tuple[signal.Signals, float] | None, counted: Counted
) -> bool:
    """One start, which is killed unless it ends before; gives whether it ended."""
    log = folder / "log"
    run = forked(command.words(inputs, folder), log)
    code = run.wait() if kill is None else run.wait(kill[1])
    if code is None and kill is not None:
        run.kill(kill[0])
        code = run.wait()
        counted.killed[kill[0].name] += 1
    said = log.read_text(encoding="utf-8", errors="replace")
    killed = kill is not None and code in (-signal.SIGKILL, 128 + kill[0])
    if "Traceback" in said or not (code == 0 or killed):
        counted.said.append(f"code {code}: {said[-300:]}")
    if killed and kill is not None and kill[0] == signal.SIGTERM:
        counted.left += [f"after SIGTERM: {name}" for name in _left(folder)]
    return code == 0


def _left(folder: Path) -> list[str]:
    found = [one.name for one in folder.rglob("*") if any(word in one.name for word in LEFT)]
    return found + temporary()


def temporary() -> list[str]:
    """What lies in the temporary folder, but for torch's own of compiled code, which holds nothing of a study."""
    names = sorted(one.name for one in Path(tempfile.gettempdir()).iterdir())
    return [f"temporary: {name}" for name in names if not name.startswith("torchinductor_")]


def revision() -> str:
    """The commit that the table is of; empty outside a checkout."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _table(counted: dict[str, Counted], seed: int) -> str:
    total = sum(sum(one.killed.values()) for one in counted.values())
    lines = [
        "# Commands, killed", "",
        f"medkt {__version__} at {revision()}, `python evaluation/kills.py`, seed {seed}; {total} kills at random moments, the "
        "next start goes on. A run that comes to its end is compared with an undisturbed one, and the next begins anew. The "
        "machine had other work.", "",
        "| command | undisturbed, s | SIGKILL | SIGTERM | came to their end | files that differ | left half written or temporary | traces, other codes |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, one in counted.items():
        lines.append(
            f"| {name} | {one.whole:.1f} | {one.killed['SIGKILL']} | {one.killed['SIGTERM']} | {one.ended} | {len(one.differ)} "
            f"| {len(one.left)} | {len(one.said)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[one.name for one in COMMANDS], default=())
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    import torch  # what commands load, loaded once

    import medkt.learning
    import medkt.tasks.masks.sections
    import medkt.tasks.segment.studies  # noqa: F401

    torch.set_num_threads(1)
    counted: dict[str, Counted] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "tmp").mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(root / "tmp")
        os.environ |= {"MEDKT_HOME": str(root / "home"), "MPLCONFIGDIR": str(root / "mpl")}
        inputs = draw(root / "inputs")
        for command in (one for one in COMMANDS if one.name in (arguments.only or [one.name])):
            rng = random.Random(f"{arguments.seed} {command.name}")
            counted[command.name] = rounds_of(command, inputs, root / command.name, arguments.rounds, rng)
            print(command.name, counted[command.name], file=sys.stderr, flush=True)
    table = _table(counted, arguments.seed)
    print(table, end="")
    if arguments.write:
        arguments.write.write_text(table, encoding="utf-8")
    return 0 if not any(one.differ or one.left or one.said for one in counted.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
