"""The pictures on which the lead of the base is set: gone through once a learning, whoever asks for them first.

Studies that are picked from a folder are asked as a package of the base would ask; the audit holds what was learned against the base.
Both take the same calibration of the base, for which every study of the user's has to be read and encoded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medkt.asking.calibration import LeadCalibration, drawn_domain
from medkt.asking.studies import ShownStudies
from medkt.audit.fingerprints import Fingerprints
from medkt.audit.probe import Probe
from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.models.encoder import DualEncoder
from medkt.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaseLead:
    """The calibration of the base, and what it was made of.

    Attributes:
        calibration: pictures without the finding, as the base sees them.
        shown: the user's studies among them, by the name of their option; drawn ones in place of those that are not there.
        exam: marks of the studies of an exam, none of which is among them.
    """

    calibration: LeadCalibration
    shown: Mapping[str, ShownStudies]
    exam: Fingerprints

    def serves(self, shown: Mapping[str, ShownStudies], probe: Probe | None) -> bool:
        """Whether it is of these very studies, and kept apart from this probe."""
        same = shown.keys() == self.shown.keys() and all(one is self.shown[name] for name, one in shown.items())
        return same and (probe is None or probe.fingerprints is self.exam)


def lead_calibration(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    known: Sequence[Concept],
    shown: Mapping[str, ShownStudies],
    progress: Progress | None = None,
) -> LeadCalibration | None:
    """Pictures without the finding, as an encoder sees them.

    Args:
        encoder: that is asked.
        concept: whose part of the body is drawn.
        domain: in which.
        known: the findings that are drawn.
        shown: the user's studies: "normals", "rehearse"; others are passed over.
        progress: told (stage, studies done, studies in all).

    Returns:
        None where medkt draws no normal study of that part of the body and none was given.

    Raises:
        InputError: from reading a study.
    """
    if drawn_domain(concept, domain) is None and "normals" not in shown:
        return None
    return LeadCalibration.of(
        encoder, concept, domain, known, normals=shown.get("normals"), rehearse=shown.get("rehearse"), progress=progress,
    )  # fmt: skip


def kept_apart(shown: Mapping[str, ShownStudies], probe: Probe | None) -> Mapping[str, ShownStudies]:
    """The same studies, of which one that is in the probe is refused as it is come to."""
    return shown if probe is None else {name: probe.kept_apart(studies, name) for name, studies in shown.items()}
