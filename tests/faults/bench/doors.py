"""How medkt takes in an input, in this process: each door reads, and gives all of what it read.

Imports stand inside, for a child takes only what its door needs.
"""

import hashlib
import io
import os
from contextlib import redirect_stdout
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medkt.cli.main import main
from medkt.errors import InputError
from medkt.spatial import Geometry


def image(path: Path) -> object:
    """Every kind of study."""
    from medkt.io import read_image

    read = read_image(path)
    return _digest(read.values), *_placed(read.geometry), str(read.modality)


def mask(path: Path) -> object:
    from medkt.io import read_mask

    read = read_mask(path)
    return _digest(read.values), *_placed(read.geometry)


def outlines(path: Path) -> object:
    from medkt.datasets.rtstruct import read_rtstruct

    affine = np.array([[0, 0, 0.7, -10.0], [0, 0.8, 0, 20.0], [2.5, 0, 0, 0], [0, 0, 0, 1]])
    geometry = Geometry(affine=affine, shape=(3, 12, 10), unit="mm")
    return _digest(read_rtstruct(path, geometry=geometry))


def concepts(path: Path) -> object:
    from medkt.concepts.captions import read_concepts

    return read_concepts(path)


def caption_list(path: Path) -> object:
    from medkt.concepts.captions import convert_caption_list

    return convert_caption_list(path, modality="cxr", licence="CC0-1.0", author="one", source="a list")


def settings(path: Path) -> object:
    from medkt.config import build, read_yaml
    from medkt.segmentation.slicewise import SegmentationSettings

    return build(SegmentationSettings, read_yaml(path))


def protocol(path: Path) -> object:
    from medkt.datasets.protocol import read_protocol

    return read_protocol(path)


def manifest(path: Path) -> object:
    from medkt.datasets.manifest import read_manifest

    return read_manifest(path, check_files=False).cases


def coco(path: Path) -> object:
    from medkt.datasets.coco import coco_mask

    return _digest(coco_mask(path, "1", rows=12, columns=10))


def rle(path: Path) -> object:
    from medkt.datasets.rle import siim_mask

    return _digest(siim_mask(path, "one", rows=12, columns=10))


def layout(path: Path) -> object:
    """A data set whose folder is named after its layout, with one of its describing files damaged."""
    from medkt.datasets.builders import build_manifest

    return len(build_manifest(path.name, path, checked=2).cases)


def package(path: Path) -> object:
    from medkt.concepts import read_package

    read = read_package(path)
    return [(one.concept, _sha(one.delta), one.recipe, one.audit, one.card) for one in read.learnt], read.base


def tensors(path: Path) -> object:
    from medkt.concepts.tensors import read_header

    return read_header(path.read_bytes(), str(path))


def calibration(path: Path) -> object:
    from medkt.calibration.store import read_calibration

    return asdict(read_calibration(path))


def run(path: Path) -> object:
    """A run's folder: whether it says of itself that it is whole, and then all that it holds."""
    from medkt.runs.folder import RunFolder
    from medkt.runs.integrity import verify_run
    from medkt.runs.ledger import Ledger
    from medkt.runs.query import query

    for words in (["batch", "status", str(path), "-q"], ["query", str(path), "SELECT * FROM failures", "-q"]):
        with redirect_stdout(io.StringIO()):
            main(words)
    found = verify_run(path)
    if not found.sound:
        raise InputError("; ".join(found.problems)[:900])
    with Ledger(RunFolder(path).ledger, read_only=True) as ledger:
        outcomes = [one.plain() for one in ledger.outcomes()]
    return outcomes, query([path], "SELECT * FROM results ORDER BY ALL").rows


def table(path: Path) -> object:
    """The result table of a run through a question, and through what a report reads."""
    from medkt.runs.query import query
    from medkt.tasks.masks.scores import read_scores

    rows = query([path], "SELECT * FROM results ORDER BY ALL").rows
    return rows, str(read_scores(path / "results.parquet"))


def page(path: Path) -> object:
    """A run as a page shows it, but for the drawing."""
    from medkt.report.run.common import settings_section
    from medkt.statistics import BootstrapSettings
    from medkt.tasks.masks.page import arm_of
    from medkt.tasks.masks.sections import _facts

    arm = arm_of("a", path, by=("site",), settings=BootstrapSettings(resamples=100), cases=1)
    settings = settings_section([(arm.name, _facts(arm.record), arm.record)])
    return str(settings), str(arm.cases), str(arm.evaluation)


def case_record(path: Path) -> object:
    """What a page's viewer shows of a case, and the files that another result would take the places of."""
    from medkt.datasets.case import Case
    from medkt.io import read_image
    from medkt.phantom.study import reference_path
    from medkt.report.run.case_record import is_volume, record_of
    from medkt.report.run.volumes import show_layers, show_study
    from medkt.report.study_folder import _files_of_result

    goes = _files_of_result(path / "result")
    if any(not (path / "result" / name).resolve().is_relative_to(path / "result") for name in goes):
        raise AssertionError("another result would remove a file elsewhere")
    record = record_of(path / "result")
    study = next((path / "study").glob("image.nii*"))
    image = read_image(study)
    concept = record.findings[0].concept if record.findings else "none"
    case = Case(case_id="a", image=study, references=(reference_path(study),), reference_kind="mask")
    shown = show_study(image, case, record, concept, window=None)
    layers = show_layers(shown, image, path / "result", record, concept)
    found = [None if one is None else _digest(one) for one in (shown.image, layers.mask, layers.saliency)]
    return is_volume(record), found, layers.start, goes


def plan(path: Path) -> object:
    """A run that goes on with its manifest."""
    from medkt.tasks.manifest import plan_of

    made = plan_of(path / "cases.csv", concepts=str, asked=[], columns=["sex"], cache=path / "manifest.json")
    return dict(made.concepts), made.notes, made.patients_stated, [str(one.key) for one in made.works(b"s" * 32, {1: (0, 0), 2: (0, 0)})]  # fmt: skip


def sidecar(path: Path) -> object:
    from medkt.io import read_image

    read = read_image(path / "a.nii")
    return _digest(read.values), *_placed(read.geometry), str(read.provenance)


def prompts(path: Path) -> object:
    from medkt.datasets.prompts import read_prompts

    return dict(read_prompts(path).sentences)


def patients(path: Path) -> object:
    from medkt.datasets.patients import FileOwners

    return FileOwners(table=path).of([f"m{n}" for n in range(6)])


def clip_config(path: Path) -> object:
    from medkt.models.hugging_face import stated_activation

    return stated_activation(path.parent / "model.safetensors")


def cached_images(path: Path) -> object:
    """An entry of the cache; one that is damaged is made again."""
    from medkt.inversion.cache import _read
    from medkt.inversion.settings import InversionSettings

    from .seeds import INVERTED, cache_key

    found = _read(path, cache_key(), INVERTED[0], InversionSettings(), 0)
    if found is None:
        raise InputError("the images are made again")
    return [_digest(one.numpy()) for one in (found.pixels, found.similarity, found.curves)]


def question(path: Path) -> object:
    """A question that must neither write nor read; `path` has a run and the words."""
    from medkt.runs.query import query

    before = _files(path)
    os.environ["MEDKT_QUERY_SECONDS"] = "2"
    try:
        return query([path / "run"], (path / "question.sql").read_text(encoding="utf-8", errors="surrogateescape")).rows
    finally:
        if _files(path) != before:
            raise AssertionError("a question changed a file")


def weights(path: Path) -> object:
    from medkt.models.weights import read_state, tensors_digest

    return tensors_digest(read_state(path))


def delta(path: Path) -> object:
    from medkt.transfer.delta import from_bytes

    made = from_bytes(path.read_bytes())
    return made.base_digest if is_dataclass(made) else made


def directory(path: Path) -> object:
    """A folder with a DICOMDIR."""
    return image(path / "DICOMDIR")


def signed(path: Path) -> object:
    """A folder with a signed package and the key that is trusted."""
    from medkt.concepts.signature import verify

    found = verify(path / "one.medkt", trusted=[path / "key.pub"], require_signature=True)
    return found.fingerprint, found.signer, package(path / "one.medkt")


def store(path: Path) -> object:
    """The folder of a model as it was pulled."""
    from medkt.models.store import read_manifest

    read = read_manifest(path)
    return read.name, read.weights, sorted(read.files.items())


def bundle(path: Path) -> object:
    from medkt.models.bundle import import_bundle

    os.environ["MEDKT_HOME"] = str(path.parent / f"home-{os.getpid()}")
    return [one.name for one in import_bundle(path)]


def _placed(geometry: Geometry) -> tuple[Any, ...]:
    return geometry.affine.round(9).tolist(), geometry.shape, str(geometry.unit)


def _digest(values: np.ndarray[Any, Any]) -> str:
    return f"{values.dtype} {values.shape} {_sha(np.ascontiguousarray(values).tobytes())}"


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _files(path: Path) -> dict[str, str]:
    return {str(one): _sha(one.read_bytes()) for one in path.rglob("*") if one.is_file()}
