"""Does a description mean a real finding to a model? ConceptQuery in every way, taught in every way, on real studies, for any encoder.

    python evaluation/kt_real/run.py --model biomedclip --data cases.csv --out checked       # your model, your studies
    python evaluation/kt_real/run.py --model small --data ../shared/data --asking            # asking alone: a minute
    python evaluation/kt_real/run.py --model biomedclip --data ../shared/data --dry-run      # how long it would take

`--data` is a folder of the open sets with `manifest.tsv`, of which `classes.py` says what is asked, or a manifest (CSV or
Parquet; docs/how_to/check_on_your_model.md) with the columns case_id, image, modality, class_name, concept, split and, where
patients have several studies, patient_id. A class with a `concept` is asked for among the others of its modality; studies of the
split `train` may be learned from, those of `test` are asked about and nothing else.

The figure is the lead: by how much a study's cosine with what is asked for is above that with the nearest known finding's name. A
way that tells a normal study apart, too, has its handicap set as a package has it (`medkt.asking.bias`), on the studies of `train`:
normal ones and the others, of each encoder anew. Without normal ones among them the handicap stays 0.
First in every table stands the area under its curve, the class against the others, with its interval; a class of fewer than 20
test studies, or with fewer than 20 others, has no verdict. Of every encoder that was taught, all ways of asking are asked.
Conditions: "base"; what was taught by each way of `medkt learn` (whole images made from words; lesions made inside normal studies, drawn ones,
or real ones with real studies to rehearse by); four of the audit's controls; "pool": studies picked by asking from an unlabelled pool that holds some of the class, and from
one that holds none, which should be refused; "labelled N": the same rehearsal and fine-tuning on N studies of the class. One JSON line a condition goes to `rows.jsonl` as soon as it is done; a second run goes on where the first ended,
and refuses another model, other studies or other settings. `tables.py` makes `table.md` and `page.html` after every row.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classes import Task, tasks_of
from clock import Clock, expected_seconds
from studies import Study, read_studies
from tables import write_tables
from teaching import Condition, Way, conditions, ways_of

from medkt.about import __version__
from medkt.asking import WAYS, AskingWords, Directions, leads
from medkt.asking.bias import settled
from medkt.errors import InputError, MedktError
from medkt.models.encoder import DualEncoder
from medkt.models.registry import load_encoder
from medkt.pipeline import resolve_device
from medkt.records import as_plain
from medkt.saliency.explain import prepare_plane
from medkt.saliency.targets import texts_kept
from medkt.transfer.rehearsal import PrefixActivations, look, text_vectors, vectors_of
from medkt.transfer.trainable import frozen_layer
from medkt.transfer.vocabulary import vocabulary_of

BASE = "base"


def main(words: list[str] | None = None) -> int:
    """Measure what is missing; 2 where something that was given cannot be used."""
    arguments = parser().parse_args(words)
    torch.set_num_threads(arguments.threads)
    try:
        run(load_encoder(arguments.model, device=resolve_device(arguments.device)), arguments)
    except MedktError as error:
        print(f"kt_real: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", default="small", help="any encoder: a name of `medkt models list`, or a weights file")
    made.add_argument("--data", type=Path, required=True, help="folder of manifest.tsv, or a manifest with classes")
    made.add_argument(
        "--out", type=Path, help="folder of rows, table and page (default: results/MODEL beside this file)"
    )
    made.add_argument("--classes", nargs="*", default=(), metavar="CONCEPT", help="these alone")
    made.add_argument("--asking", action="store_true", help="teach nothing")
    made.add_argument("--seeds", type=int, default=1, help="of teaching")
    made.add_argument("--control-seeds", type=int, default=1, help="of controls and labelled studies")
    made.add_argument("--most", type=int, metavar="N", help="studies of each label that are asked about (default: all)")
    made.add_argument(
        "--ways",
        nargs="*",
        default=(),
        metavar="NAME",
        help="of teaching, these alone: images, local, 'local, own studies'",
    )
    made.add_argument("--preset", default="fast", help="of the way of teaching that makes whole images")
    made.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of every way")
    made.add_argument("--cache", type=Path, help="folder of inverted images (default: MEDKT_CACHE or medkt's own)")
    made.add_argument("--device", default="auto")
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--dry-run", action="store_true", help="only say what would be done and how long it would take")
    return made


def run(encoder: DualEncoder, arguments: argparse.Namespace) -> None:
    """All of it for one encoder."""
    ways = ways_of(arguments.preset, arguments.set, arguments.ways)
    ways = () if arguments.asking else ways
    studies = read_studies(arguments.data)
    tasks = tasks_of(arguments.data, studies, arguments.classes, arguments.most)
    out = arguments.out or Path(__file__).resolve().parent / "results" / encoder.spec.name
    kept = Kept(out, identity(encoder, tasks), ways)
    benches = [Bench(encoder, task, ways) for task in tasks]
    wanted = [one for bench in benches for one in bench.missing(kept, ways, arguments)]
    keys = [(bench.task.concept.id, condition.name) for bench, condition in wanted]
    words = {
        bench.task.concept.id: vocabulary_of(bench.task.concept, bench.task.domain, known=bench.task.known)
        for bench in benches
    }
    seconds = expected_seconds(encoder, words, keys, ways, device=arguments.device, threads=arguments.threads)
    clock = Clock(keys, seconds)
    print(clock.before(), flush=True)
    if arguments.dry_run:
        return
    for bench, condition in wanted:
        began = time.process_time()
        row = bench.row(condition)
        kept.add({**row, "seconds": round(time.process_time() - began, 1)})
        write_tables(out)
        print(f"{row['class']}, {row['condition']}, seed {row['seed']}: {clock.after()}", flush=True)


def identity(encoder: DualEncoder, tasks: tuple[Task, ...]) -> dict[str, Any]:
    """What all rows of one folder have in common, and what those of each class have."""
    return {
        "model": encoder.spec.name, "weights": encoder.spec.digest, "licence": encoder.spec.licence, "ways of asking": [way.name for way in WAYS],
        "medkt": __version__, "classes": {task.concept.id: described(task) for task in tasks},
    }  # fmt: skip


def described(task: Task) -> dict[str, Any]:
    """A class, for a reader, and which studies it has."""
    every = [one.id + one.role for one in (*task.asked, *task.given, *task.others)]
    return {
        "digest": hashlib.sha256(json.dumps(every).encode()).hexdigest()[:16],
        "name": task.concept.name, "description": task.concept.texts("inversion")[0], "modality": task.domain.name, "met": task.met,
        "known": [one.id for one in task.known], "studies": task.mine, "others": len(task.asked) - task.mine, "decides": task.decides,
        "to learn from": len(task.given), "to rehearse by": len(task.others),
    }  # fmt: skip


class Kept:
    """What was measured, one line each, of one model, one set of studies and one setting of each way of teaching.

    Raises:
        InputError: the folder holds rows of another model, of other studies or of a way with other settings.
    """

    def __init__(self, folder: Path, own: dict[str, Any], ways: tuple[Way, ...]) -> None:
        self.folder, self._rows = folder, folder / "rows.jsonl"
        taught = {way.name: as_plain(way.settings) for way in ways}
        path = folder / "run.json"
        there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {**own, "teaching": {}}
        other = [name for name in own if name != "classes" and own[name] != there.get(name)]
        other += [
            f"studies of {name}" for name, one in own["classes"].items() if one != there["classes"].get(name, one)
        ]
        other += [f"settings of {name}" for name in taught if _differ(taught[name], there["teaching"].get(name, {}))]
        if other:
            raise InputError(f"{folder}: holds rows of another run ({', '.join(other)}); choose another --out")
        classes = {**there["classes"], **own["classes"]}
        self._own = {**own, "classes": classes, "teaching": {**there["teaching"], **taught}}
        lines = self._rows.read_text(encoding="utf-8").splitlines() if self._rows.is_file() else []
        self._there = {key_of(json.loads(line)) for line in lines}

    def has(self, task: Task, condition: Condition) -> bool:
        return (task.concept.id, condition.name, condition.seed) in self._there

    def add(self, row: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "run.json").write_text(json.dumps(self._own, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        with self._rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        self._there.add(key_of(row))


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a setting that both have is another one; a later medkt may have more of them."""
    return any(
        _differ(value, other[name]) if isinstance(value, dict) else value != other[name]
        for name, value in one.items()
        if name in other
    )


def key_of(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["class"], row["condition"], row["seed"]


class Bench:
    """One class with its studies, as far as the layers go that no teaching changes; looked at when a row is first wanted."""

    def __init__(self, encoder: DualEncoder, task: Task, ways: tuple[Way, ...]) -> None:
        self.base, self.task, self._ways = encoder, task, ways
        self._spoken = AskingWords.of(task.concept, task.domain, task.known, task.concept.texts("inversion"))

    @cached_property
    def _layer(self) -> int | None:
        layers = {frozen_layer(self.base, way.settings.finetune.trains) for way in self._ways}
        return layers.pop() if len(layers) == 1 else None  # one way may train more than another

    @cached_property
    def _asked_about(self) -> "Looked":
        return Looked.at(self.base, self.task.asked, self._layer)

    @cached_property
    def _set_on(self) -> "dict[str, Looked]":
        """Studies that the handicap is set on, none of which is asked about; empty where none is normal."""
        kinds = {
            "normal": [one for one in self.task.others if one.label in self.task.normal],
            "unlabelled": self.task.others,
        }
        return (
            {kind: Looked.at(self.base, some, self._layer) for kind, some in kinds.items()} if kinds["normal"] else {}
        )

    @cached_property
    def _asked(self) -> dict[str, Directions]:
        with texts_kept():  # ways have most of their texts in common
            return {way.name: way.directions(self.base, self._spoken) for way in WAYS}

    @cached_property
    def _names(self) -> torch.Tensor:
        return text_vectors(self.base, tuple(texts[0] for texts in self._spoken.rival_names))

    @cached_property
    def _before(self) -> np.ndarray:
        return self._nearest(self._asked_about.by(self.base))

    def missing(
        self, kept: "Kept", ways: tuple[Way, ...], arguments: argparse.Namespace
    ) -> Iterator[tuple["Bench", Condition]]:
        """The conditions without a row, the base first."""
        every = [Condition(name=BASE, seed=0, make=lambda: self.base)]
        for seed in range(arguments.seeds):
            for way in ways:
                controls = seed < arguments.control_seeds
                every += conditions(self.base, self.task, way, seed, arguments.cache, controls=controls)
        yield from ((self, one) for one in every if not kept.has(self.task, one))

    def row(self, condition: Condition) -> dict[str, Any]:
        """What an encoder answers: the lead of each study by each way of asking; no lead where it cannot be made."""
        made, why = None, "cannot be made of this class"
        try:
            made = condition.make()
        except InputError as error:
            why = str(error)
        plain: dict[str, Any] = {"class": self.task.concept.id, "condition": condition.name, "seed": condition.seed}
        plain |= {"studies": [one.id for one in self.task.asked], "labels": [one.label for one in self.task.asked]}
        plain |= {"patients": [one.patient for one in self.task.asked], "of the class": self.task.mine}
        plain |= {
            "brightness": [round(float(np.mean([plane.mean() for plane in one.planes])), 4) for one in self.task.asked]
        }
        if made is None:
            return {**plain, "leads": {}, "renamed": None, "why not": why}
        vectors, beside = self._asked_about.by(made), {kind: some.by(made) for kind, some in self._set_on.items()}
        led = {name: self._leads(vectors, self._settled(to, beside)) for name, to in self._asked.items()}
        moved = (self._nearest(vectors) != self._before)[self.task.mine :]
        return {**plain, "leads": led, "renamed": round(float(moved.mean()), 4)}

    def _settled(self, asked: Directions, beside: dict[str, torch.Tensor]) -> Directions:
        """With the handicap that studies of `train` set; a way without a lead over normal studies has none."""
        if asked.normal is None or not beside:
            return asked
        return settled(asked, lambda to: {kind: self._set_on[kind].leads(some, to) for kind, some in beside.items()})[0]

    def _leads(self, vectors: torch.Tensor, asked: Directions) -> list[float]:
        return [round(float(one), 5) for one in self._asked_about.leads(vectors, asked)]

    def _nearest(self, vectors: torch.Tensor) -> np.ndarray:
        """Of each study's first plane, the nearest known name."""
        nearest: np.ndarray = (vectors @ self._names.T).argmax(dim=1).cpu().numpy()[self._asked_about.starts]
        return nearest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """Studies as far as the layers go that no teaching changes; `starts` is the first plane of each."""

    seen: PrefixActivations
    starts: np.ndarray

    @classmethod
    def at(cls, base: DualEncoder, studies: Sequence[Study], layer: int | None) -> "Looked":
        pixels = [prepare_plane(base, plane).pixels for one in studies for plane in one.planes]
        starts = np.cumsum([0, *(len(one.planes) for one in studies[:-1])])
        return cls(seen=look(base, torch.stack(pixels), layer), starts=starts)

    def by(self, encoder: DualEncoder) -> torch.Tensor:
        """The planes' unit vectors by an encoder that differs from the base in later layers alone."""
        return vectors_of(encoder, self.seen)

    def leads(self, vectors: torch.Tensor, asked: Directions) -> np.ndarray:
        """Of each study, that of the plane that leads most."""
        found: np.ndarray = np.maximum.reduceat(leads(vectors, asked).double().cpu().numpy(), self.starts)
        return found


if __name__ == "__main__":
    raise SystemExit(main())
