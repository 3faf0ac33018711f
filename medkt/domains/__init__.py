"""What a modality is: intensities, slices, spacing, words; the one place that knows one from another. No voxel of a study is kept here."""

from medkt.domains.domain import BodyWords, Domain, SaliencyDefaults, SliceRule, Window
from medkt.domains.intensity import Intensity
from medkt.domains.registry import check_plausible, detect_domain, domain, domains

__all__ = [
    "BodyWords",
    "Domain",
    "Intensity",
    "SaliencyDefaults",
    "SliceRule",
    "Window",
    "check_plausible",
    "detect_domain",
    "domain",
    "domains",
]
