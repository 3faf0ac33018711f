"""`medkt.segment` as a transform of MONAI, for arrays and for dictionaries; the models are loaded when the first study comes."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from medkt.bounds import several_of
from medkt.calibration import SiteCalibrations
from medkt.concepts import Concept
from medkt.domains import domain
from medkt.errors import MedktError, SettingsError
from medkt.monai.tensors import image_of, mask_like, require_placed
from medkt.pipeline import Pipeline, StudyResult, View, wanted_in
from medkt.transfer.packages import is_package


class SegmentFromText(Transform):  # type: ignore[misc]  # MONAI's types are not read
    """Findings that are named in words, as masks: (1, X, Y, Z) or (1, X, Y) to (findings, X, Y, Z) or (findings, X, Y) uint8.

    The mask has the affine and the metadata of the study, and in it, a value a channel:

        finding     the concept's id
        presence    "seen", "not seen", "no claim", or "not decided" where the gate is off
        score       that this was decided by
        words       what was asked: the finding's name

    and `warnings`, one text with all that a reader should know. A finding that is not seen has an empty mask. The same study
    gives the same mask.

    Args:
        concepts: names, YAML files, concepts, or `.medkt` files of taught ones.
        prompts: free texts.
        modality: what the studies are ("cxr", "ct", "mri", "ultrasound", or one that a package adds); no tensor says it.
        model: an encoder's name or weights file; a `medkt.Pipeline` where settings, segmenter or device are not the usual ones.
        view: window, axis and step, where the domain's choice is not wanted.
        site: decide by the calibrations of this site; None takes the pipeline's rule.

    Raises:
        SettingsError: neither a prompt nor a concept.
        UnknownNameError: no such modality.

    Example:
        >>> find = SegmentFromText(concepts=["us_cyst"], modality="ultrasound")
        >>> mask = find(image)  # doctest: +SKIP
        >>> mask.meta["presence"], mask.meta["score"]  # doctest: +SKIP
        (['seen'], [0.91])
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's way of saying it

    def __init__(
        self,
        concepts: Iterable[str | Path | Concept] = (),
        prompts: Iterable[str] = (),
        *,
        modality: str,
        model: str | Pipeline = "small",
        view: View | None = None,
        site: str | None = None,
    ) -> None:
        self.concepts, self.prompts = several_of(concepts), several_of(prompts)
        if not self.concepts and not self.prompts:
            raise SettingsError("say what to look for: prompts=[...] or concepts=[...]")
        self.model, self.site = model, site
        self.view = replace(view or View(), modality=modality)
        domain(modality)  # an unknown one is told now, and not at the first study

    def __call__(self, img: object) -> MetaTensor:
        """The masks of one study.

        Raises:
            MedktError: the tensor has no place, or the study cannot be looked at.
        """
        study = require_placed(img)
        result = self._pipeline.segment(image_of(study), self._wanted, view=self.view)
        masks = np.stack([result.mask(finding).values for finding in result.findings])
        return mask_like(masks, study, _said(result))

    def __getstate__(self) -> dict[str, Any]:
        """Without the models: each process of a loader loads its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_pipeline", "_wanted")}

    @cached_property
    def _pipeline(self) -> Pipeline:
        pipeline = self.model if isinstance(self.model, Pipeline) else Pipeline.load(self.model)
        if packages := [one for one in self.concepts if is_package(one)]:
            pipeline = pipeline.with_packages([*(pipeline.taught.packages if pipeline.taught else ()), *packages])
        return pipeline if self.site is None else replace(pipeline, rule=SiteCalibrations(site=self.site))

    @cached_property
    def _wanted(self) -> tuple[Concept | str | Path, ...]:
        return wanted_in(self.concepts, self.prompts, taught=self._pipeline.taught, modality=self.view.modality)


class SegmentFromTextd(MapTransform):  # type: ignore[misc]
    """`SegmentFromText` of a dictionary: of each study a mask beside it, under its key with `postfix`.

    After `LoadImaged` and `EnsureChannelFirstd`; `Orientationd` and `Flipd` may stand between, since the mask has the place of the
    tensor that it was made of.

    Args:
        keys: of the studies, (1, X, Y, Z) or (1, X, Y) each.
        postfix: the mask of "image" is "image_mask".
        allow_missing_keys: whether a dictionary may lack one.
        **asked: as of `SegmentFromText`.

    Example:
        >>> find = SegmentFromTextd(["image"], concepts=["us_cyst"], modality="ultrasound")
        >>> find({"image": image})["image_mask"].shape  # doctest: +SKIP
        torch.Size([1, 96, 112])
    """

    backend = SegmentFromText.backend

    def __init__(
        self, keys: KeysCollection, *, postfix: str = "mask", allow_missing_keys: bool = False, **asked: Any
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.find = SegmentFromText(**asked)
        self.masks = tuple(f"{key}_{postfix}" for key in self.keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The dictionary with a mask for each study.

        Raises:
            KeyError: a key is missing.
            MedktError: of one study; the key is named.
        """
        found = dict(data)
        for key, mask in self.key_iterator(found, self.masks):
            try:
                found[mask] = self.find(found[key])
            except MedktError as error:
                raise type(error)(f"{key}: {error}", code=error.code, **error.numbers) from error
        return found


def _said(result: StudyResult) -> dict[str, Any]:
    """What stands in a mask's metadata, all of which a loader can put into batches."""
    findings = result.findings
    return {
        "finding": [one.concept.id for one in findings],
        "words": [one.concept.name for one in findings],
        "presence": [str(one.found.presence.state) for one in findings],
        "score": [float(one.found.presence.score) for one in findings],
        "warnings": "\n".join(result.warnings),
    }
