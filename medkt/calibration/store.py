"""Where calibrations lie: in medkt's own folder, by site, one file for each concept, model and settings.

A calibration comes from patients of one site. It is never put into a concept package; it holds no id, no name and no
score of a single study, but quantiles, means and counts.
"""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medkt.calibration.calibration import Calibration
from medkt.calibration.scoring import ScoringKey
from medkt.errors import InputError, OutputError, SettingsError
from medkt.io.atomic import write_atomically
from medkt.models.store import home
from medkt.records import RecordForm
from medkt.transfer.copies import ADAPTED

SITE = "here"
_SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def calibration_path(key: ScoringKey, *, site: str = SITE) -> Path:
    """Where the calibration of this key and site lies, or would lie.

    Raises:
        SettingsError: the site's name cannot be that of a folder.
    """
    if not _SITE_NAME.fullmatch(site):
        raise SettingsError(f"a site's name has 1 to 64 letters, digits, '.', '_' or '-', got {site!r}; take another")
    return home() / "calibrations" / site / f"{_SLUG.sub('-', key.concept)[:64]}-{key.short}.json"


_SLUG = re.compile(r"[^A-Za-z0-9._-]+")


def find_calibration(key: ScoringKey, *, site: str = SITE) -> Calibration | None:
    """The calibration for exactly this concept, words, model, weights, settings and view at this site; None without.

    Raises:
        InputError: its file is damaged, or is that of something else.
        SettingsError: the site's name cannot be that of a folder.
    """
    path = calibration_path(key, site=site)
    if not path.is_file():
        return None
    found = read_calibration(path)
    require_fit(found, key, where=str(path))
    return found


def require_calibration(key: ScoringKey, *, site: str = SITE) -> Calibration:
    """The site's calibration for exactly this key.

    Raises:
        SettingsError: there is none; says where it would lie, and in what others of the concept differ.
        InputError: its file is damaged.
    """
    if (found := find_calibration(key, site=site)) is not None:
        return found
    path = calibration_path(key, site=site)
    wanted = asdict(key)
    others = [asdict(read_calibration(one).key) for one in sorted(path.parent.glob(path.name.replace(key.short, "*")))]
    differs = sorted({", ".join(name for name in wanted if wanted[name] != had[name]) for had in others})
    near = f" (one of this concept differs in: {'; another in: '.join(differs)})" if differs else ""
    raise SettingsError(lacking(key, site=site, more=f", looked for {path}{near}"))


def lacking(key: ScoringKey, *, site: str, more: str = "") -> str:
    """What to say where a site has no calibration for this key; `more` is put behind what was looked for.

    A key without a modality is of a concept in none of the modalities.
    """
    what = f"{key.concept} ({key.modality})" if key.modality else key.concept
    learnt = key.weights.startswith(ADAPTED)
    whose = f"the model {key.model} as it was taught" if learnt else f"the model {key.model} as it was loaded"
    words = f"{key.concept}.medkt" if learnt else key.concept
    base = "" if learnt else "; for the words of a .medkt file: that file, with --base"
    return (
        f"--site {site}: no calibration for {what} with {whose} and these settings{more}; make one with `medkt calibrate "
        f"{words} -m NORMALS.csv --site {site}` and the same --model, --preset, --settings, --set, --window, --axis and "
        f"--step-mm{base}; or leave --site out"
    )


def require_fit(calibration: Calibration, key: ScoringKey, *, where: str = "the calibration") -> None:
    """Raise where a calibration is not good for this key.

    Raises:
        InputError: says in what the two differ.
    """
    wanted, had = asdict(key), asdict(calibration.key)
    differs = [name for name in wanted if wanted[name] != had[name]]
    if differs:
        shown = ", ".join(f"{name} ({had[name][:20]} instead of {wanted[name][:20]})" for name in differs)
        raise InputError(f"{where}: made for something else: {shown}; run `medkt calibrate` with these settings")


def write_calibration(calibration: Calibration, path: str | Path | None = None, *, overwrite: bool = True) -> Path:
    """Write a calibration, whole or not at all, to its place or to a file.

    Raises:
        OutputError: it cannot be written, or is there and not to be replaced.
    """
    target = calibration_path(calibration.key, site=calibration.site) if path is None else Path(path)
    if path is None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{target.parent} cannot be made ({error.strerror}); set MEDKT_HOME elsewhere") from error
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: exists already; choose another name or say --overwrite")
    text = FORM.text(calibration)
    return write_atomically(target, lambda part: part.write_text(text, encoding="utf-8"))


def read_calibration(path: str | Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        InputError: not there, damaged, changed since, of another format or of a later version.
    """
    return FORM.read_file(path)


def _sum(content: dict[str, Any]) -> str:
    """SHA-256 of all else that a calibration says, however it is laid out."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    ).hexdigest()


FORM = RecordForm(
    kind=Calibration, name="calibration", number=2, key="version", head={"format": "medkt calibration"}, sum_of=_sum,
    summed_from=2, writer="medkt calibrate", again="run `medkt calibrate` again",
)  # fmt: skip
"""Version 1 had no checksum."""
