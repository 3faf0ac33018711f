"""The steps between an encoder and a mask, each by itself."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from medkt.concepts import Concept
from medkt.domains import detect_domain, domain
from medkt.models.encoder import DualEncoder
from medkt.pipeline.look import View, look_at, shown_plane, spacing_in_mm, with_window
from medkt.pipeline.result import saliency_of
from medkt.pipeline.study import settled
from medkt.pipeline.words import domain_of, require_words, texts_of
from medkt.saliency.method import SaliencyMethod
from medkt.saliency.methods import SaliencySettings, method_named
from medkt.segmentation.prompts import Prompts, prompts_of
from medkt.segmentation.segmenter import Segmenter, choose
from medkt.segmentation.slicewise import SegmentationSettings, segment_planes
from medkt.segmentation.threshold import coarse_mask, components
from medkt.shapes import MaskPlane
from medkt.spatial import Image, Mask, SaliencyMap, planes_of


def explain(
    encoder: DualEncoder,
    image: Image,
    concept: Concept,
    *,
    view: View | None = None,
    settings: SegmentationSettings | None = None,
    method: SaliencyMethod | str | None = None,
) -> SaliencyMap:
    """The saliency map of a concept on a study, of every plane looked at, whether or not the finding is there.

    Args:
        encoder: any dual encoder.
        image: the study.
        concept: what is asked for.
        view: how the study is read and cut.
        settings: of the steps; None takes the defaults.
        method: what makes the map, with its settings or by name ("gradcam"); None takes that of the settings.

    Raises:
        UnknownNameError: no method of this name.
        SettingsError: the encoder cannot give what the method needs.
        MedktError: from the steps.
    """
    settings = settings or SegmentationSettings()
    if method is not None:
        chosen = method_named(method)() if isinstance(method, str) else method
        settings = replace(settings, saliency=SaliencySettings(method=chosen))
    require_words([concept], encoder)
    view, _ = with_window(view or View(), image, settings.window)
    kind = domain_of(image, view, [concept])
    settings = settled(replace(settings, presence=replace(settings.presence, gate=False)), kind, encoder)
    looked = look_at(image, kind, view, window=kind.window_for(concept))
    (found,) = segment_planes(
        encoder, None, looked.positions, partial(shown_plane, image, looked), [texts_of(kind, concept, settings.texts)], settings,
        spacing_mm=spacing_in_mm(image, looked.planes),
    )  # fmt: skip
    return saliency_of(image, looked, found)


def prompts_from(saliency: SaliencyMap, settings: SegmentationSettings | None = None) -> Mapping[int, Prompts]:
    """SAM's boxes and points for each plane of a saliency map that was looked at, by plane index."""
    settings = settings or SegmentationSettings()
    planes = planes_of(saliency.geometry, saliency.axis)
    spacing = spacing_in_mm(saliency, planes)
    area = spacing[0] * spacing[1] if spacing else None
    made = {}
    for index in saliency.looked_at:
        plane = np.ascontiguousarray(planes.show(saliency.values, index))
        parts = components(coarse_mask(plane, settings.threshold), plane, settings.threshold, pixel_area_mm2=area)
        made[index] = prompts_of(parts, plane, settings.prompts, spacing_mm=spacing)
    return made


def mask_from(
    segmenter: Segmenter,
    image: Image,
    prompts: Mapping[int, Prompts],
    *,
    concept: Concept | None = None,
    view: View | None = None,
    settings: SegmentationSettings | None = None,
) -> Mask:
    """What a segmenter outlines for prompts on planes, as one mask; no agreement between planes is asked for.

    Args:
        segmenter: any.
        image: the study.
        prompts: by plane index (`prompts_from`).
        concept: what the prompts are of: planes are shown in its window, as `explain` shows them. None takes the domain's,
            which in CT is another one for most findings of soft tissue and of the head.
        view: how the study is read and cut, as for `explain`; its window comes first.
        settings: of the steps; None takes the defaults.

    Raises:
        MedktError: from the steps.
    """
    settings = settings or SegmentationSettings()
    view, _ = with_window(view or View(), image, settings.window)
    if concept is None:
        kind, own = domain(view.modality) if view.modality else detect_domain(image), None
    else:
        kind = domain_of(image, view, [concept])
        own = kind.window_for(concept)
    planes, intensity = planes_of(image.geometry, view.axis), kind.intensity(image, window=view.window or own)
    values = np.zeros(image.geometry.shape, dtype=bool)
    for index, asked in prompts.items():
        plane = intensity.apply(planes.show(image.values, index))
        if asked.regions:
            candidates = segmenter.masks(segmenter.embed(plane), asked, settings.choice.multimask)
            boxes = [_box_mask(plane.shape, box) for box in asked.boxes_xyxy] or [np.ones(plane.shape, bool)]
            chosen = [choose(candidates, box, k, settings.choice).mask for k, box in enumerate(boxes)]
            planes.put(values, index, np.logical_or.reduce(chosen))
    return Mask(values=values, geometry=image.geometry, provenance=image.provenance.then("segmented from prompts"))


def _box_mask(shape: tuple[int, ...], box: Any) -> MaskPlane:
    mask = np.zeros(shape, dtype=bool)
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return mask
