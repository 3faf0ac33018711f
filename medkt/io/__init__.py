"""Files to images, and masks back to files. Each is loaded when it is first used: only the writer of DICOM needs highdicom."""

from typing import TYPE_CHECKING

from medkt.lazy import names_of

_WHERE = {
    "read_image": "medkt.io.read",
    "read_mask": "medkt.io.masks",
    "seg_refusal": "medkt.io.write_seg",
    "write_dicom_seg": "medkt.io.write_seg",
    "write_itk_mask": "medkt.io.write_itk",
    "write_itk_saliency": "medkt.io.write_itk",
    "write_nifti_mask": "medkt.io.write_nifti",
    "write_png_mask": "medkt.io.write_png",
    "write_saliency_nifti": "medkt.io.write_nifti",
}

__all__ = [*_WHERE]

if TYPE_CHECKING:
    from medkt.io.masks import read_mask as read_mask
    from medkt.io.read import read_image as read_image
    from medkt.io.write_itk import write_itk_mask as write_itk_mask
    from medkt.io.write_itk import write_itk_saliency as write_itk_saliency
    from medkt.io.write_nifti import write_nifti_mask as write_nifti_mask
    from medkt.io.write_nifti import write_saliency_nifti as write_saliency_nifti
    from medkt.io.write_png import write_png_mask as write_png_mask
    from medkt.io.write_seg import seg_refusal as seg_refusal
    from medkt.io.write_seg import write_dicom_seg as write_dicom_seg

__getattr__ = names_of(__name__, _WHERE, globals())
