"""Dataclasses as what JSON and YAML can hold, and back: of every record that medkt writes and of every settings file. What stands in one is known where it is made.

What a record means lives where it is made; here is how one is written, checked on reading, brought up from an earlier form,
and described to others (`schemas/`).
"""

from medkt.records.fill import fill
from medkt.records.form import RecordForm
from medkt.records.plain import as_plain, left_out

__all__ = ["RecordForm", "as_plain", "fill", "left_out"]
