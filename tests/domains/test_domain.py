"""What every domain does: slices, words, named windows."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from medkt.concepts import Caption, Concept, concept_from_text, concepts, load_concept, mentions
from medkt.domains import Domain, domain, domains
from medkt.errors import InputError, SettingsError, UnknownNameError
from medkt.phantom.finding import findings_of
from medkt.spatial import Geometry, Image, planes_of
from medkt.spatial.image import Display

EVERY = tuple(domains().values())


def _ct(values: np.ndarray, *, step_mm: float = 1.0) -> Image:
    affine = np.array([[0, 0, 0.8, 0], [0, 0.7, 0, 0], [step_mm, 0, 0, 0], [0, 0, 0, 1]])
    return Image(values=values, geometry=Geometry(affine=affine, shape=values.shape), modality="CT")


def _patient(slices: int, held: range) -> np.ndarray:
    values = np.full((slices, 20, 30), -1000, np.int16)
    values[held.start : held.stop, 5:15, 8:20] = 40
    return values


def _slices(image: Image, **how: float) -> tuple[int, ...]:
    return domain("ct").slices(image, planes_of(image.geometry), **how)


# ---- slices


def test_thin_slices_are_not_all_looked_at() -> None:
    assert _slices(_ct(_patient(12, range(12)))) == (0, 2, 4, 6, 8, 10)  # 2 mm is the most that 2.5 mm allows
    assert _slices(_ct(_patient(12, range(12)), step_mm=0.5)) == (0, 5, 10)
    assert _slices(_ct(_patient(4, range(4)), step_mm=5.0)) == (0, 1, 2, 3)
    assert _slices(_ct(_patient(4, range(4))), step_mm=0) == (0, 1, 2, 3)
    assert _slices(_ct(_patient(10, range(10))), step_mm=4.0) == (0, 4, 8)


def test_air_is_passed_over_and_does_not_shift_the_choice() -> None:
    assert _slices(_ct(_patient(12, range(3, 9)))) == (3, 5, 7)
    assert _slices(_ct(_patient(5, range(0)))) == ()


def test_a_plane_with_a_table_only_is_air() -> None:
    values = np.full((3, 100, 200), -1000, np.int16)
    values[:, 90, :40] = 100  # 40 of 20,000 pixels
    values[1, 20:60, 50:150] = 40
    assert _slices(_ct(values)) == (1,)


def test_slices_across_another_axis() -> None:
    image = _ct(_patient(12, range(12)), step_mm=5.0)
    assert domain("ct").slices(image, planes_of(image.geometry, 1), step_mm=0) == tuple(range(5, 15))


def test_a_negative_step_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 mm or more, got -1"):
        _slices(_ct(_patient(3, range(3))), step_mm=-1.0)


def test_air_and_noise_of_an_mri_are_passed_over() -> None:
    values = np.random.default_rng(0).integers(0, 8, (6, 40, 50)).astype(np.int16)
    values[2:5, 10:30, 10:40] += 200
    image = _ct(values, step_mm=4.0)
    assert domain("mri").slices(image, planes_of(image.geometry)) == (2, 3, 4)


def test_a_clip_is_looked_at_at_even_distances_and_a_picture_once() -> None:
    clip = Image(values=np.zeros((100, 4, 5), np.uint8), geometry=Geometry.of_pixels(4, 5, frames=100), modality="US")
    frames = domain("ultrasound").slices(clip, planes_of(clip.geometry))
    assert frames == tuple(range(0, 100, 4))  # every third would be 34 frames, more than 32
    short = Image(values=clip.values[:3], geometry=Geometry.of_pixels(4, 5, frames=3))
    assert domain("ultrasound").slices(short, planes_of(short.geometry)) == (0, 1, 2)
    picture = np.arange(20, dtype=np.uint8).reshape(1, 4, 5)
    still = Image(values=picture, geometry=Geometry.of_pixels(4, 5))
    for one in EVERY:
        assert one.slices(still, planes_of(still.geometry)) == (0,)


# ---- named windows


def test_windows_by_name_by_numbers_and_by_the_file() -> None:
    ct, image = domain("ct"), _ct(_patient(2, range(2)))
    brain = ct.intensity(image, window="brain")
    assert (brain.centre, brain.width) == (40, 80)
    assert "width 80, level 40" in brain.description
    assert "Radiopaedia" in brain.description
    given = ct.intensity(image, window="350/-20.5")
    assert (given.centre, given.width) == (-20.5, 350)
    assert ct.intensity(image, window="file").name == "lung"  # the file has none
    with pytest.raises(UnknownNameError, match=r"no window 'lungs' for CT; known: lung, soft, .*or give width/level"):
        ct.intensity(image, window="lungs")
    with pytest.raises(SettingsError, match="width is more than 0, got '0/40'"):
        ct.intensity(image, window="0/40")
    with pytest.raises(UnknownNameError, match="for MRI; known: none, it is shown by percentiles"):
        domain("mri").intensity(image, window="lung")


@pytest.mark.parametrize("kind", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize("inverted", [False, True])
def test_a_picture_of_8_bits_can_be_shown_as_it_is(kind: Domain, inverted: bool) -> None:
    """255 wide at 127.5, whatever levels occur and whatever the modality would do; then inverted where the file asks."""
    grey = np.random.default_rng(1).integers(60, 190, (1, 9, 14), dtype=np.uint8)
    image = replace(_ct(grey), display=Display(inverted=inverted))
    rule = kind.intensity(image, window="8-bit")
    assert (rule.name, rule.centre, rule.width) == ("8-bit", 127.5, 255)
    assert "0 to 255 shown as 0 to 1 (a picture of 8 bits as it is: 255 wide at 127.5)" in rule.description
    shown = grey[0].astype(np.float32) / 255
    np.testing.assert_allclose(rule.apply(grey[0]), 1 - shown if inverted else shown, atol=1e-6)
    for values in (grey.astype(np.int16) * 8 - 900, grey.astype(np.float32), grey.astype(np.uint16)):
        low, high = values.min(), values.max()
        with pytest.raises(
            InputError, match=f"8-bit is for grey levels of 8 bits, and these .* {low:g} to {high:g}; leave"
        ):
            kind.intensity(_ct(values), window="8-bit")


def test_a_concept_names_its_window() -> None:
    assert domain("ct").window_for(load_concept("ct_stroke")) == "stroke"
    assert domain("cxr").window_for(load_concept("ct_stroke")) is None
    assert domain("ct").window_for(concept_from_text("a spot")) is None
    for concept in concepts().values():
        assert not concept.window or concept.window in domain("ct").windows


# ---- words


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_the_data_are_whole(one: Domain) -> None:
    assert one.default_body in one.words
    for words in one.words.values():
        assert all(template.count("{finding}") == 1 for template in words.templates)
        assert words.normal
    assert {finding.id for finding in findings_of(one.name)} <= set(one.findings)  # type: ignore[arg-type]
    assert all(load_concept(finding).modality == one.name for finding in one.findings)
    assert {concept.body for concept in concepts().values() if concept.modality == one.name} <= {"", *one.words}
    assert one.default_window in ("", *one.windows)
    for said in (one.percentiles.source, one.slice_rule.step_source, one.saliency.source, one.spacing_rule):
        assert said
    assert all(window.source for window in one.windows.values())


def test_prompts_are_the_concepts_own_and_then_templates_with_its_name() -> None:
    prompts = domain("cxr").prompts(load_concept("cxr_nodule"))
    assert prompts[0] == "a chest radiograph showing a small round lung nodule"
    assert "a chest radiograph showing lung nodule" in prompts
    assert domain("ct").prompts(load_concept("ct_stroke"))[1] == "a head CT showing ischaemic stroke"


def test_free_text_is_used_as_it_stands() -> None:
    assert domain("cxr").prompts(concept_from_text("a ring in the lung")) == ("a ring in the lung",)


def test_contrast_never_names_the_concept() -> None:
    for concept in concepts().values():
        texts = domain(concept.modality).contrast_texts(concept)
        assert len(texts) >= 4
        assert len(set(texts)) == len(texts)
        assert not any(mentions(text, concept.names) for text in texts)
        assert not set(texts) & set(domain(concept.modality).prompts(concept))


def test_contrast_leaves_out_what_the_concept_is_a_kind_of() -> None:
    cxr, breast = domain("cxr"), domain("ultrasound")
    tension = Concept(id="t", name="tension pneumothorax", captions=(Caption(text="x"),), modality="cxr")
    assert "a chest radiograph showing pleural effusion" in cxr.contrast_texts(tension)
    assert "a chest radiograph showing pneumothorax" not in cxr.contrast_texts(tension)
    nodule = concept_from_text("nodule", modality="cxr")
    assert "a chest radiograph showing lung nodule" not in cxr.contrast_texts(nodule)
    tumour = breast.contrast_texts(load_concept("breast_tumour"))
    assert "a breast ultrasound showing breast carcinoma" not in tumour  # related, in no word the same
    assert "a breast ultrasound showing simple cyst" in tumour
    assert "a normal breast ultrasound" in tumour


def test_free_text_is_not_told_apart_from_the_finding_that_it_names() -> None:
    def contrasts(modality: str, text: str) -> str:
        return "; ".join(domain(modality).contrast_texts(concept_from_text(text)))

    for text in ("lung nodule", "Pulmonary nodules in both lungs", "a small nodule"):
        assert "solid nodule" not in contrasts("ct", text)
        assert "calcified granuloma" not in contrasts("ct", text)  # may be the same thing as a nodule
        assert "emphysema" in contrasts("ct", text)
    assert "pleural effusion" not in contrasts("cxr", "fluid: pleural effusions on the left")
    assert "demyelinating plaques" in contrasts("mri", "metastasis")
    assert "brain metastases" not in contrasts("mri", "metastasis")
    assert "emphysema" in contrasts("ct", "a thing without a name")


def test_contrast_is_of_the_same_part_of_the_body() -> None:
    texts = domain("ct").contrast_texts(load_concept("ct_renal_stone"))
    assert "a normal abdominal CT" in texts
    assert "an abdominal CT showing renal cyst" in texts
    assert not any("chest" in text for text in texts)


def test_domains_travel_to_other_processes() -> None:
    for one in EVERY:
        assert pickle.loads(pickle.dumps(one)) == one


def test_a_plane_is_empty_below_the_fraction_and_not_at_it() -> None:
    rule = replace(domain("ct").slice_rule, empty_fraction=0.25, empty_level=-300.0, step_mm=0.0)
    values = np.full((3, 8, 8), -1000, np.int16)
    values[0, :2, :8], values[1].flat[:15] = 40, 40  # a quarter of the pixels, and one fewer
    values[2, :4, :4] = -300  # on the level is not above it
    image = _ct(values)
    assert replace(domain("ct"), slice_rule=rule).slices(image, planes_of(image.geometry)) == (0,)
