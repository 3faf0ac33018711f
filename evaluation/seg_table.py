"""A DICOM SEG of every kind of source with one to three segments: what dciodvfy, dcmqi and highdicom say of it.

    python evaluation/seg_table.py --write evaluation/results/seg_table.md

Masks are random, overlap, and leave a slice out. dciodvfy checks the form; an error about a value that is wrong in the source
already (an identifier, which the SEG has to repeat) stands beside. dcmqi's segimage2itkimage, 3D Slicer's reader, reads the
SEG, and the world points of its voxels are compared with the mask's. A frame is right where its voxels, its position and the
pixels of the source frame that it names are those of one slice. medkt reads the SEG onto the image, and scores it against its
own NIfTI mask.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "io")]

import highdicom as hd  # noqa: E402
import numpy as np  # noqa: E402
from seg_kinds import FAILING, FINDINGS, MADE, REAL, make, masks_for, read  # noqa: E402
from seg_oracles import form_errors, in_dcmqi, same_points, wrong_frames  # noqa: E402

from medkt.io import read_image, read_mask, write_dicom_seg, write_nifti_mask  # noqa: E402
from medkt.spatial import Image, Mask  # noqa: E402

COLUMNS = (
    "source", "slices", "segments", "frames", "dciodvfy errors", "of the source's own values", "dcmqi equal", "frames right",
    "highdicom", "medkt, on the image", "DSC with the own NIfTI",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
    with tempfile.TemporaryDirectory() as folder:
        for name, path, volume in sources(Path(folder)):
            for segments in (1, 2, 3):
                with warnings.catch_warnings(record=True):
                    warnings.simplefilter("always")
                    rows.append(" | ".join(row(name, path, volume, segments, Path(folder))))
                print(rows[-1], flush=True)
    page = "# DICOM SEG, by kind of source\n\n" + "\n".join(f"| {line} |" for line in rows) + "\n"
    if arguments.write:
        arguments.write.write_text(page + "\nMade by `python evaluation/seg_table.py`.\n", encoding="utf-8")


def sources(folder: Path) -> list[tuple[str, Path, int | None]]:
    """Those made here, and those that lie beside the checkout."""
    beside = ROOT.parent / "shared"
    failing = Path(os.environ.get("MEDKT_FAILING", beside / "failing"))
    real = Path(os.environ.get("MEDKT_DATA", beside / "data"))
    found: list[tuple[str, Path, int | None]] = []
    for place, name in enumerate(MADE):
        (folder / str(place)).mkdir()
        found.append((name, make(name, folder / str(place)), None))
    found += [(one.name, failing / one.path, one.volume) for one in FAILING]
    found += [(one.name, real / one.path, one.volume) for one in REAL]
    return [one for one in found if one[1].exists()]


def row(name: str, source: Path, volume: int | None, segments: int, folder: Path) -> list[str]:
    """One line of the table."""
    image = read(source, volume)
    masks = masks_for(image, segments)
    path = write_dicom_seg(masks, FINDINGS[:segments], image, folder / "seg.dcm")
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    errors, inherited = form_errors(path, files)
    seg = hd.seg.segread(path)
    frames = int(seg.NumberOfFrames)
    wrong = wrong_frames(path, files, image, masks)
    own = all(np.array_equal(read_mask(path, like=image, label=n).values, m.values) for n, m in enumerate(masks, 1))
    return [
        name, str(image.geometry.shape[0]), str(segments), str(frames), str(len(errors)), str(inherited),
        yes(same_points(in_dcmqi(path, segments), masks)), f"{frames - len(wrong)} of {frames}",
        yes(seg.number_of_segments == segments), yes(own), f"{dsc(path, masks, image, folder):.3f}",
    ]  # fmt: skip


def dsc(path: Path, masks: list[Mask], image: Image, folder: Path) -> float:
    """The smallest over the segments, the SEG laid on the grid of the NIfTI mask."""
    scores = []
    for number, mask in enumerate(masks, 1):
        nifti = write_nifti_mask(mask, image, folder / "mask.nii.gz")
        ours, theirs = read_mask(path, like=read_image(nifti), label=number).values, read_mask(nifti).values
        scores.append(2 * float((ours & theirs).sum()) / float(ours.sum() + theirs.sum()))
    return min(scores)


def yes(value: bool) -> str:
    return "yes" if value else "NO"


if __name__ == "__main__":
    main()
