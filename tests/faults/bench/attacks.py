"""All attacks: what is damaged, how, through which door it is read, and when another result is silent.

An attack is `strict` where the damage can be seen: something that says its own length is cut, or bytes under a checksum are
changed. Then what is read must be what the sound input gives, else the difference is silent. An attack that writes another
file by the rules of its format is not strict: another value of an element, a header or a cell is another file. Texts
without a length (CSV, YAML, JSON lines) cannot know that lines are lost at their end; JSON and packages can.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import doors, hostile, seeds
from .child import Door
from .damage import cut, flipped, torn
from .dicom_tree import damaged
from .formats import (
    headed,
    in_csv,
    in_json,
    in_layout,
    in_ledger,
    in_package,
    in_parquet,
    in_pickle,
    in_run,
    in_tensors,
    in_unlisted_table,
    in_yaml,
    within,
)

Change = Callable[[Path, int, Random, Path], Path]
"""Writes a damaged copy of a seed into a folder, and gives its path; the number counts from 0 for each seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One mutator over the seeds of one format.

    Attributes:
        format: what is read, as the summary counts it.
        how: what is done; with the format the name of the attack.
        sound: makes the seeds.
        change: makes number n of a seed.
        door: reads it.
        strict: whether another result than that of the seed is silent.
        heavy: whether one input takes more than a moment.
    """

    format: str
    how: str
    sound: seeds.Maker
    change: Change
    door: Door
    strict: bool = False
    heavy: bool = False

    @property
    def name(self) -> str:
        return f"{self.format}, {self.how}"


def _bytes(make: Callable[[bytes, int, Random], bytes]) -> Change:
    def change(seed: Path, number: int, random: Random, folder: Path) -> Path:
        target = folder / seed.name
        target.write_bytes(make(seed.read_bytes(), number, random))
        return target

    return change


CUT = _bytes(cut)
FLIPPED = _bytes(lambda content, _, random: flipped(content, random))
TORN = _bytes(lambda content, _, random: torn(content, random))


def _elements(seed: Path, number: int, random: Random, folder: Path) -> Path:
    target = folder / seed.name
    target.write_bytes(damaged(seed, random))
    return target


def one_of(change: Change) -> Change:
    """One file of a folder is damaged; the others are as they were."""

    def chosen(seed: Path, number: int, random: Random, folder: Path) -> Path:
        target = folder / seed.name
        shutil.copytree(seed, target)
        file = random.choice(sorted(one for one in target.iterdir() if one.is_file()))
        (folder / "of").mkdir()
        made = change(file, number, random, folder / "of")
        made.replace(file)
        return target

    return chosen


def _all() -> list[Attack]:
    found: list[Attack] = []

    def add(
        format_name: str, sound: seeds.Maker, door: Door, changes: dict[str, tuple[Change, bool]], **more: bool
    ) -> None:
        for how, (change, strict) in changes.items():
            found.append(
                Attack(format=format_name, how=how, sound=sound, change=change, door=door, strict=strict, **more)
            )

    binary = {"cut": (CUT, True), "bits": (FLIPPED, False), "blocks": (TORN, False)}
    add("DICOM", seeds.dicom, doors.image, {"elements": (_elements, False), **binary})
    add("DICOM, compressed", seeds.compressed, doors.image, {"elements": (_elements, False), **binary})
    add("DICOM, real", seeds.real_dicom, doors.image, binary)
    add("DICOM, folder", seeds.series, doors.image, {"elements": (one_of(_elements), False), "cut": (one_of(CUT), True), "blocks": (one_of(TORN), False)})  # fmt: skip
    add("DICOMDIR", seeds.directories, doors.directory, {"elements": (one_of(_elements), False), "cut": (one_of(CUT), True), "blocks": (one_of(TORN), False)})  # fmt: skip
    add("DICOM SEG", seeds.segmentations, doors.mask, {"elements": (_elements, False), **binary})
    add("RTSTRUCT", seeds.structures, doors.outlines, {"elements": (_elements, False), **binary})
    add("NIfTI", seeds.nifti, doors.image, {"header": (headed, False), **binary})
    add("masks", seeds.masks, doors.mask, binary)
    add("pictures", seeds.pictures, doors.image, binary)
    add("zip", seeds.archives, doors.image, {"cut": (CUT, True), "bits": (FLIPPED, True), "blocks": (TORN, False)})
    add("zip", seeds.archives, doors.image, {"hostile": (hostile.archive, False)})
    text = {"cut": (CUT, False), "bits": (FLIPPED, False), "blocks": (TORN, False)}
    add("concepts, YAML", seeds.concept_files, doors.concepts, {"values": (in_yaml, False), **text})
    add("captions, text", seeds.caption_lists, doors.caption_list, {"cells": (in_csv, False), **text})
    add("manifest, CSV", lambda folder: seeds.manifests(folder)[:1], doors.manifest, {"cells": (in_csv, False), **text})
    add("manifest, Parquet", lambda folder: seeds.manifests(folder)[1:], doors.manifest, {"columns": (in_parquet, False), **binary})  # fmt: skip
    add("COCO, JSON", seeds.annotations, doors.coco, {"values": (in_json, False), "cut": (CUT, True), "blocks": (TORN, False)})  # fmt: skip
    add("run lengths, CSV", seeds.run_lengths, doors.rle, {"cells": (in_csv, False), "blocks": (TORN, False)})
    add("layouts", seeds.layouts, doors.layout, {"words": (in_layout, False)})
    guarded = {"cut": (CUT, True), "bits": (FLIPPED, True), "blocks": (TORN, True)}
    add("package", seeds.packages, doors.package, {"members": (in_package, False), **guarded})
    add("signatures", seeds.signed, doors.signed, {how: (one_of(change), True) for how, (change, _) in guarded.items()})
    add("store", seeds.stores, doors.store, {"values": (one_of(in_json), False), "cut": (one_of(CUT), True)})
    add("safetensors", seeds.safetensors, doors.tensors, {"header": (in_tensors, False), "cut": (CUT, True), "blocks": (TORN, False)})  # fmt: skip
    for name in ("ledger", "outcomes", "tables", "record"):
        add(name, seeds.runs, doors.run, {how: (in_run(name, change), True) for how, (change, _) in guarded.items()}, heavy=True)  # fmt: skip
    add("record", seeds.runs, doors.run, {"values": (in_run("record", in_json), True)}, heavy=True)
    add("record", seeds.old_records, doors.page, {"old, values": (in_run("record", in_json), False)}, heavy=True)
    add("result.json", seeds.case_records, doors.case_record, {how: (within("result/result.json", change), strict) for how, (change, strict) in {"values": (in_json, False), "cut": (CUT, True), "bits": (FLIPPED, False)}.items()})  # fmt: skip
    add("manifest of a run", seeds.planned, doors.plan, {how: (within("manifest.json", change), True) for how, change in {"values": in_json, "cut": CUT, "bits": FLIPPED}.items()})  # fmt: skip
    add("inversion cache", seeds.cached_images, doors.cached_images, {"header": (in_tensors, True), **guarded})
    add(
        "prompts, JSON and CSV",
        lambda folder: seeds.prompt_files(folder)[:1],
        doors.prompts,
        {"cells": (in_csv, False), **text},
    )
    add(
        "prompts, JSON and CSV",
        lambda folder: seeds.prompt_files(folder)[1:],
        doors.prompts,
        {"values": (in_json, False)},
    )
    add("sidecar of NIfTI, JSON", seeds.sidecars, doors.sidecar, {"values": (within("a.json", in_json), False), "blocks": (within("a.json", TORN), False)})  # fmt: skip
    add("patients, CSV", seeds.patients_tables, doors.patients, {"cells": (in_csv, False), "blocks": (TORN, False)})
    add(
        "config.json of a CLIP",
        seeds.clip_configs,
        doors.clip_config,
        {"values": (in_json, False), "blocks": (TORN, False)},
    )
    add("ledger", seeds.runs, doors.run, {"rows": (in_ledger, True)}, heavy=True)
    add("tables", seeds.tables, doors.table, {"columns": (in_unlisted_table, False), "bits of scores": (one_table(FLIPPED), True)})  # fmt: skip
    add("questions, SQL", seeds.tables, doors.question, {"hostile": (hostile.question, False)})
    add("download", seeds.caption_lists, hostile.fetched, {"hostile server": (hostile.server, False)})
    heavy = {"cut": (CUT, True), "bits": (FLIPPED, False), "blocks": (TORN, False)}
    add("calibration", seeds.calibrations, doors.calibration, {"values": (in_json, True), **guarded}, heavy=True)
    add("settings, YAML", seeds.settings_files, doors.settings, {"values": (in_yaml, False), **text}, heavy=True)
    add("protocols, YAML", seeds.protocols, doors.protocol, {"values": (in_yaml, False), **text}, heavy=True)
    add("weights", seeds.checkpoints, doors.weights, {**heavy, "pickles": (in_pickle, False)}, heavy=True)
    add("difference of weights", seeds.deltas, doors.delta, heavy, heavy=True)
    add("bundle", seeds.bundles, doors.bundle, heavy, heavy=True)
    return found


def one_table(change: Change) -> Change:
    """The Parquet table of results of a run is damaged."""

    def chosen(seed: Path, number: int, random: Random, folder: Path) -> Path:
        target = folder / seed.name
        shutil.copytree(seed, target)
        (folder / "of").mkdir()
        change(target / "results.parquet", number, random, folder / "of").replace(target / "results.parquet")
        return target

    return chosen


ATTACKS: Sequence[Attack] = tuple(_all())
