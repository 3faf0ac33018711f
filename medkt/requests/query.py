"""`query`: one question to the tables of runs, in SQL."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.option import Option, Request, requested

if TYPE_CHECKING:
    from medkt.runs.query import Answer


@dataclass(frozen=True, kw_only=True)
class QueryRequest(Request):
    """Which runs, and what is asked of their tables."""

    runs: Annotated[tuple[Path, ...], Option("folders of runs")] = ()
    sql: Annotated[
        str, Option("one SELECT; the tables are results, failures and timings, of several runs with a column run")
    ]


def query(request: QueryRequest | None = None, /, **options: Any) -> "Answer":
    """Ask the tables of runs: the columns of the answer by name, and its rows.

    `medkt.runs.query.lines_of` writes an answer as a table, CSV or JSON lines.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: no run is given; else as `medkt.runs.query.query`. InputError: a folder has no tables, or a damaged one.
    """
    from medkt.errors import SettingsError
    from medkt.runs.query import query as ask

    request = requested(QueryRequest, request, options)
    if not request.runs:
        raise SettingsError(
            'give a run and a question: medkt query RUN "SELECT concept, avg(score) FROM results GROUP BY 1"'
        )
    return ask(request.runs, request.sql)
