"""What a page reads of a run's record, of the kind that it must be: records of earlier versions have no sum that would say so."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medkt.errors import UnreadableError

# A form is a type; several, as a tuple; [form] for a list of such; {str: form} for a mapping of any keys; another mapping
# for one that has at least these keys.
Form = Any
_TEXT = (str, type(None))
_IDENTITY: Mapping[str, Form] = {
    "concepts": {str: str}, "columns": [str], "protocol": _TEXT, "preset": _TEXT, "patients": _TEXT, "site": _TEXT,
    "manifest": _TEXT, "masks": _TEXT, "as_published": {"words": str}, "prompts": ({"published_as": str, "sha256": str}, type(None)),
    "scoring": ({"metrics": {"metrics": [str], "empty": str}, "tolerance": (int, float), "unit": str}, type(None)),
    "classes": [{"name": str, "concept": str}],
}  # fmt: skip
_MODELS: Mapping[str, Form] = {"encoder": {}, "segmenter": {}, "calibrations": {str: str}}


def require_form(record: Mapping[str, Any], where: Path) -> None:
    """That what a page says of a run is there in the form that a run writes it.

    Args:
        record: of the run, with its identity.
        where: its folder.

    Raises:
        UnreadableError: something is not; names it.
    """
    identity, models = record["identity"], record.get("models") or {}
    parts = [(identity, _IDENTITY), (models, _MODELS), (models.get("encoder") or {}, {"packages": [str]})]
    for held, forms in parts:
        for name, form in forms.items():
            if name in held and not _fits(held[name], form):
                raise UnreadableError(
                    f"{where / 'run.json'}: its `{name}` is of another kind; it is damaged or no file of medkt"
                )


def _fits(value: object, form: Form) -> bool:
    if isinstance(form, tuple):
        return any(_fits(value, one) for one in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(one, form[0]) for one in value)
    if not isinstance(form, dict):
        return isinstance(value, form) and not isinstance(value, bool)
    if not isinstance(value, dict):
        return False
    if str in form:
        return all(_fits(one, form[str]) for one in value.values())
    return all(name in value and _fits(value[name], one) for name, one in form.items())
