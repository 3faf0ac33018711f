"""A study's `result.json` as medkt 0.1 left it, before it had a number: one finding, seen in one plane of a picture."""

import json
import zipfile
from pathlib import Path
from typing import Any

RUN = Path(__file__).parent / "runs" / "run_of_0_1.zip"


def earlier_result(case: str = "case-9365652904006da2f0e7") -> dict[str, Any]:
    """What the file holds."""
    with zipfile.ZipFile(RUN) as run:
        record: dict[str, Any] = json.loads(run.read(f"cases/{case}/result.json"))
    return record
