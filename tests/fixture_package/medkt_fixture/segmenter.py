"""A segmenter of one's own: of each box the pixels that are brighter than its mean."""

import numpy as np
import torch

from medkt.models.family import SegmenterFamily
from medkt.models.records import Licence, ModelRecord
from medkt.segmentation.prompts import Prompts
from medkt.segmentation.segmenter import Candidates, Embedding
from medkt.shapes import Plane

RECORD = ModelRecord(
    name="fixture-segmenter",
    kind="segmenter",
    family="fixture",
    title="a segmenter that a package adds",
    licence=Licence(title="Apache-2.0", summary="Use, change and pass on.", text="https://www.apache.org/licenses/LICENSE-2.0"),
    citation="medkt-fixture",
)  # fmt: skip


class BrighterThanTheBox:
    """A `Segmenter`."""

    name = RECORD.name

    def embed(self, plane: Plane) -> Embedding:
        """The plane itself."""
        rows, columns = plane.shape
        features = torch.from_numpy(plane.copy())[None, None]
        return Embedding(features=features, rows=rows, columns=columns, input_rows=rows, input_columns=columns)

    def masks(self, embedding: Embedding, prompts: Prompts, multimask: bool) -> Candidates:
        """One candidate a region."""
        plane = embedding.features[0, 0].numpy()
        found = np.zeros((prompts.regions, *plane.shape), dtype=bool)
        for region, (left, top, right, bottom) in enumerate(prompts.boxes_xyxy.astype(int)):
            box = (slice(top, bottom + 1), slice(left, right + 1))
            found[region][box] = plane[box] >= plane[box].mean()
        return Candidates(
            masks=found, predicted_iou=np.full(prompts.regions, 0.5, np.float32), region=np.arange(prompts.regions)
        )


FAMILY = SegmenterFamily(
    load=lambda device="cpu": (BrighterThanTheBox(), ""), prompts=lambda record: ("box",), models=(RECORD,)
)
