"""What a modality is: intensities, slices, spacing, words; the one place that knows one from another."""

from medkt.domains.domain import Domain, SaliencyDefaults, SliceRule, Window, Words
from medkt.domains.intensity import Intensity
from medkt.domains.registry import check_plausible, detect_domain, domain, domains

__all__ = [
    "Domain",
    "Intensity",
    "SaliencyDefaults",
    "SliceRule",
    "Window",
    "Words",
    "check_plausible",
    "detect_domain",
    "domain",
    "domains",
]
