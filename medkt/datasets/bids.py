"""BIDS (bids-specification.readthedocs.io): raw images by subject, masks below `derivatives`."""

import re
from collections.abc import Mapping
from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.folder import VOLUMES, id_from, listed, require_folder, stem_of
from medkt.datasets.manifest import Manifest
from medkt.errors import AmbiguousInputError, InputError

_ENTITY = re.compile(r"(sub|ses|run|acq)-([A-Za-z0-9]+)")
_MASKS = ("mask", "dseg", "roi")


def build(
    root: str | Path, *, suffix: str = "T1w", derivative: str = "", label: str = "", concept: str = "",
    modality: str = "mri",
) -> Manifest:  # fmt: skip
    """One case an image `sub-*_SUFFIX.nii.gz`, with the mask of the same subject, session, run and acquisition.

    Args:
        root: holds `sub-*` and `derivatives`.
        suffix: of the images: T1w, T2w, FLAIR, ct.
        derivative: the folder below `derivatives`; not needed where there is only one.
        label: only masks with `label-LABEL` in their name.
        concept: what is looked for.
        modality: the domain.

    `sex`, `age`, `group` and `site` come from `participants.tsv` where it has them.

    Raises:
        InputError: no image of this suffix, an image without a mask. AmbiguousInputError: several masks of one image.
    """
    base = require_folder(root)
    images = [path for path in _volumes(base, base / "derivatives") if stem_of(path).endswith(f"_{suffix}")]
    if not images:
        held = sorted({stem_of(path).rsplit("_", 1)[-1] for path in _volumes(base, base / "derivatives")})
        raise InputError(f"{base}: no image sub-*_{suffix}.nii.gz; its suffixes are {listed(held) or 'none'}")
    folder = _derivative(base, derivative)
    masks: dict[str, list[Path]] = {}
    for path in _volumes(folder, None):
        stem = stem_of(path)
        if stem.rsplit("_", 1)[-1] in _MASKS and (not label or f"_label-{label}_" in stem):
            masks.setdefault(_entities(stem), []).append(path)
    people = _participants(base / "participants.tsv")
    return Manifest(
        cases=tuple(_case(path, masks, people, folder, (concept, modality)) for path in images), name=base.name
    )


def _case(
    path: Path,
    masks: Mapping[str, list[Path]],
    people: Mapping[str, dict[str, str]],
    folder: Path,
    task: tuple[str, str],
) -> Case:
    key = _entities(stem_of(path))
    found = masks.get(key, [])
    if not found:
        raise InputError(
            f"{folder}: no mask (_{', _'.join(_MASKS)}) for {path.name}; add it, or name another derivative"
        )
    if len(found) > 1:
        raise AmbiguousInputError(
            f"{folder}: {len(found)} masks for {path.name} ({listed([p.name for p in found])}); name a label"
        )
    subject = key.split("_")[0]
    return Case(
        case_id=id_from(stem_of(path)), image=path, patient_id=subject, references=(found[0],), reference_kind="mask",
        concept=task[0], modality=task[1], split="test", columns=people.get(subject, {}),
    )  # fmt: skip


def _derivative(base: Path, name: str) -> Path:
    folder = require_folder(base, "derivatives", what="the masks")
    if name:
        return require_folder(folder, name, what="the masks")
    held = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    pipelines = [one for one in held if not one.startswith("sub-")]
    if len(pipelines) > 1:
        raise AmbiguousInputError(f"{folder}: {len(pipelines)} derivatives ({listed(pipelines)}); name one")
    return folder / pipelines[0] if pipelines else folder


def _volumes(folder: Path, without: Path | None) -> list[Path]:
    found = (path for path in folder.rglob("sub-*") if path.name.lower().endswith(VOLUMES) and path.is_file())
    return sorted(path for path in found if without is None or not path.is_relative_to(without))


def _entities(stem: str) -> str:
    return "_".join(f"{name}-{value}" for name, value in _ENTITY.findall(stem))


def _participants(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not lines or "participant_id" not in lines[0]:
        raise InputError(f"{path}, row 1: no column participant_id, separated by tabs")
    header = lines[0]
    people = {}
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(header):
            raise InputError(
                f"{path}, row {number}: {len(cells)} cells, the header has {len(header)}; separate by tabs"
            )
        row = dict(zip(header, cells, strict=True))
        people[row["participant_id"]] = {
            name: row[name] for name in ("sex", "age", "group", "site") if row.get(name, "n/a") not in ("", "n/a")
        }
    return people
