"""`medkt demo`: segment a bundled study, a synthetic chest CT whose answer is known."""

import argparse
import shutil
from pathlib import Path

FINDING = "ct_nodule"
SEED = 7
MARK = "made-by-medkt-demo.txt"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("demo-output"), metavar="FOLDER")


def run(arguments: argparse.Namespace) -> int:
    """Write the study as a DICOM series, run `medkt segment` on it, and say where the pictures are."""
    from medkt.cli.main import main
    from medkt.errors import OutputError
    from medkt.extras import has_extra, how_to_install
    from medkt.phantom.study import reference_path, write_study
    from medkt.report.study_folder import prepare_folder

    output: Path = arguments.output
    prepare_folder(output)
    study_folder = output / "study"
    if study_folder.exists() and not (study_folder / MARK).is_file():
        raise OutputError(f"{study_folder}: stands there and is not of an earlier demo; choose another output folder")
    shutil.rmtree(study_folder, ignore_errors=True)
    study = write_study(study_folder, domain="ct", finding=FINDING, seed=SEED, format="dicom")
    (study_folder / MARK).write_text("Made by `medkt demo`, which makes this folder anew at each run.\n")
    makes_seg = has_extra("dicom-objects")
    formats = "nifti,dicom-seg,png" if makes_seg else "nifti,png"
    command = ["segment", "-i", str(study), "-o", str(output / "result"), "-c", FINDING, "--format", formats,
               "--reference", str(reference_path(study)), "--overwrite"]  # fmt: skip
    print(f"$ medkt {' '.join(command)}")
    if not makes_seg:
        print(f"without a DICOM segmentation for a viewer, which needs the extra: {how_to_install('dicom-objects')}")
    code = main(command)
    if code == 0:
        result = (output / "result").resolve()
        print(
            f"\nmask     {result / f'{FINDING}.nii.gz'}\npicture  {result / 'overlay.png'}\nreport   {result / 'report.html'}"
        )
        print(
            f"folder   {result}\n\n{_drawn(reference_path(study))}\nThe study is synthetic; scores on it say nothing about patients."
        )
    return code


def _drawn(reference: Path) -> str:
    """What was drawn, to hold against what was found."""
    from medkt.io import read_mask
    from medkt.metrics import measure
    from medkt.report.sizes import size_text

    return f"What was drawn into the study: {size_text(measure(read_mask(reference)))}."
