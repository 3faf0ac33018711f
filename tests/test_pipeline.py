"""The whole line from Python: the same as the command, its steps one by one, and masks that stay where they belong."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from whole_line import BRIGHT, QUICK, STUDIES, Command, Studies, bright, bright_pipeline, medkt, options_of, studies

import medkt as toolkit
from medkt.calibration import segment
from medkt.concepts import concept_from_text
from medkt.config import resolve
from medkt.domains import domain
from medkt.errors import AmbiguousInputError, InputError, MedktError, SettingsError, UnknownNameError, UnsupportedError
from medkt.io import write_nifti_mask
from medkt.metrics import measure
from medkt.pipeline import (
    Pipeline,
    View,
    concept_in,
    explain,
    mask_from,
    prompts_from,
    resolve_device,
    settled,
)
from medkt.pipeline.result import too_small
from medkt.report.study_folder import record_of_result
from medkt.segmentation.segmenter import Segmenter
from medkt.segmentation.slicewise import SegmentationSettings
from medkt.spatial import planes_of
from medkt.spatial.image import Display

__all__ = ["bright", "medkt", "studies"]

FAST = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2"))
OPEN = resolve(SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "presence.gate=false"))
KINDS = {"ct": "ct", "mr": "mri", "cx": "cxr", "dx": "cxr", "us": "ultrasound"}


def view_of(name: str) -> View:
    return View(modality=KINDS[name[:2]] if options_of(name) else None)


@pytest.mark.parametrize("name", ["ct-series", "mr-nifti", "us-clip", "cxr-png"])
def test_the_same_as_the_command(name: str, medkt: Command, bright: None, studies: Studies, tmp_path: Path) -> None:
    path, words = studies[name], ("a bright spot", "something dark")
    assert medkt("segment", "-i", path, "-o", tmp_path, *BRIGHT, "-p", words[1], *QUICK, *options_of(name)).code == 0
    record = json.loads((tmp_path / "result.json").read_text())
    model = bright_pipeline(FAST)
    from_path = segment(path, prompts=words, model=model, view=view_of(name))
    from_image = segment(toolkit.read_image(path), prompts=words, model=model, view=view_of(name))
    for result in (from_path, from_image):
        files = {finding["concept"]: finding["files"] for finding in record["findings"]}
        again = json.loads(json.dumps(record_of_result(result, case=record["case"], files=files)))
        assert {**again, "seconds": 0} == {**record, "seconds": 0}
        for finding in result.findings:
            stored = nib.load(tmp_path / files[finding.concept.id]["mask"])
            values = np.asarray(stored.dataobj).T.astype(bool)
            np.testing.assert_array_equal(result.mask(finding).values, values)


def test_several_concepts_at_once_are_the_same_as_one_by_one(studies: Studies) -> None:
    pipeline, words = bright_pipeline(FAST), ("a bright spot", "something dark")
    together = segment(studies["us"], prompts=words, model=pipeline)
    for finding, word in zip(together.findings, words, strict=True):
        (alone,) = segment(studies["us"], prompts=[word], model=pipeline).findings
        assert alone.found.presence.score == finding.found.presence.score
        np.testing.assert_array_equal(together.mask(finding).values, together.mask(alone).values)


def test_the_steps_one_by_one(studies: Studies) -> None:
    """With the models that ship; the settings only make it quick."""
    image = toolkit.read_image(studies["dx"])
    concept = toolkit.load_concept("cxr_nodule")
    encoder = toolkit.load_encoder("small")
    saliency = toolkit.explain(encoder, image, concept, settings=FAST)
    prompts = toolkit.prompts_from(saliency)
    mask = toolkit.mask_from(toolkit.load_segmenter("small"), image, prompts)
    assert saliency.looked_at == (0,)
    assert list(prompts) == [0]
    assert saliency.values.shape == mask.values.shape == image.values.shape
    assert saliency.values.min() >= 0
    assert 0 < saliency.values.max() <= 1
    mask.geometry.require_same_grid(image.geometry, what="image")
    assert mask.provenance.steps[-1] == "segmented from prompts"


def test_the_steps_meet_the_whole_line(studies: Studies) -> None:
    image, model, concept = toolkit.read_image(studies["mr-series"]), bright_pipeline(OPEN), concept_from_text("bright")
    whole = model.segment(image, [concept])
    (finding,) = whole.findings
    saliency = explain(model.encoder, image, concept, settings=FAST)
    np.testing.assert_array_equal(saliency.values, whole.saliency(finding).values)
    prompts = prompts_from(saliency)
    for piece in finding.found.slices:
        np.testing.assert_array_equal(prompts[finding.looked.index(piece.index)].boxes_xyxy, piece.prompts.boxes_xyxy)
    mask = mask_from(model.segmenter, image, prompts).values
    assert mask.any()
    assert not (whole.mask(finding).values & ~mask).any()  # agreement along the axis only takes away


def test_a_mask_from_prompts_is_of_what_the_map_was_made_of(studies: Studies) -> None:
    image, model = toolkit.read_image(studies["ct-series"]), bright_pipeline(OPEN)
    concept = toolkit.load_concept("ct_intracranial_haemorrhage")
    prompts = {3: prompts_from(explain(model.encoder, image, concept, settings=FAST))[3]}
    segmenter = Watched(model.segmenter)
    mask_from(segmenter, image, prompts, concept=concept)
    mask_from(segmenter, image, prompts)
    in_its_own, in_the_domains = segmenter.shown
    kind, planes = domain("ct"), planes_of(image.geometry)
    for plane, window in ((in_its_own, "brain"), (in_the_domains, None)):
        np.testing.assert_array_equal(plane, kind.intensity(image, window=window).apply(planes.show(image.values, 3)))
    assert not np.array_equal(in_its_own, in_the_domains)


class Watched:
    """A segmenter, and what it was shown."""

    def __init__(self, inner: Segmenter) -> None:
        self._inner, self.shown = inner, list[np.ndarray]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def embed(self, plane: np.ndarray) -> Any:
        self.shown.append(plane)
        return self._inner.embed(plane)

    def masks(self, *given: Any) -> Any:
        return self._inner.masks(*given)


def test_a_concept_is_shown_in_its_own_window(studies: Studies) -> None:
    concepts = [toolkit.load_concept("ct_nodule"), toolkit.load_concept("ct_intracranial_haemorrhage")]
    result = bright_pipeline(FAST).segment(toolkit.read_image(studies["ct-series"]), concepts)
    assert [finding.looked.intensity.name for finding in result.findings] == ["lung", "brain"]
    lung, brain = (result.plane(finding, 0) for finding in result.findings)
    assert not np.array_equal(lung, brain)


def test_the_domain_says_where_m2ib_starts_and_the_user_has_the_last_word() -> None:
    kind, encoder = domain("ct"), bright_pipeline().encoder
    assert settled(SegmentationSettings(), kind, encoder).m2ib.layer == encoder.spec.default_layer
    encoder.spec = replace(encoder.spec, layers=12)
    mild = replace(kind, saliency=replace(kind.saliency, beta=0.3, layer=5))
    own = settled(SegmentationSettings(), mild, encoder).m2ib
    preset = settled(resolve(SegmentationSettings, preset="m2ib"), mild, encoder).m2ib
    said = settled(resolve(SegmentationSettings, preset="m2ib", sets=["m2ib.beta=0.7"]), mild, encoder).m2ib
    assert [(one.beta, one.layer) for one in (own, preset, said)] == [(0.3, 5), (0.1, 9), (0.7, 9)]


def test_a_beta_that_stands_nowhere_is_the_published_one(studies: Studies) -> None:
    result = bright_pipeline(FAST).segment(toolkit.read_image(studies["us"]), [concept_from_text("bright")])
    assert (result.settings.m2ib.beta, result.settings.m2ib.layer) == (0.1, 0)  # as resolved, not as given


def test_only_the_region_of_an_ultrasound_screen_is_looked_at(studies: Studies) -> None:
    image = toolkit.read_image(studies["us"])
    values = np.zeros((1, 96, 104), np.uint8)
    values[:, 20:84, 24:88] = image.values[:, :64, :64]
    alone = toolkit.Image(
        values=values[:, 20:84, 24:88],
        geometry=replace(image.geometry, shape=(1, 64, 64)), modality="US",
    )  # fmt: skip
    values[:, :16, :40] = 255  # a logo, brighter than anything in the image
    screen = toolkit.Image(
        values=values, geometry=replace(image.geometry, shape=values.shape), modality="US",
        display=Display(region=(20, 24, 84, 88)),
    )  # fmt: skip
    pipeline, words = bright_pipeline(OPEN), [concept_from_text("bright")]
    cut, whole = pipeline.segment(alone, words), pipeline.segment(screen, words)
    (expected,), (finding,) = cut.findings, whole.findings
    assert cut.mask(expected).values.any()
    assert finding.found.presence.score == expected.found.presence.score
    for ours, theirs in ((whole.mask(finding), cut.mask(expected)), (whole.saliency(finding), cut.saliency(expected))):
        assert ours.values.shape == values.shape
        np.testing.assert_array_equal(ours.values[:, 20:84, 24:88], theirs.values)
        assert ours.values.sum() == pytest.approx(theirs.values.sum())  # nothing outside
    assert whole.plane(finding, 0).shape == (64, 64)
    records = [record_of_result(one, case="c", files={words[0].id: {}}) for one in (cut, whole)]
    boxes = [np.array(record["findings"][0]["slices"][0]["boxes_xyxy"]) for record in records]
    np.testing.assert_allclose(boxes[1], boxes[0] + [24, 20, 24, 20], atol=0.01)
    assert [record["region"] for record in records] == [None, [20, 24, 84, 88]]


def test_a_lesion_at_the_edge_of_the_region_is_cut_there(studies: Studies) -> None:
    """On the screen it lies inside, but nothing outside the region was looked at."""
    image = toolkit.read_image(studies["us"])
    values = np.full((1, 96, 104), 20, np.uint8)
    values[:, 40:60, 24:44] = 250
    screen = toolkit.Image(
        values=values, geometry=replace(image.geometry, shape=values.shape), modality="US",
        display=Display(region=(20, 24, 84, 88)),
    )  # fmt: skip
    (finding,) = bright_pipeline(OPEN).segment(screen, [concept_from_text("bright")]).findings
    assert finding.measures.largest is not None
    assert finding.measures.largest.centroid_index[2] > 24
    assert finding.measures.largest.touches_border
    assert not measure(bright_pipeline(OPEN).segment(screen, [concept_from_text("bright")]).mask(finding)).border_count


def test_two_lesions_of_a_study_are_measured_apart() -> None:
    """Two bright discs of 25 and 17 mm, 64 mm apart: no size in the record spans both."""
    rows, columns = np.mgrid[:96, :128]
    discs = [(rows - 48) ** 2 + (columns - x) ** 2 <= r**2 for x, r in ((40, 12), (104, 8))]
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    values = np.where(discs[0] | discs[1], 250, 20).astype(np.uint8)[None]
    image = toolkit.Image(values=values, geometry=toolkit.Geometry(affine=affine, shape=values.shape), modality="US")
    lower = replace(OPEN, threshold=replace(OPEN.threshold, method="fixed", value=0.2))
    result = bright_pipeline(lower).segment(image, [concept_from_text("bright")])
    (finding,) = result.findings
    first, second = finding.measures.lesions
    assert (first.long_axis, second.long_axis) == pytest.approx((25, 17), abs=1)
    assert finding.measures.sum_area == pytest.approx(result.mask(finding).values.sum())
    record = record_of_result(result, case="c", files={finding.concept.id: {}})["findings"][0]
    assert record["size_text"].startswith("2 lesions, largest 2")
    lengths = [
        one[name]
        for one in (record["measures"]["largest"], *record["measures"]["lesions"])
        for name in ("long_axis", "short_axis")
    ]
    assert max(lengths) < 28


def test_lesions_below_what_shows_are_noted(studies: Studies) -> None:
    concept = replace(toolkit.load_concept("us_cyst"), smallest_visible_mm=1000.0)
    (finding,) = bright_pipeline(OPEN).segment(toolkit.read_image(studies["us"]), [concept]).findings
    count = finding.measures.lesion_count
    (note,) = too_small(finding)
    assert note.endswith(f"{max(one.long_axis for one in finding.measures.lesions):.1f} mm")
    assert (
        ("only lesion" in note)
        if count == 1
        else (f"{count} of the mask's {count} lesions are below the 1000 mm" in note)
    )
    assert too_small(replace(finding, concept=replace(concept, smallest_visible_mm=0.001))) == []


def test_a_name_that_two_modalities_share_means_that_of_the_study(studies: Studies) -> None:
    pipeline, name = bright_pipeline(FAST), "pleural effusion"
    for study, meant in (("ct-series", "ct_effusion"), ("dx", "cxr_effusion")):
        (finding,) = segment(studies[study], concepts=[name], model=pipeline).findings
        assert finding.concept.id == meant
    (finding,) = segment(studies["ct-nifti"], concepts=[name], model=pipeline, view=View(modality="ct")).findings
    assert finding.concept.id == "ct_effusion"
    with pytest.raises(AmbiguousInputError, match=r"means 2 concepts \(cxr_effusion, ct_effusion\).*--modality"):
        segment(studies["ct-nifti"], concepts=[name], model=pipeline)
    with pytest.raises(AmbiguousInputError, match="means 2 concepts"):
        concept_in(name, "mri")
    assert concept_in("cxr_effusion", "ct").id == "cxr_effusion"  # an id means what it says
    with pytest.raises(UnknownNameError, match="no concept 'pleural efusion'"):
        segment(studies["ct-series"], concepts=["pleural efusion"], model=pipeline)


def test_the_window_of_the_settings_is_for_pictures_of_8_bits(studies: Studies) -> None:
    """A published preset reads them as they are; what is none is shown by its modality, and a note says so."""
    settings = replace(FAST, window="8-bit", presence=replace(FAST.presence, gate=False))
    pipeline, note = bright_pipeline(settings), "the settings show pictures of 8 bits as they are (window=8-bit)"
    picture, volume = (toolkit.read_image(studies[name]) for name in ("cxr-png", "ct-series"))
    assert picture.values.dtype == np.uint8
    shown = pipeline.segment(picture, [concept_from_text("a bright spot")], view=View(modality="cxr"))
    (finding,) = shown.findings
    assert finding.looked.intensity.name == "8-bit"
    np.testing.assert_allclose(shown.plane(finding, 0), picture.values[0] / 255, atol=1e-6)
    assert not any(note in warning for warning in shown.warnings)
    record = record_of_result(shown, case="a", files={finding.concept.id: {}})
    assert "255 wide at 127.5" in record["intensity"]
    assert (record["settings"]["window"], record["findings"][0]["window"]) == ("8-bit", "8-bit")
    by_hand = replace(pipeline, settings=replace(settings, window=None))
    same = by_hand.segment(picture, [concept_from_text("a bright spot")], view=View(modality="cxr", window="8-bit"))
    np.testing.assert_array_equal(same.saliency(same.findings[0]).values, shown.saliency(finding).values)
    chosen = pipeline.segment(picture, [concept_from_text("a bright spot")], view=View(modality="cxr", window="90/100"))
    assert chosen.findings[0].looked.intensity.width == 90
    of_ct = pipeline.segment(volume, [concept_from_text("a bright spot")])
    assert of_ct.findings[0].looked.intensity.name == "lung"
    assert [note in warning for warning in of_ct.warnings].count(True) == 1
    encoder, concept = pipeline.encoder, concept_from_text("a bright spot")
    alone = explain(encoder, picture, concept, view=View(modality="cxr"), settings=settings)
    np.testing.assert_array_equal(alone.values, shown.saliency(finding).values)
    with pytest.raises(InputError, match="the window 8-bit is for grey levels of 8 bits"):
        pipeline.segment(volume, [concept_from_text("a bright spot")], view=View(window="8-bit"))


def test_a_window_of_the_users_is_for_every_concept(studies: Studies) -> None:
    concepts = [toolkit.load_concept("ct_nodule"), concept_from_text("a bright spot")]
    result = bright_pipeline(FAST).segment(
        toolkit.read_image(studies["ct-series"]), concepts, view=View(window="100/40")
    )
    assert {finding.looked.intensity.width for finding in result.findings} == {100.0}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_axis_can_be_cut_across(axis: int, studies: Studies) -> None:
    image = toolkit.read_image(studies["ct-nifti"])
    values = np.repeat(image.values, 2, axis=0)  # ten slices, so that every plane is large enough
    geometry = type(image.geometry)(affine=image.geometry.affine, shape=values.shape, unit="mm")
    thick = toolkit.Image(values=values, geometry=geometry, modality="CT")
    result = bright_pipeline(OPEN).segment(thick, [concept_from_text("bright")], view=View(axis=axis))
    (finding,) = result.findings
    assert finding.looked.planes.axis == axis
    assert result.saliency(finding).axis == axis
    assert result.mask(finding).values.any()


def test_fewer_planes_are_looked_at_with_a_step(studies: Studies) -> None:
    image = toolkit.read_image(studies["mr-series"])
    result = bright_pipeline(OPEN).segment(image, [concept_from_text("bright")], view=View(step_mm=24.0))
    (finding,) = result.findings
    looked = finding.looked
    assert looked.stride == 2
    assert [looked.index(position) for position in looked.positions] == list(result.saliency(finding).looked_at)
    assert len(looked.positions) == 3


# ---- where the mask lies


TURNS = [
    np.array(list(zip(order, flips, strict=True)))
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: "".join(f"{'+-'[int(f < 0)]}{int(a)}" for a, f in turn))
def test_however_the_file_counts_its_voxels_the_mask_lies_on_the_same_anatomy(
    turn: np.ndarray, studies: Studies, tmp_path: Path, base_mask: np.ndarray
) -> None:
    given = nib.load(studies["ct-nifti-oblique"])
    turned = given.as_reoriented(turn)
    assert not np.array_equal(turned.affine, given.affine) or np.array_equal(turn, [[0, 1], [1, 1], [2, 1]])
    nib.save(turned, tmp_path / "turned.nii")
    written = _mask_of(tmp_path / "turned.nii", tmp_path)
    np.testing.assert_allclose(written.affine, turned.affine, atol=1e-4)
    assert written.shape == turned.shape
    # by way of the world: every voxel of this mask lies on a voxel of the other, and there are as many
    world = nib.affines.apply_affine(written.affine, np.argwhere(np.asarray(written.dataobj)))
    there = nib.affines.apply_affine(np.linalg.inv(given.affine), world)
    np.testing.assert_allclose(there, np.rint(there), atol=1e-3)
    assert {tuple(voxel) for voxel in np.rint(there).astype(int)} == {tuple(voxel) for voxel in np.argwhere(base_mask)}


@pytest.fixture(scope="module")
def base_mask(studies: Studies, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The mask of the study as the phantom writes it, not empty and not symmetric along any axis."""
    mask = np.asarray(_mask_of(studies["ct-nifti-oblique"], tmp_path_factory.mktemp("base")).dataobj)
    assert mask.any()
    for axis in range(3):
        assert not np.array_equal(mask, np.flip(mask, axis))
    return mask


def _mask_of(path: Path, folder: Path) -> nib.Nifti1Image:
    result = segment(path, prompts=["a bright spot"], model=bright_pipeline(FAST), view=View(modality="ct"))
    (finding,) = result.findings
    write_nifti_mask(result.mask(finding), result.image, folder / "mask.nii.gz")
    return nib.load(folder / "mask.nii.gz")


# ---- what is refused


def test_nothing_to_look_for(studies: Studies) -> None:
    with pytest.raises(SettingsError, match="say what to look for"):
        segment(studies["dx"], model=bright_pipeline())


def test_nothing_to_look_for_in_an_image() -> None:
    values = np.zeros((1, 16, 16), np.uint8)
    image = toolkit.Image(values=values, geometry=toolkit.Geometry.of_pixels(16, 16))
    with pytest.raises(SettingsError, match="say what to look for"):
        bright_pipeline().segment(image, ())


@pytest.mark.parametrize("function", [segment, toolkit.classify])
@pytest.mark.parametrize("name", ["prompts", "concepts"])
def test_what_is_asked_may_be_one_thing_or_what_is_gone_through_once(
    name: str, function: Callable[..., Any], studies: Studies
) -> None:
    one = "a bright spot" if name == "prompts" else "cxr_nodule"
    pipeline = bright_pipeline(FAST)

    def asked(given: Any) -> list[str]:
        result = function(studies["dx"], **{name: given}, model=pipeline)
        found = result.findings if function is segment else result.scores
        return [row.concept.id for row in found if row.concept is not None]

    expected = asked([one])
    assert len(expected) == 1
    assert asked(one) == asked(iter([one])) == asked(text for text in [one]) == expected
    with pytest.raises(SettingsError, match="say what to look for"):
        asked(iter(()))


def test_a_pipeline_takes_one_concept_or_what_is_gone_through_once(studies: Studies) -> None:
    pipeline = bright_pipeline(FAST)
    for given in ("cxr_nodule", iter(["cxr_nodule"])):
        found = pipeline.segment_file(studies["dx"], given).findings
        assert [one.concept.id for one in found] == ["cxr_nodule"]


def test_an_image_without_modality(studies: Studies) -> None:
    with pytest.raises(AmbiguousInputError, match="say --modality"):
        segment(toolkit.read_image(studies["ct-nifti"]), prompts=["bright"], model=bright_pipeline())


def test_an_error_names_the_file_once(studies: Studies) -> None:
    path = studies["cxr-png"]
    with pytest.raises(AmbiguousInputError) as caught:
        segment(path, prompts=["bright"], model=bright_pipeline())
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda:9", "not available here"),
        ("quantum", "no device 'quantum'"),
        ("cpu:x", "no device"),
        ("meta", "not available"),
    ],
)
def test_devices_that_are_not_there(device: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resolve_device(device)


def test_a_spacing_of_no_patient(studies: Studies) -> None:
    image = toolkit.read_image(studies["ct-nifti"])
    for factor in (1e-5, 1e3):
        affine = image.geometry.affine.copy()
        affine[:3] *= factor
        geometry = type(image.geometry)(affine=affine, shape=image.geometry.shape, unit="mm")
        with pytest.raises(InputError, match="is not that of a patient"):
            bright_pipeline().segment(
                toolkit.Image(values=image.values, geometry=geometry, modality="CT"), [concept_from_text("bright")]
            )


def test_a_study_of_another_modality_is_noted(studies: Studies) -> None:
    result = bright_pipeline(FAST).segment(toolkit.read_image(studies["us"]), [toolkit.load_concept("ct_nodule")])
    assert "solid nodule is described for ct, the study is taken as ultrasound" in result.warnings


def test_every_error_is_of_the_family(studies: Studies) -> None:
    image = toolkit.read_image(studies["dx"])
    mammogram = toolkit.Image(values=image.values, geometry=image.geometry, modality="MG")
    with pytest.raises(UnsupportedError, match="mammogram") as caught:
        bright_pipeline().segment(mammogram, [concept_from_text("bright")])
    assert isinstance(caught.value, MedktError)


# ---- the models that ship


@pytest.mark.parametrize("name", ["ct-nifti", "mr-nifti", "dx", "us"])
def test_the_shipped_models_take_every_domain(name: str, studies: Studies) -> None:
    settings = resolve(
        SegmentationSettings, sets=("m2ib.steps=2", "m2ib.samples=2", "presence.gate=false", "map.max_slices=2")
    )
    finding_of = {"ct-nifti": "ct_nodule", "mr-nifti": "mri_glioma", "dx": "cxr_nodule", "us": "us_cyst"}
    pipeline = Pipeline.load(settings=settings)
    result = segment(studies[name], concepts=[finding_of[name]], model=pipeline, view=view_of(name))
    (finding,) = result.findings
    assert result.mask(finding).values.shape == result.image.values.shape
    assert np.isfinite(result.saliency(finding).values).all()
    assert finding.specificity is not None
    assert result.encoder.name == result.segmenter.name == "small"


def test_every_study_of_the_table_is_drawn(studies: Studies) -> None:
    assert all(studies[name].exists() for name in STUDIES)
