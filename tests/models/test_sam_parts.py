"""segment_anything without its predictor: a start of medkt does without torchvision, and the package stays whole for others."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from segment_anything.utils.transforms import ResizeLongestSide
from segmentation.tiny_sam import make_sam

from medkt.segmentation.sam import SamSegmenter

ENTERED = """
import sys
from medkt.models.sam_parts import Sam
import medkt.pipeline
assert not {"torchvision", "torch._dynamo"} & set(sys.modules), "the start brings the predictor's imports"
import segment_anything
import segment_anything.modeling
from segment_anything import SamPredictor, sam_model_registry
assert segment_anything.modeling.Sam is Sam and SamPredictor and "vit_b" in sam_model_registry
try:
    segment_anything.no_such_name
except AttributeError:
    print("whole")
"""


@pytest.mark.slow
def test_a_start_brings_no_torchvision_and_the_package_is_whole_when_asked() -> None:
    ran = subprocess.run([sys.executable, "-c", ENTERED], capture_output=True, text=True)
    assert ran.stdout == "whole\n", ran.stderr


def test_an_image_is_framed_as_the_package_frames_it() -> None:
    sam = make_sam()
    plane = np.random.default_rng(0).random((37, 91), dtype=np.float32)
    grey = np.rint(plane * 255).astype(np.uint8)
    theirs = ResizeLongestSide(sam.image_encoder.img_size).apply_image(np.repeat(grey[:, :, None], 3, axis=2))
    ours = SamSegmenter(sam)._cornered(plane)
    assert torch.equal(ours[0].permute(1, 2, 0), torch.from_numpy(theirs).float())
