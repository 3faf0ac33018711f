"""The columns of a result table of findings, beside those of scored masks."""

from medkt.tasks.base import Column

FOUND = (
    Column(name="no_claim", kind="text", meaning="why nothing was claimed, by code"),
    Column(name="decision", kind="text", meaning="seen, not seen, no claim or not decided"),
    Column(name="score", kind="number", meaning="presence score of the study"),
    Column(name="p_value", kind="number", meaning="of the score among a site's normals"),
    Column(name="probability", kind="number", meaning="that the finding is there, by a site's calibration"),
    Column(name="specificity", kind="number", meaning="of the map to the words"),
    Column(name="slice_disagreement", kind="number", meaning="between neighbouring planes of the mask"),
    Column(name="pieces_dropped", kind="whole", meaning="pieces of the mask that were too small"),
    Column(name="slices_with_mask", kind="whole", meaning="planes with a part of the mask"),
    Column(name="unit", kind="text", meaning="of lengths: mm or pixel"),
    Column(name="mask_voxels", kind="whole", meaning="inside the mask"),
    Column(name="lesion_count", kind="whole", meaning="connected pieces of the mask"),
    Column(name="border_count", kind="whole", meaning="of them, those that touch the image's border"),
    Column(name="sum_volume_ml", kind="number", unit="ml", meaning="of all lesions"),
    Column(name="sum_area", kind="number", meaning="of all lesions of one plane, in the unit squared"),
    Column(name="frame", kind="text", meaning="of what the sizes are: the volume, a plane, a clip"),
    Column(name="largest_{size}", kind="number", meaning="a size of the largest lesion"),
    Column(name="largest_touches_border", kind="yes or no", meaning="whether it touches the image's border"),
    Column(name="domain", kind="text", meaning="the modality as it was read"),
    Column(name="planes", kind="whole", meaning="of the study along the axis that was looked at"),
    Column(name="planes_scored", kind="whole", meaning="of them, those that were looked at"),
    Column(name="input_digest", kind="text", meaning="of the voxels and their place"),
    Column(name="incomplete", kind="whole", meaning="files of the study that are lost and not explained"),
    Column(name="warnings", kind="whole", meaning="in the case's result.json"),
    Column(name="words_notes", kind="text", meaning="what is to be known of the words, by code"),
    Column(name="prompt_source", kind="text", meaning="whose words: the concept's own, or the image's sentence"),
    Column(name="oracle_prompt", kind="yes or no", meaning="whether the sentence was chosen for this image"),
)
"""Where a model makes the mask."""
