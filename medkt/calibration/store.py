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

from medkt.bounds import parse_json, read_text
from medkt.calibration.calibration import Calibration, CalibrationSettings
from medkt.calibration.conformal import Tail
from medkt.calibration.novelty import Novelty, Spread
from medkt.calibration.probability import ProbabilityMap
from medkt.calibration.scoring import ScoringKey
from medkt.errors import InputError, MedktError, OutputError, SettingsError
from medkt.io.atomic import write_atomically
from medkt.io.guard import one_line
from medkt.models.store import home
from medkt.transfer.copies import ADAPTED

FORMAT = "medkt calibration"
VERSION = 2  # 1 has no checksum
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
    content = {"format": FORMAT, "version": VERSION, **asdict(calibration)}
    text = json.dumps({**content, "sum": _sum(content)}, indent=1, allow_nan=False) + "\n"
    return write_atomically(target, lambda part: part.write_text(text, encoding="utf-8"))


def read_calibration(path: str | Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        InputError: not there, damaged, changed since, of another format or of a later version.
    """
    file = Path(path)
    try:
        content = parse_json(read_text(file), str(path))
    except MedktError:  # some are ValueErrors too
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); run `medkt calibrate` again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: is no calibration of medkt's; give a file that `medkt calibrate` wrote")
    version = content.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(f"{path}: version {version!r}, this medkt reads 1 to {VERSION}; calibrate again")
    try:
        made, told = _made(content), content.pop("sum", None)
        sound = version == 1 or told == _sum(content)  # NaN and infinity are ValueErrors here
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({one_line(str(error))}); run `medkt calibrate` again") from error
    if not sound:
        raise InputError(f"{path}: was changed since it was written, or is damaged; run `medkt calibrate` again")
    return made


def _sum(content: dict[str, Any]) -> str:
    """SHA-256 of all else that a calibration says, however it is laid out."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    ).hexdigest()


def _made(content: dict[str, Any]) -> Calibration:
    findings, probability, novelty = content["findings"], content["probability"], content["novelty"]
    return Calibration(
        key=ScoringKey(**content["key"]),
        site=content["site"],
        settings=CalibrationSettings(**content["settings"]),
        normals=_tail(content["normals"]),
        findings=None if findings is None else _tail(findings),
        probability=None if probability is None else ProbabilityMap(**_tuples(probability)),
        novelty=None if novelty is None else _novelty(novelty),
        notes=tuple(content["notes"]),
        made=content["made"],
        threads=content.get("threads", 0),
    )


def _tail(content: dict[str, Any]) -> Tail:
    return Tail(**_tuples(content))


def _novelty(content: dict[str, Any]) -> Novelty:
    findings = content["findings"]
    return Novelty(
        studies=content["studies"], normals=_spread(content["normals"]),
        findings=None if findings is None else _spread(findings), grey_levels=_spread(content["grey_levels"]),
        doubts=dict(content["doubts"]),
    )  # fmt: skip


def _spread(content: dict[str, Any]) -> Spread:
    return Spread(**(_tuples({**content, "tail": None}) | {"tail": _tail(content["tail"])}))


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_tuple(value) for name, value in content.items()}


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(one) for one in value) if isinstance(value, list) else value
