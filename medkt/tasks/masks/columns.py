"""The columns of a result table of masks: how each compares with its reference."""

from medkt.tasks.base import Column

SCORED = (
    Column(name="concept", kind="text", meaning="what was looked for; a row a case and concept"),
    Column(name="present", kind="yes or no", meaning="whether it was seen; empty where nothing was decided"),
    Column(name="outcome", kind="text", meaning="which of the two masks is empty: normal, both empty, ..."),
    Column(name="dsc", kind="number", meaning="Dice score of the masks, 0 to 1"),
    Column(name="iou", kind="number", meaning="intersection over union, 0 to 1"),
    Column(name="nsd@{tolerance}", kind="number", meaning="share of the boundaries within the tolerance, 0 to 1"),
    Column(
        name="nsd_slab@{tolerance}", kind="number", meaning="what publications call NSD: the surface of a slab, 0 to 1"
    ),
    Column(name="hd_{unit}", kind="number", meaning="largest distance of the boundaries (Hausdorff)"),
    Column(name="hd95_{unit}", kind="number", meaning="95th percentile of the distances of the boundaries"),
    Column(name="assd_{unit}", kind="number", meaning="mean distance of the boundaries, both ways"),
    Column(
        name="volume_{side}_ml", kind="number", unit="ml", meaning="volume of a mask, or of prediction minus reference"
    ),
    Column(name="volume_difference_relative", kind="number", meaning="of the reference's volume"),
    Column(name="lesions_{what}", kind="number", meaning="how many lesions: of the reference, predicted, found"),
    Column(
        name="lesion_{what}",
        kind="number",
        meaning="false positives of a case; sensitivity and precision over its lesions, 0 to 1",
    ),
    Column(name="scores_found", kind="text", meaning="presence score of each lesion that was found"),
    Column(name="scores_false", kind="text", meaning="presence score of each false alarm"),
    Column(name="infinite", kind="text", meaning="which of the numbers are infinite, and empty here"),
    Column(name="no_number", kind="text", meaning="why other numbers are empty"),
    Column(name="{side}_outside_{unit}", kind="number", meaning="of a mask outside the other's field of view"),
    Column(name="{side}_rule", kind="text", meaning="which values of the mask's file are inside"),
    Column(name="{side}_digest", kind="text", meaning="of the voxels, to know copies by"),
)
"""Where two masks are compared."""
