"""What a modality is: intensities, slices, spacing, words."""

from medkt.domains.domain import Domain, SaliencyDefaults, SliceRule, Window
from medkt.domains.intensity import Intensity
from medkt.domains.registry import check_plausible, detect_domain, domain, domains

__all__ = [
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
