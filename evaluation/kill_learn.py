"""Kill `medkt learn` at random moments and go on: the package must be the one of a run that nobody disturbed.

    python evaluation/kill_learn.py --kills 20 --write evaluation/results/kill_learn.md

Few steps and images, so that a run takes seconds. A run goes on from the cache that killed ones left; where one comes to
its end, its package is compared and the next begins with an empty cache. After each kill the package is either absent or
whole.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medkt.concepts import read_package

SETTINGS = (
    "inversion.steps=8", "judged_with.steps=8", "rehearsed_with.steps=8", "images=4", "rehearsal_images=2", "validation_images=2", "views=2",
    "finetune.steps=8", "choice.every=4", "choice.max_forgetting=1.0", "choice.learning_rates=[0.001]",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        calm, disturbed = Path(folder) / "calm", Path(folder) / "disturbed"
        calm.mkdir()
        disturbed.mkdir()
        began = time.monotonic()
        _start(calm).wait()
        whole = time.monotonic() - began
        wanted = read_package(calm / "x.medkt").digest
        killed = broken = finished = 0
        while killed < arguments.kills:
            run = _start(disturbed)
            try:
                run.wait(timeout=rng.uniform(0, whole))
                finished += 1  # in spite of the kills before it: compare, and begin again from nothing
                broken += read_package(disturbed / "x.medkt").digest != wanted
                (disturbed / "x.medkt").unlink()
                shutil.rmtree(disturbed / "cache")
                continue
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
            killed += 1
            if (disturbed / "x.medkt").exists():
                broken += read_package(disturbed / "x.medkt").digest != wanted
                (disturbed / "x.medkt").unlink()
        _start(disturbed).wait()
        same = read_package(disturbed / "x.medkt").digest == wanted
        left = [path.name for path in disturbed.rglob("*") if path.name.endswith(".part") or ".part." in path.name]
    text = (
        "# medkt learn, killed\n\n"
        f"`python evaluation/kill_learn.py --kills {arguments.kills} --seed {arguments.seed}`\n\n"
        "| | |\n|---|---|\n"
        f"| undisturbed run | {whole:.1f} s |\n| killed with -9 at random moments | {killed} |\n"
        f"| runs that came to their end between kills | {finished} |\n"
        f"| packages under the final name, after a kill or at the end, that are broken or differ | {broken} |\n"
        f"| package after the last run equal to the undisturbed one | {'yes' if same else 'NO'} |\n"
        f"| temporary files left by kills (hidden names, never read) | {len(left)} |\n"
    )
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    sys.exit(0 if same and not broken else 1)


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    sets = [word for setting in SETTINGS for word in ("--set", setting)]
    command = [sys.executable, "-m", "medkt", "learn", "us_phyllodes", "-o", str(folder / "x.medkt"), "-q", *sets]
    environment = {**os.environ, "MEDKT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "--overwrite"], env=environment, start_new_session=True)


if __name__ == "__main__":
    main()
