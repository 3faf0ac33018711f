"""One study's result as one HTML file that opens from disk: no network, no script, pictures inside."""

import base64
from collections.abc import Mapping
from typing import Any

from medkt.report.render import render


def render_report(result: Mapping[str, Any], *, settings: str, pictures: Mapping[str, bytes]) -> str:
    """The page of one result (the content of `result.json`), with PNG pictures by their alternative text."""
    shown = [{"alt": alt, "data": base64.b64encode(png).decode("ascii")} for alt, png in pictures.items()]
    return render(
        "study.html.j2",
        {
            "result": result,
            "settings": settings,
            "pictures": shown,
            "files": _files_said(result["input"]["completeness"]),
        },
    )


def _files_said(completeness: Mapping[str, Any] | None) -> str:
    """How many files were used, and why the others were not; "" where the input is no set of files."""
    if not completeness:
        return ""
    reasons = [f"{count} {reason}" for reason, count in completeness["passed_over"].items()]
    lost = [f"{count} {reason} (not explained)" for reason, count in completeness["unexplained"].items()]
    return "; ".join([f"{completeness['used']} of {completeness['entries']} used", *reasons, *lost])
