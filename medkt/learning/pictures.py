"""Pictures of a learned concept: what the model thinks the words look like, and where it looks before and after."""

import io
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float32

from medkt.inversion.sheet import contact_sheet
from medkt.models.encoder import DualEncoder
from medkt.saliency.explain import explain_planes, prepare_plane
from medkt.saliency.m2ib import M2IBSettings
from medkt.saliency.targets import ConceptTexts, embed_targets
from medkt.shapes import Plane

if TYPE_CHECKING:
    from medkt.learning.learning import LearningOutcome

_SHOWN = 4


def pictures_of(one: "LearningOutcome") -> list[tuple[str, str, bytes]]:
    """(title, what it shows, PNG) for the page beside a package; none where the images hold the user's studies."""
    kept = one.learned[one.kept]
    if kept.material.studies.normals is not None:
        return []  # what was made inside studies of patients shows them
    pictures = []
    if kept.material.inverted is not None:
        pictures.append(
            (
                "What the model thinks the words look like",
                "Images inverted from each caption, with their cosine to it, and the curve of the similarity over the steps. "
                "They are no anatomy: they are what excites the model.",
                contact_sheet(kept.material.inverted),
            )
        )
    if kept.material.validation is not None:
        planes = [np.ascontiguousarray(x.mean(0).cpu().numpy()) for x in kept.material.validation[:_SHOWN]]
        words = kept.material.vocabulary.prompt
        maps = [maps_of(encoder, planes, words) for encoder in (one.base, one.encoder)]
        pictures.append(
            (
                "Where the name points, before and after",
                f'M2IB maps of "{words}" on images that were not learned from; all maps have one scale a row.',
                before_and_after(planes, maps[0], maps[1]),
            )
        )
    return pictures


def maps_of(encoder: DualEncoder, planes: list[Plane], text: str) -> list[Float32[np.ndarray, "side side"]]:
    """The saliency map of one text on each plane."""
    (target,) = embed_targets(encoder, [ConceptTexts(id="asked", prompts=(text,))])
    prepared = [prepare_plane(encoder, plane) for plane in planes]
    found = explain_planes(encoder, prepared, [target], M2IBSettings(), check_words=False)
    return [np.asarray(one.values, np.float32) for (one,) in found]


def before_and_after(
    planes: list[Plane],
    before: list[Float32[np.ndarray, "side side"]],
    after: list[Float32[np.ndarray, "side side"]],
) -> bytes:
    """A PNG: images above, the maps of the base and of the adapted encoder below them."""
    figure, axes = plt.subplots(3, len(planes), figsize=(2.2 * len(planes), 6.6), squeeze=False, layout="constrained")
    for column, rows in enumerate(zip(planes, before, after, strict=True)):
        for row, (values, colours) in enumerate(zip(rows, ("gray", "inferno", "inferno"), strict=True)):
            axes[row, column].imshow(values, cmap=colours, vmin=0, vmax=1)
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
    for row, title in enumerate(("image", "before", "after")):
        axes[row, 0].set_ylabel(title)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    plt.close(figure)
    return out.getvalue()
