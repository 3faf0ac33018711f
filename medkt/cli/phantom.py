"""`medkt phantom`: synthetic studies with their answer, for trying things out, tests and benchmarks."""

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, help="folder to write the study into")
    parser.add_argument(
        "--finding", default="ct_nodule", help="a finding's id, or 'none' for a normal study of --domain"
    )
    parser.add_argument("--domain", choices=("cxr", "ct", "mri", "ultrasound"), help="needed with --finding none")
    parser.add_argument("--format", choices=("dicom", "nifti", "png"), default="dicom")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=1, help="of an ultrasound clip")
    parser.add_argument("--oblique", action="store_true", help="turn the slices away from the patient's axes")
    parser.add_argument("--list", action="store_true", help="list the findings that can be drawn")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Write one study and print the path to give to `medkt segment -i`, and that of the reference mask."""
    from medkt.errors import OutputError, SettingsError
    from medkt.phantom.finding import find, findings
    from medkt.phantom.study import reference_path, write_study

    if arguments.list:
        for finding in findings().values():
            print(
                f"{finding.id:<22}{finding.domain:<12}{'held out  ' if finding.held_out else '          '}{finding.name}"
            )
        return 0
    if arguments.output is None:
        raise SettingsError("say where to write the study: -o FOLDER")
    normal = arguments.finding == "none"
    if normal and arguments.domain is None:
        raise SettingsError("--finding none needs --domain: cxr, ct, mri or ultrasound")
    domain = arguments.domain if normal else find(arguments.finding).domain
    if not normal and arguments.domain not in (None, domain):
        raise SettingsError(f"{arguments.finding} is a finding of {domain}, not of {arguments.domain}")
    if arguments.seed < 0:
        raise SettingsError(f"--seed is 0 or more, got {arguments.seed}")
    try:
        study = write_study(
            arguments.output, domain=domain, finding="" if normal else arguments.finding, seed=arguments.seed,
            format=arguments.format, frames=arguments.frames, oblique=arguments.oblique,
        )  # fmt: skip
    except OSError as error:
        raise OutputError(
            f"{arguments.output}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    written = {"study": str(study), "reference": str(reference_path(study)), "domain": domain}
    print(
        json.dumps(written, allow_nan=False) if arguments.json else f"study: {study}\nreference: {written['reference']}"
    )
    return 0
