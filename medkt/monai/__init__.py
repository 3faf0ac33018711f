"""A door into MONAI: medkt as a transform of its pipelines, and a taught concept as a bundle of its own runner.

It loads MONAI, so that nothing else in medkt imports it. What is asked, and how, is that of `medkt.segment`.

    from medkt.monai import SegmentFromTextd, write_bundle
"""

from medkt.monai.bundle import write_answers, write_bundle
from medkt.monai.tensors import image_of, mask_like
from medkt.monai.transforms import SegmentFromText, SegmentFromTextd

__all__ = ["SegmentFromText", "SegmentFromTextd", "image_of", "mask_like", "write_answers", "write_bundle"]
