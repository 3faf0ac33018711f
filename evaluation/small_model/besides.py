"""What another default does besides: real breast lesions, and how far maps depend on the words."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from medkt.concepts import load_concept
from medkt.datasets import busi
from medkt.datasets.case import Case
from medkt.datasets.reference import read_case_image, reference_mask
from medkt.domains.registry import domain
from medkt.metrics import dice
from medkt.pipeline import View, look_at
from medkt.pipeline.look import shown_plane
from medkt.pipeline.result import mask_of
from medkt.segmentation.presence import PresenceSettings
from medkt.segmentation.slicewise import MapSettings, segment_planes
from medkt.shapes import Plane
from small_model.kept import Kept
from small_model.two_lesions import MAPS, Models, singles, texts_for


def measure_real(models: Models, kept: Kept, maps: Sequence[str], data: Path) -> None:
    """DSC of BUSI's lesions that no training saw, whatever presence says, and with what is not seen counted 0."""
    kind, concept = domain("ultrasound"), load_concept(busi.CONCEPT)
    texts = [texts_for("ultrasound", concept)]
    for case in _validation_cases(data):
        image = read_case_image(case)
        looked, reference = look_at(image, kind, View()), reference_mask(case, image=image)
        for name in maps:
            same = {"encoder": models.name, "half": "BUSI", "map": name, "key": case.case_id}
            if kept.has(**same):
                continue
            show = partial(shown_plane, image, looked)
            (found,) = segment_planes(
                models.encoder, models.segmenter, looked.positions, show, texts, MAPS[name], spacing_mm=None
            )
            mask = mask_of(image, looked, found, concept.id)
            score = dice(reference=reference.values, prediction=mask.values)
            seen = found.presence.score >= PresenceSettings().least(1)
            kept.add([same | {"dsc": score, "gated": score if seen else 0.0}])
        print("BUSI", case.case_id, flush=True)


def measure_specificity(models: Models, kept: Kept, maps: Sequence[str]) -> None:
    """1 less the largest correlation with the map of nonsense or of the normal caption, one picture a finding."""
    for key, name, finding, plane, _ in singles("reporting", 1):
        texts = [texts_for(name, load_concept(finding))]
        for map_ in maps:
            same = {"encoder": models.name, "half": "specificity", "map": map_, "key": key}
            if kept.has(**same):
                continue
            settings = replace(MAPS[map_], map=MapSettings(check_words="every"))
            show = partial(_always, plane.astype(np.float32))
            (found,) = segment_planes(models.encoder, None, [0], show, texts, settings, spacing_mm=None)
            specific = found.slices[0].map.specificity
            assert specific is not None
            kept.add([same | {"index": float(specific.index)}])
        print("specificity", key, flush=True)


def _always(plane: Plane, _: int) -> Plane:
    return plane


def _validation_cases(data: Path) -> Iterator[Case]:
    with (data / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        kept = {Path(row["path"]).stem for row in rows if "busi/images" in row["path"] and row["role"] == "validate"}
    return (case for case in busi.build(data / "us" / "busi", with_normals=False).cases if case.case_id in kept)
