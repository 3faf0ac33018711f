"""What the guard costs: processor seconds with it over those without, in one run.

python evaluation/guard/cost.py
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, View

ROUNDS = 3


def main() -> int:
    """Print a line a study."""
    torch.set_num_threads(1)
    guarded = Pipeline.load("small", device="cpu")
    free = replace(guarded, guard=None)
    print("| study | answer | seconds without | with | more |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        for modality, form, finding, concept in (
            ("cxr", "png", "cxr_effusion", "cxr_effusion"), ("cxr", "png", "", "cxr_effusion"),
            ("ct", "nifti", "ct_tumour", "ct_tumour"), ("ct", "nifti", "", "ct_tumour"), ("mri", "dicom", "", "mri_glioma"),
        ):  # fmt: skip
            path = write_study(
                Path(work) / f"{modality}{finding}", domain=modality, finding=finding, seed=31, format=form
            )
            seconds = {True: [], False: []}
            for _ in range(ROUNDS):
                for on, pipeline in ((False, free), (True, guarded)):
                    began = time.process_time()
                    result = pipeline.segment_file(path, [concept], view=View(modality=modality))
                    seconds[on].append(time.process_time() - began)
            without, with_it = (min(seconds[on]) for on in (False, True))
            state = result.findings[0].found.presence.state
            print(
                f"| {modality} {form} {finding or 'normal'} | {state} | {without:.2f} | {with_it:.2f} | {with_it / without - 1:+.1%} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
