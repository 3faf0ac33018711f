"""Presence scores turned into decisions with stated error rates, for one site; and what is unlike all that it knows. Scores are made in `medkt.pipeline`."""

from medkt.calibration.assessment import Assessment, assess
from medkt.calibration.calibration import Calibration, CalibrationSettings, Decision, calibrate
from medkt.calibration.cases import ScoredCases, domain_of_cases, score_cases
from medkt.calibration.novelty import Novelty, fit_novelty
from medkt.calibration.scoring import Scorer, ScoringKey, StudyScore, scoring_key
from medkt.calibration.site import CalibratedResult, SiteCalibrations, keys_of, segment, segment_calibrated
from medkt.calibration.store import (
    SITE,
    calibration_path,
    find_calibration,
    lacking,
    read_calibration,
    require_calibration,
    require_fit,
    write_calibration,
)

__all__ = [
    "SITE",
    "Assessment",
    "CalibratedResult",
    "Calibration",
    "CalibrationSettings",
    "Decision",
    "Novelty",
    "ScoredCases",
    "Scorer",
    "ScoringKey",
    "SiteCalibrations",
    "StudyScore",
    "assess",
    "calibrate",
    "calibration_path",
    "domain_of_cases",
    "find_calibration",
    "fit_novelty",
    "keys_of",
    "lacking",
    "read_calibration",
    "require_calibration",
    "require_fit",
    "score_cases",
    "scoring_key",
    "segment",
    "segment_calibrated",
    "write_calibration",
]
