"""`medkt calibrate`: the presence of one concept turned into a decision with a stated false-positive rate, for this site."""

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

from medkt.cli.fill import add_options, filled
from medkt.cli.terminal import Terminal, say_notes
from medkt.requests.calibrate import CalibrateRequest, CalibrateResult, calibrate

if TYPE_CHECKING:
    from medkt.calibration import Assessment
    from medkt.statistics import Interval


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Scores normals of this site and says above which score the finding is called present, so that at most a stated share "
        "of normals is. With studies that show the finding it also says probabilities and how many are missed."
    )
    add_options(parser, CalibrateRequest)
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Calibrate; 0 also where the promise did not hold on the second sample, which is said."""
    found = calibrate(filled(CalibrateRequest, arguments), listener=Terminal(arguments))
    if arguments.json:
        print(json.dumps(_record(found), allow_nan=False))
        return 0
    calibration, rates = found.calibration, found.calibration.settings
    key, findings = calibration.key, 0 if calibration.findings is None else calibration.findings.count
    print(f"{key.concept} ({key.modality}) with {key.model}, site {calibration.site}")
    print(f"  from {calibration.normals.count} normals and {findings} studies with the finding, one a patient")
    print(f"  present above {calibration.present_above:.4g}: at most {rates.false_positive_rate:g} of normals")
    missed = f"at most {rates.miss_rate:g} of findings" if calibration.promises_misses else "no rate of misses promised"
    print(f"  absent up to {calibration.absent_up_to:.4g}: {missed}")
    for line in _measured(found.assessment):
        print(f"  {line}")
    say_notes(found.notes)
    print(f"  {found.file}")
    return 0


def _measured(assessment: "Assessment") -> list[str]:
    lines = []
    if assessment.auc is not None and assessment.sensitivity is not None:
        lines += [
            f"AUC {_shown(assessment.auc)}",
            f"above the threshold of normals: {_shown(assessment.sensitivity)} of findings",
        ]
    if (held := assessment.held_out) is not None:
        lines.append(
            f"false positives in {held.splits} random halves: {held.mean:.3f} "
            f"({held.low:.3f} to {held.high:.3f} in nine of ten), promised {held.promised:g}"
        )
    if assessment.probabilities is not None and assessment.risk_coverage is not None:
        numbers = assessment.probabilities.numbers
        lines.append(
            f"cross-validated probabilities: calibration error {numbers['ece']:.3f}, Brier {numbers['brier']:.3f}, "
            f"area under risk and coverage {assessment.risk_coverage.area:.4f}"
        )
    for kind, shares in (assessment.check or {}).items():
        if shares.studies:
            lines.append(
                f"second sample, {shares.studies} {'normals' if kind == 'normal' else 'with the finding'}: "
                f"present {_shown(shares.present)}, absent {_shown(shares.absent)}, no claim {_shown(shares.abstain)}, "
                f"of these unlike {_shown(shares.unlike)}"
            )
    return lines


def _shown(interval: "Interval") -> str:
    ends = f" ({interval.low:.3f} to {interval.high:.3f})" if math.isfinite(interval.low) else ""
    return f"{interval.estimate:.3f}{ends}"


def _record(found: CalibrateResult) -> dict[str, Any]:
    from medkt.records import as_plain

    calibration = found.calibration
    return {
        "key": as_plain(calibration.key), "site": calibration.site, "made": calibration.made,
        "settings": as_plain(calibration.settings), "normals": calibration.normals.count,
        "findings": 0 if calibration.findings is None else calibration.findings.count,
        "present_above": calibration.present_above, "absent_up_to": calibration.absent_up_to,
        "promises_misses": calibration.promises_misses,
        "recognises_unlike": calibration.novelty is not None,
        "assessment": as_plain(found.assessment), "notes": list(found.notes), "file": str(found.file),
    }  # fmt: skip
