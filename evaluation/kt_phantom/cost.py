"""Time and memory of asking and of teaching: the small model, and ViT-B/16 at BiomedCLIP's size with generated weights.

    python evaluation/kt_phantom/cost.py                                # results/cost.json, which tables.py shows
    python evaluation/kt_phantom/cost.py --only "small: ask by name"

Every line is a process of its own; "seconds" are of the processor (one thread), after the model is loaded, and "MB" is the most memory
that the process held, the model, torch and all. Of the ways of asking stand the cheapest and the dearest. What is timed on a few pictures or steps only is said to be, with the factor to
what a learning needs. The finding is the hamartoma, among the eight findings of chest CT that the small model knows.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pictures import normal_planes
from tasks import HERE, Task, held_out_tasks, real_images
from teach import settings_of

from medkt.asking import AskingWords, way_called
from medkt.inversion import local_invert
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.saliency.explain import prepare_plane
from medkt.transfer.finetune import Captions, finetune
from medkt.transfer.learning import learn_concept
from medkt.transfer.rehearsal import Rehearsal, image_vectors
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes

PICTURES, IMAGES, STEPS = 8, 2, 2
"""Of the large model: pictures that are looked at, images that are made, steps of each kind."""
Measured = Callable[[DualEncoder, Task], dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cost.json")
    parser.add_argument("--only", help="one line, measured in this process and printed")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measured(arguments.only)))
        return
    there = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
    for what in [what for what in lines() if what not in there]:
        done = subprocess.run([sys.executable, __file__, "--only", what], check=True, capture_output=True, text=True)
        there[what] = json.loads(done.stdout.splitlines()[-1])
        print(what, there[what], flush=True)
        arguments.out.write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")


def lines() -> dict[str, Measured]:
    """Everything that is measured, by what it is called."""
    asks: dict[str, Measured] = {f"ask by {name}": _asks(name) for name in ("name", "virtual with bank")}
    both = {"load": lambda encoder, task: {}, **asks, "look at pictures to set a bias on": look_at_pictures}
    small = {"teach by local": _teaches("local", 0), "teach by 10 labelled images": _teaches("labelled-10", 10)}
    large = {"teach by local: lesions": make_lesions, "teach by local: fine-tuning": fine_tune}
    named = {f"small: {what}": make for what, make in {**both, **small}.items()}
    return {**named, **{f"ViT-B/16: {what}": make for what, make in {**both, **large}.items()}}


def measured(what: str) -> dict[str, Any]:
    """Seconds and memory of one line, in this process."""
    torch.set_num_threads(1)
    task = next(one for one in held_out_tasks() if one.finding.id == "ct_hamartoma")
    encoder = load_small() if what.startswith("small") else _generated()
    began = time.process_time()
    facts = lines()[what](encoder, task)
    seconds = time.process_time() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(seconds, 2), "MB": round(most), **facts}


def look_at_pictures(encoder: DualEncoder, task: Task) -> dict[str, Any]:
    """Vectors of pictures, by which a bias is set."""
    planes = normal_planes(task.domain.name, range(PICTURES), 0)
    pixels = torch.stack([prepare_plane(encoder, plane).pixels for plane in planes])
    image_vectors(encoder, pixels)
    needed = 100 + 12 * len(task.known)
    return {"measured": f"{PICTURES} pictures of {needed}", "factor": needed / PICTURES}


def make_lesions(encoder: DualEncoder, task: Task) -> dict[str, Any]:
    """Local inversions: a few images, a few steps."""
    settings = settings_of("local")
    how = settings.teaching.inversion
    start = _starts(encoder, task, IMAGES)
    local_invert(encoder, task.concept.texts("inversion")[:1], replace(how, steps=STEPS), start=start, seed=0)
    images = (
        settings.images
        + settings.teaching.known * len(task.known)
        + settings.teaching.rivals * settings.teaching.rival_captions
    )
    factor = images * how.steps / (IMAGES * STEPS)  # the gradient that gives the place is one more step of each
    return {"measured": f"{IMAGES} images in {STEPS} steps, of {images} in {how.steps}", "factor": round(factor, 1)}


def fine_tune(encoder: DualEncoder, task: Task) -> dict[str, Any]:
    """Steps of fine-tuning on as many images as a step has."""
    tune = settings_of("local").finetune
    settings = replace(tune, steps=STEPS)
    pixels = torch.rand(tune.batch + tune.rehearsal_batch, 3, encoder.spec.input_size, encoder.spec.input_size)
    words = task.concept.texts("inversion")[:1], tuple(one.name for one in task.known)
    held = Rehearsal.of(encoder, pixels[tune.batch :], words[1])
    finetune(encoder, pixels[: tune.batch], Captions(own=(words[0],), others=words[1]), settings, rehearsal=held)
    return {
        "measured": f"{STEPS} steps of {tune.steps}, and looking at their images once",
        "factor": (tune.steps or STEPS) / STEPS,
    }


def _asks(name: str) -> Measured:
    def ask(encoder: DualEncoder, task: Task) -> dict[str, Any]:
        spoken = AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))
        return {"rivals": len(way_called(name).directions(encoder, spoken).rivals)}

    return ask


def _teaches(condition: str, labelled: int) -> Measured:
    def teach(encoder: DualEncoder, task: Task) -> dict[str, Any]:
        studies = StudyPlanes(images=real_images(task, labelled, 0)) if labelled else NOTHING_GIVEN
        with TemporaryDirectory() as folder:  # an empty cache, so that all is made
            how, cache = settings_of(condition), Path(folder)
            learn_concept(encoder, task.concept, task.domain, how, known=task.known, studies=studies, cache=cache)
        return {}

    return teach


def _starts(encoder: DualEncoder, task: Task, count: int) -> torch.Tensor:
    planes = normal_planes(task.domain.name, range(count), 0)
    side = encoder.spec.input_size
    small = torch.stack([torch.from_numpy(plane) for plane in planes])[:, None]
    return torch.nn.functional.interpolate(small, size=side, mode="bilinear").clamp(0, 1)[None]


def _generated() -> DualEncoder:
    sys.path.append(str(HERE.parent / "benchmarks"))
    from learn_full_size import generated_encoder

    return generated_encoder("cpu")


if __name__ == "__main__":
    main()
