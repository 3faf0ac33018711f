"""Whatever is asked of whatever study: its score is held against normal studies, or the reason says why it is not."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from medkt.concepts import AskingRecord, Base, Concept, Package, concept_from_text, load_concept, write_package
from medkt.concepts.asking_record import RIVALS, WANTED
from medkt.config import resolve
from medkt.domains import domain
from medkt.io import read_image
from medkt.models.registry import load_encoder
from medkt.models.weights import weights_digest
from medkt.phantom.study import write_study
from medkt.pipeline import Pipeline, View, look_at
from medkt.presence import NoNormals, Presence
from medkt.presence.normals import NormalStudies
from medkt.saliency.targets import embed_targets
from medkt.segmentation.presence import FLOOR, LEAD, SEEN_FROM, PresenceSettings, plane_scores
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import Display, Geometry, Image, Provenance
from medkt.transfer.copies import copy_encoder
from medkt.transfer.delta import DeltaSettings, make_delta, to_bytes

SIDE, STEP_MM = 32, {"ct": 8.0, "mri": 6.0, "cxr": 1.0, "ultrasound": 1.0}
KNOWN = {"cxr": "cxr_nodule", "ct": "ct_nodule", "mri": "mri_glioma", "ultrasound": "us_cyst"}
STUDIES = ("plane", "volume")
WAYS = ("concept", "concept file", "free text", "package", "package by its name", "text package")
PLANES = 1514  # of the volumes of CT, in the lung window
TEXT = "a small bright spot"
VOLUMES = 32  # that ship, of CT and of MRI; they are cut in as many ways as a study is coarser

FILE = """version: 1
modality: {modality}
licence: CC0-1.0
author: a test
sources: {{own: own}}
concepts:
  - {{id: {id}, name: "pale speck", source: [own], captions: {{prompt: ["a pale speck"], inversion: ["a bright dot"]}}}}
"""


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    quick = resolve(SegmentationSettings, sets=("m2ib.steps=1", "m2ib.samples=1", "map.max_slices=1"))
    return Pipeline.load("small", device="cpu", settings=quick, guarded=False)


def image_of(modality: str, kind: str, dtype: str = "int16") -> Image:
    """Noise in a disc, of values that fit the modality; three slices, or one."""
    shape = (3 if kind == "volume" else 1, SIDE, SIDE)
    inside = np.hypot(*np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]) < 0.8
    noise = np.random.default_rng(7).normal(size=shape)
    hounsfield = modality == "ct" and dtype == "int16"
    values = np.where(inside, 100 * noise + 20, -1000) if hounsfield else np.where(inside, 40 * noise + 120, 0)
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[2, 0], affine[1, 1], affine[0, 2] = STEP_MM[modality], 2.0, 2.0
    grey = np.clip(values, *((-1024, 3000) if hounsfield else (0, 255)))
    return Image(values=grey.astype(dtype), geometry=Geometry(affine=affine, shape=shape), provenance=Provenance())


def words(folder: Path, modality: str, id_: str) -> Path:
    path = folder / f"{id_}.yaml"
    path.write_text(FILE.format(modality=modality, id=id_), encoding="utf-8")
    return path


def package(folder: Path, modality: str, id_: str, *, weights: bool, asking: bool) -> Package:
    """What a learning may leave behind: weights, a way of asking, or both."""
    base = load_encoder("small", device=torch.device("cpu"))
    digest = weights_digest(base.module)
    delta, record = b"", None
    if weights:
        adapted = copy_encoder(base)
        with torch.no_grad():
            adapted.module.get_parameter("image.head.project.weight").mul_(1.01)
        delta = to_bytes(make_delta(base, adapted, DeltaSettings(kind="full", storage="float32")))
    if asking:
        unit = torch.nn.functional.normalize(torch.randn(3, 128, generator=torch.Generator().manual_seed(3)), dim=1)
        record = AskingRecord(
            way="virtual", texts=("a pale speck",), known=("one", "two"), bank=(), bias=0.0, base_digest=digest,
            vectors=save({WANTED: unit[0].contiguous(), RIVALS: unit[1:].contiguous()}),
        )  # fmt: skip
    return write_package(
        folder / f"{id_}.medkt", concept=load_concept(words(folder, modality, id_)), delta=delta, asking=record,
        base=Base(name=base.spec.name, digest=digest), recipe={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def answers(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> "Answers":
    return Answers(pipeline, tmp_path_factory.mktemp("asked"))


class Answers:
    """All ways of asking go through the pipeline at once, a study a call."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline, self.folder = pipeline, folder
        self.of = cache(self._of)

    def _of(self, modality: str, kind: str) -> Mapping[str, Presence]:
        made = {
            "package": package(self.folder, modality, "learnt", weights=True, asking=True),
            "package by its name": package(self.folder, modality, "named", weights=True, asking=False),
            "text package": package(self.folder, modality, "told", weights=False, asking=True),
        }
        asked: dict[str, Concept | str | Path] = {
            "concept": KNOWN[modality], "concept file": words(self.folder, modality, "own"), "free text": concept_from_text(TEXT),
            **{way: one.concepts[0] for way, one in made.items()},
        }  # fmt: skip
        taught = self.pipeline.with_packages(list(made.values()))
        found = taught.segment(image_of(modality, kind), list(asked.values()), view=View(modality=modality)).findings
        return {way: one.found.presence for way, one in zip(asked, found, strict=True)}


def expected(modality: str, kind: str, way: str) -> str:
    """The code of why there are no normals; "" where there are some."""
    if kind == "plane" and way in ("package", "text package"):
        return "own-bias"
    if way in ("package", "package by its name"):
        return "other-weights"
    return "" if kind == "plane" or modality in ("ct", "mri") else "other-kind"


@pytest.mark.parametrize(("modality", "kind", "way"), [*product(KNOWN, STUDIES, WAYS)])
def test_it_is_held_against_normals_or_the_reason_says_why_not(
    answers: Answers, modality: str, kind: str, way: str
) -> None:
    answer = answers.of(modality, kind)[way]
    code = expected(modality, kind, way)
    if not code:
        assert answer.null is not None
        assert answer.no_normals is None
        slices = modality == "ct" and kind == "plane"  # in Hounsfield units, and so in a window
        assert len(answer.null) == (PLANES if slices else 500 if kind == "plane" else VOLUMES * 2)
        assert f"of {len(answer.null)} drawn normal {'planes' if slices else 'studies'} score as much" in answer.reason
        return
    assert answer.null is None
    assert answer.no_normals is not None
    assert answer.no_normals.code == code
    said = "held against no normal study" if f": {LEAD} score" in answer.reason else "not calibrated"
    assert f"({said}: {answer.no_normals.sentence})" in answer.reason


# ---- the window in which the planes are shown, whoever chose it

WINDOWS = [  # asked of: a concept that names the lung window, one that names the soft one, a free text
    (None, ("lung", "soft", "lung")),
    ("soft", ("soft", "soft", "soft")),
    ("1500/-600", ("lung", "lung", "lung")),
    ("400/40", ("soft", "soft", "soft")),
    ("350/50", (None, None, None)),
    ("bone", ("bone", "bone", "bone")),
    ("file", ("lung", "lung", "lung")),
]


@pytest.mark.parametrize(("window", "shown"), WINDOWS, ids=lambda one: str(one) if isinstance(one, str) else "")
def test_a_volume_of_ct_is_held_against_normals_in_its_own_window(
    pipeline: Pipeline, window: str | None, shown: tuple[str | None, ...]
) -> None:
    asked = [load_concept("ct_nodule"), load_concept("ct_granuloma"), concept_from_text(TEXT)]
    assert [one.window for one in asked] == ["lung", "soft", ""]
    image = image_of("ct", "volume")
    findings = pipeline.segment(image, asked, view=View(modality="ct", window=window)).findings
    assert [one.looked.window for one in findings] == list(shown)
    for one, name in zip(findings, shown, strict=True):
        answer = one.found.presence
        if name in ("lung", "soft"):
            assert answer.null is not None
        else:
            assert answer.no_normals == NoNormals(
                code="other-window", sentence="no normal study of ct is known as this one is shown"
            )
            assert answer.strong == 0.5


def test_a_free_text_has_the_threshold_of_a_concept_of_the_same_words(pipeline: Pipeline) -> None:
    image, text = image_of("ct", "volume"), concept_from_text(TEXT)
    named = replace(text, id="named", window="lung")
    one, other = (
        each.found.presence for each in pipeline.segment(image, [text, named], view=View(modality="ct")).findings
    )
    assert (one.score, one.strong) == (other.score, other.strong)
    np.testing.assert_array_equal(one.null, other.null)


def test_a_slice_of_ct_is_held_against_planes_in_its_own_window_and_not_against_pictures(pipeline: Pipeline) -> None:
    """Pictures are shown as stored, in whichever window they were drawn: most in that of the lung."""
    image, soft, lung = image_of("ct", "plane"), load_concept("ct_adenopathy"), concept_from_text(TEXT)
    findings = pipeline.segment(image, [soft, lung], view=View(modality="ct")).findings
    assert pipeline.normals is not None
    for one, window in zip(findings, ("mediastinum", "lung"), strict=True):
        group = pipeline.normals.of("ct", "chest", window, is_volume=True)
        assert isinstance(group, NormalStudies)
        (target,) = embed_targets(pipeline.encoder, [one.texts])
        features = torch.from_numpy(group.features)
        scores = plane_scores(features, target, PresenceSettings(), logit_scale=pipeline.encoder.logit_scale).scores
        answer = one.found.presence
        np.testing.assert_array_equal(answer.null, np.sort(scores.astype(np.float64)))
        assert answer.strong == max(FLOOR, np.quantile(scores.astype(np.float64), 0.97))


def test_grey_levels_of_a_volume_are_no_window(pipeline: Pipeline) -> None:
    image = image_of("ct", "volume", "uint8")
    (finding,) = pipeline.segment(image, ["ct_nodule"], view=View(modality="ct")).findings
    assert finding.looked.intensity.name == "as stored"
    assert finding.found.presence.no_normals is not None
    assert finding.found.presence.no_normals.code == "other-window"


def test_a_picture_of_ct_is_held_against_pictures_whatever_window_is_asked_for(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    path = write_study(tmp_path, domain="ct", finding="", seed=3, format="png", side=64)
    for window in (None, "soft", "bone", "8-bit"):
        asked = ["ct_nodule", "ct_granuloma", concept_from_text(TEXT)]
        found = pipeline.segment_file(path, asked, view=View(modality="ct", window=window)).findings
        assert [len(one.found.presence.null) for one in found if one.found.presence.null is not None] == [500] * 3


@pytest.mark.parametrize(("modality", "window", "held"), [
    ("ultrasound", "8-bit", True), ("ultrasound", "255/127.5", True), ("ultrasound", "100/50", False),
    ("cxr", "file", True), ("cxr", "8-bit", False), ("mri", "100/50", False),
])  # fmt: skip
def test_where_no_window_is_named_the_domains_own_rule_has_normals(modality: str, window: str, held: bool) -> None:
    kind, image = domain(modality), image_of(modality, "plane", "uint8")
    looked = look_at(image, kind, View(modality=modality, window=window))
    assert looked.window == ("" if held else None)


def test_a_window_of_the_file_is_the_named_one_with_its_numbers(tmp_path: Path) -> None:
    """DICOM's LINEAR of the phantom's series, 1500 at -600, is the lung window; turned over or curved it is none."""
    path = write_study(
        tmp_path, domain="ct", finding="", seed=3, format="dicom", shape=(3, 32, 32), spacing_mm=(8.0, 8.0, 8.0)
    )
    image, kind = read_image(path), domain("ct")
    looked = look_at(image, kind, View(window="file"))
    assert (looked.intensity.name, looked.window) == ("file window 1", "lung")
    curved = replace(image, display=Display(windows=((-600.0, 1500.0),), function="SIGMOID"))
    assert look_at(curved, kind, View(window="file")).window is None
    inverted = replace(image, display=replace(image.display, inverted=True))
    assert look_at(inverted, kind, View(window="file")).window is None


@pytest.mark.parametrize(("modality", "window", "code"), [
    ("ct", None, "own-bias"), ("ct", "lung", "own-bias"), ("ct", "1500/-600", "own-bias"), ("ct", "soft", ""),
    ("ct", "bone", "other-window"), ("mri", None, ""), ("mri", "100/50", "other-window"),
])  # fmt: skip
def test_a_bias_decides_alone_where_a_plane_is_shown_as_those_that_it_was_set_on(
    pipeline: Pipeline, tmp_path: Path, modality: str, window: str | None, code: str
) -> None:
    """A concept of CT: in another window, and in another modality, its bias says nothing, and normals of that are asked, too."""
    told = package(tmp_path, "ct", "told", weights=False, asking=True)
    taught, view = pipeline.with_packages([told]), View(modality=modality, window=window)
    (finding,) = taught.segment(image_of(modality, "plane"), [told.concepts[0]], view=view).findings
    answer = finding.found.presence
    assert ("" if answer.no_normals is None else answer.no_normals.code) == code
    assert answer.strong >= SEEN_FROM
    if not code:
        assert answer.null is not None
        assert answer.strong == max(SEEN_FROM, np.quantile(answer.null, 0.97))


def test_findings_of_one_name_are_told_apart_by_their_ids(pipeline: Pipeline) -> None:
    text = concept_from_text("Solid nodule")
    warnings = pipeline.segment(image_of("ct", "plane"), ["ct_nodule", text], view=View(modality="ct")).warnings
    assert (
        f"ct_nodule and {text.id} are called 'solid nodule' alike; tell them apart by their ids, which name their files"
        in warnings
    )
