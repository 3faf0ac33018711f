"""Which statistics of runs that have ended."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from medkt.requests.option import Option, Request

if TYPE_CHECKING:
    from medkt.statistics import BootstrapSettings


@dataclass(frozen=True, kw_only=True)
class StatisticsOptions(Request):
    """Which statistics."""

    by: Annotated[str, Option("columns of the result table to make subgroups of", metavar="LIST")] = ""
    resamples: Annotated[int, Option("of the bootstrap over patients", metavar="N")] = 10_000

    @property
    def bootstrap(self) -> "BootstrapSettings":
        """The settings of the intervals.

        Raises:
            SettingsError: too few resamples.
        """
        from medkt.statistics import BootstrapSettings

        return BootstrapSettings(resamples=self.resamples)
