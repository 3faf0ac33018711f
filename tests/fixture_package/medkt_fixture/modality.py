"""A modality of one's own: its words and numbers are in the YAML; its values are shown as a radiograph's are."""

from pathlib import Path

from medkt.domains.cxr import CXR
from medkt.domains.domain import Modality


class _Mammography(CXR):
    """What a chest radiograph makes doubtful says nothing of a breast."""

    def implausible(self, image: object) -> tuple[str, ...]:
        return ()


MODALITY = Modality(kind=_Mammography, file=str(Path(__file__).with_name("mammography.yaml")))
