"""Which real classes are taught, why, and the real images that say whether it worked.

The small model was trained on every real class of ../shared/data that `medkt.recipe.real_images` names, so hardly any is
unseen. What is left, and how new each one is:

- "new": no image of it, none of its organ and no text about it was ever met (liver lesion).
- "new name": other images of it were met, called something broader (pituitary adenoma: four slices as "brain tumour").
- "new word": its images and its usual name were met; an old word for it, never met, is taught (scirrhus for breast
  carcinoma, phthisis for tuberculosis). This asks whether a description ties a word to what the model sees already.

Not taken: haemorrhage (head CT among chest CT is told apart by the skull alone), hippocampus and lung tumour (known by
image and name), multiple sclerosis (one patient, no image to learn from, and the outline holds new lesions only).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from tasks import names_of
from torch import Tensor

from medkt.concepts import Caption, Concept, load_concept
from medkt.concepts.captions import read_concepts
from medkt.datasets.phantom.finding import findings_of
from medkt.domains import Domain, domain
from medkt.recipe.corpus import SIDE, letterbox
from medkt.recipe.real_images import REAL, RealImage, read_real

HERE = Path(__file__).resolve().parent
NORMAL = "normal"
COLOURS = ("mri_pituitary", "mri_glioma", "mri_meningioma")  # red, green, blue: as the source of these slices says


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One class to be taught.

    Attributes:
        concept: id of a concept of the catalogue or of a YAML file beside this one.
        kind: "new", "new name" or "new word", see above.
        label: of the images that show it.
        same: findings and real classes that are the same thing by another name, and so no choice beside it.
        known: for each other class of images, the answers that are right for it.
        why: for the reader of the tables.
    """

    concept: str
    kind: str
    label: str
    same: tuple[str, ...]
    known: dict[str, tuple[str, ...]]
    why: str


_BENIGN = ("us_benign", *REAL["us_benign"].fits)
CHOSEN = (
    Chosen(
        concept="real_liver_lesion", kind="new", label="us_liver", same=(),
        known={"us_benign": _BENIGN, "us_malignant": ("us_carcinoma",), "us_normal": (NORMAL,),
               "us_lesion": ("us_benign", *REAL["us_lesion"].fits)},
        why="No ultrasound of a liver and no text about one was met. Five malignant lesions and one benign one (so their "
            "masks' colours say) among breast ultrasound; a convex probe's sector alone would tell them apart.",
    ),
    Chosen(
        concept="mri_pituitary_adenoma", kind="new name", label="mri_pituitary", same=(),
        known={"mri_glioma": REAL["mri_tumour"].fits, "mri_meningioma": REAL["mri_tumour"].fits,
               "mri_hippocampus": ("mri_hippocampus",)},
        why="Four other slices were met in training as \"brain tumour\", never by this name; neighbouring numbers look like "
            "one patient, so one may stand on both sides. Any of the three tumours is right for a glioma or meningioma, "
            "since training said no more.",
    ),
    Chosen(
        concept="real_scirrhus", kind="new word", label="us_malignant", same=("us_carcinoma",),
        known={"us_benign": _BENIGN, "us_normal": (NORMAL,)},
        why="Malignant breast lesions were met as \"breast carcinoma\", \"malignant breast tumour\", \"breast cancer\"; "
            "this old word was not. These names are left out of the choices.",
    ),
    Chosen(
        concept="real_phthisis", kind="new word", label="cxr_tuberculosis", same=("cxr_consolidation",),
        known={"cxr_normal": (NORMAL,)},
        why="These films were met as \"tuberculosis\"; this old word was not. Consolidation is left out of the choices, "
            "since a tuberculous film may show one.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealTask:
    """One class among the others of its domain.

    Attributes:
        chosen, concept, domain: what is taught.
        known: findings that the small model was trained on, without what is the same thing.
        answers: of each name that an image may be given; the concept's id comes last.
        texts: of each answer.
        images: that are asked about, those of the concept first.
    """

    chosen: Chosen
    concept: Concept
    domain: Domain
    known: tuple[Concept, ...]
    answers: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    images: tuple[RealImage, ...]

    @property
    def mine(self) -> Tensor:
        """Which of the images show it."""
        return torch.tensor([image.label == self.chosen.label for image in self.images])

    def right(self, found: Tensor) -> list[bool]:
        """Whether each image got an answer that is right for it."""
        wanted = {**self.chosen.known, self.chosen.label: (self.concept.id,)}
        return [self.answers[int(one)] in wanted[i.label] for one, i in zip(found, self.images, strict=True)]


def tasks(images: list[RealImage]) -> tuple[RealTask, ...]:
    """Every class of `CHOSEN` with the images at hand."""
    return tuple(_task(chosen, images) for chosen in CHOSEN)


def read_classes(data: Path, role: str) -> list[RealImage]:
    """The recipe's real images of this role, brain tumours by their kind, and the liver's, which the recipe leaves out."""
    found = [_kind_of_tumour(data, i) if i.label == "mri_tumour" else i for i in read_real(data, role)]
    return [*found, *_liver(data, role)]


def pixels_01(images: list[RealImage] | tuple[RealImage, ...]) -> Tensor:
    """The whole images in the small model's square, (images, 1, side, side) in [0, 1]."""
    empty = (np.zeros(image.plane.shape, np.bool_) for image in images)
    planes = [letterbox(image.plane, none, SIDE)[0] for image, none in zip(images, empty, strict=True)]
    return torch.from_numpy(np.stack(planes).astype(np.float32) / 255)[:, None]


def _task(chosen: Chosen, images: list[RealImage]) -> RealTask:
    concept = _concept(chosen.concept)
    kind = domain(concept.modality)
    name = next(d for d in ("cxr", "ct", "mri", "ultrasound") if d == kind.name)
    known = tuple(load_concept(f.id) for f in findings_of(name, held_out=False) if f.id not in chosen.same)
    texts = {one.id: names_of(one, kind) for one in known}
    texts |= {
        label: names_of(_real_name(label), kind) for label in chosen.known if label in ("us_benign", "mri_hippocampus")
    }
    texts |= {NORMAL: kind.words[kind.default_body].normal, concept.id: names_of(concept, kind)}
    wanted = [i for i in images if i.label == chosen.label] + [i for i in images if i.label in chosen.known]
    return RealTask(
        chosen=chosen, concept=concept, domain=kind, known=known, answers=tuple(texts), texts=tuple(texts.values()),
        images=tuple(wanted),
    )  # fmt: skip


def _concept(name: str) -> Concept:
    own = [one for path in sorted(HERE.glob("*.yaml")) for one in read_concepts(path) if one.id == name]
    return own[0] if own else load_concept(name)


def _real_name(label: str) -> Concept:
    """A real class by the name that training used first."""
    name = REAL[label].names[0]
    return Concept(id=label, name=name, captions=(Caption(text=name),), modality=REAL[label].domain)


def _kind_of_tumour(data: Path, image: RealImage) -> RealImage:
    with Picture.open(data / image.path.replace("/images/", "/masks/")) as mask:
        counts = (np.asarray(mask.convert("RGB")) > 127).sum((0, 1))
    return replace(image, label=COLOURS[int(counts.argmax())])


def _liver(data: Path, role: str) -> Iterator[RealImage]:
    with (data / "manifest.tsv").open(encoding="utf-8") as lines:
        rows = [row["path"] for row in csv.DictReader(lines, delimiter="\t") if row["role"] == role]
    for path in (p for p in rows if p.startswith("us/liver/images/")):
        with Picture.open(data / path) as picture, Picture.open(data / path.replace("/images/", "/masks/")) as mask:
            plane = np.asarray(picture.convert("L"), np.float32) / 255
            outline = np.asarray(mask.convert("RGB")).max(2) > 127
        yield RealImage(path=path, plane=plane, label="us_liver", mask=outline)
