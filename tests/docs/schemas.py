"""The JSON Schema of every record that medkt writes. `python tests/docs/schemas.py` writes them into `medkt/records/schemas`.

They ship with the wheel; a test compares each with the code.
"""

import json
from pathlib import Path
from typing import Any

from medkt.calibration.store import FORM as CALIBRATION
from medkt.concepts.asking_record import FORM as ASKING
from medkt.concepts.package import FORM as PACKAGE
from medkt.examine.store import FORM as EXAMINATION
from medkt.inversion.files import FORM as INVERSION
from medkt.records import RecordForm
from medkt.records.schema import schema_of
from medkt.report.study_record import FORM as STUDY
from medkt.runs.record import FORM as RUN
from medkt.tasks.evaluation_record import CLASS_COMPARISON_FORM, CLASS_FORM, COMPARISON_FORM
from medkt.tasks.evaluation_record import FORM as EVALUATION

FOLDER = Path(__file__).parents[2] / "medkt" / "records" / "schemas"

FORMS: tuple[tuple[RecordForm[Any], str], ...] = (
    (STUDY, "`result.json` of a study"),
    (RUN, "`run.json` of a run's folder"),
    (EVALUATION, "`evaluation.json` of a run that scores masks"),
    (CLASS_FORM, "`evaluation.json` of a run that tells classes apart"),
    (COMPARISON_FORM, "`comparison.json` beside two runs that score masks"),
    (CLASS_COMPARISON_FORM, "`comparison.json` beside two runs that tell classes apart"),
    (CALIBRATION, "a calibration of a site, as `medkt calibrate` writes it"),
    (PACKAGE, "`manifest.json` of a `.medkt` file"),
    (ASKING, "`asking.json` of a `.medkt` file"),
    (INVERSION, "`inversion.json` of a folder of images that `medkt invert` made"),
    (EXAMINATION, "an examination of an encoder, as `medkt models examine` writes it"),
)
"""With where each stands."""


def file_of(form: RecordForm[Any]) -> Path:
    """Where the schema of a record lies."""
    return FOLDER / f"{form.name.replace(' ', '_')}.schema.json"


def text_of(form: RecordForm[Any]) -> str:
    """What the file should hold."""
    return json.dumps(schema_of(form), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


if __name__ == "__main__":
    for form, _ in FORMS:
        file_of(form).write_text(text_of(form), encoding="utf-8")
