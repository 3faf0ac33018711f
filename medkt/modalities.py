"""The names of the modalities, in one place, and where each is told: `medkt.domains`.

A new one is its YAML in `configs/domains` with a line here, and a module in `medkt/domains` where its values are shown in a way
that no other's are; or an installed package with the entry point `medkt.modalities`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from medkt.doors import Door

if TYPE_CHECKING:
    from medkt.domains.domain import Modality

MODALITIES: Door["Modality"] = Door(
    group="medkt.modalities",
    what="domain",
    kind="medkt.domains.domain:Modality",
    own={
        "cxr": "medkt.domains.cxr:MODALITY",
        "ct": "medkt.domains.ct:MODALITY",
        "mri": "medkt.domains.mri:MODALITY",
        "ultrasound": "medkt.domains.ultrasound:MODALITY",
    },
)


class Choices:
    """Names of modalities as a command line offers them: help lists medkt's own, so that it stays light; all are taken."""

    def __init__(self, *more: str) -> None:
        """`more` stand before the names: "auto"."""
        self._more = more

    def __iter__(self) -> Iterator[str]:
        return iter((*self._more, *MODALITIES.own))

    def __contains__(self, name: object) -> bool:
        return name in self._more or name in MODALITIES

    def __len__(self) -> int:
        return len(self._more) + len(MODALITIES.own)
