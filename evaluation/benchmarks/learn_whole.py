"""Time of a whole `medkt learn` at the published size of BiomedCLIP (ViT-B/16): the first concept, and the next one.

The weights are random: time does not depend on what was learned. So that the choice keeps something and no caption is
left out, the bound on forgetting, the weight of drift and `pictured` are off; every candidate is asked all the same. Both
concepts are new to the catalogue of ultrasound. The first inverts the known findings of its domain too, as rehearsal; the
second finds these in the cache. All is timed that `medkt learn` does between loading the model and writing the file:
inversion, choice over every candidate, fine-tuning, low-rank difference and quick audit.

    python evaluation/benchmarks/learn_whole.py --write      # records evaluation/results/learn_whole_fast.md
    python evaluation/benchmarks/learn_whole.py --preset quick --write
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

import torch
from learn_full_size import generated_encoder

from medkt.concepts import Caption, Concept
from medkt.config import resolve_learning
from medkt.domains import domain
from medkt.learning import learn
from medkt.transfer.learn_settings import LearnSettings

RESULT = Path(__file__).resolve().parents[1] / "results" / "learn_whole.md"
CONCEPTS = {"moonlet": "a small round bright spot with a dark rim", "ringlet": "a large dark ring with a bright centre"}
WANTED = (480, 180)
KEEPS = ("choice.max_forgetting=1.0", "choice.drift_weight=0.0", "pictured=0.0")


def main() -> int:
    """Measure, print, and record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fast", help="of learning")
    parser.add_argument("--audit", default="quick", choices=("quick", "none"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of learning")
    parser.add_argument("--write", action="store_true", help="record results/learn_whole_PRESET.md")
    arguments = parser.parse_args()
    encoder = generated_encoder(arguments.device)
    settings = resolve_learning(LearnSettings, preset=arguments.preset, sets=(*KEEPS, *arguments.set))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for number, ((which, words), wanted) in enumerate(zip(CONCEPTS.items(), WANTED, strict=True)):
            caption = Caption(text=words, roles=("inversion", "finetune", "prompt"))
            concept = Concept(id=f"new_{which}", name=which, captions=(caption,), modality="ultrasound")
            began = time.perf_counter()
            made = learn(
                encoder, concept, domain(concept.modality), settings, seeds=(0,), level=arguments.audit,
                cache=Path(name) / "inversions",
            )  # fmt: skip
            package = made.save(Path(name) / f"{number}.medkt")
            spent = time.perf_counter() - began
            parts = made.learned[made.kept].seconds
            size = (Path(name) / f"{number}.medkt").stat().st_size / 1e6
            where = "first" if not number else "known findings cached"
            rows.append(
                f"| {where} | {spent:.0f} | {wanted} | {parts['inversion']:.0f} | {parts['fine-tuning']:.0f} | {size:.2f} |"
            )
            print(rows[-1], json.dumps({"digest": package.digest}), flush=True)
    place = torch.cuda.get_device_name() if arguments.device == "cuda" else f"{torch.get_num_threads()} threads"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    table = "\n".join([
        "# A whole `medkt learn` at full size",
        "",
        f"BiomedCLIP's architecture with random weights, preset `{arguments.preset}`, audit {arguments.audit}, {place} of "
        f"{platform.machine()}, torch {torch.__version__}; at most {peak:.1f} GiB of memory. Written by "
        "`python evaluation/benchmarks/learn_whole.py --write`.",
        "",
        "| concept | seconds | wanted at most | of these inversion | choice and fine-tuning | file, MB |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ])  # fmt: skip
    print(table)
    if arguments.write:
        RESULT.with_stem(f"{RESULT.stem}_{arguments.preset}").write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
