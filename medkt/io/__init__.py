"""Files to images, and masks back to files."""

from medkt.io.read import read_image
from medkt.io.read_mask import read_mask
from medkt.io.write_nifti import write_nifti_mask, write_saliency_nifti
from medkt.io.write_png import write_png_mask
from medkt.io.write_seg import write_dicom_seg

__all__ = [
    "read_image",
    "read_mask",
    "write_dicom_seg",
    "write_nifti_mask",
    "write_png_mask",
    "write_saliency_nifti",
]
