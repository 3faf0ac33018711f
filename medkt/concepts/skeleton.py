"""A new concepts file to fill in: every field with a word on what it is for."""

import hashlib
import json
import re
from collections.abc import Sequence

from medkt.concepts.concept import mentions
from medkt.concepts.schema import LONGEST_ID, VERSION
from medkt.errors import SettingsError, UnknownNameError
from medkt.modalities import MODALITIES

PLACEHOLDER = "REPLACE"
"""Stands where words are still to be written; `medkt concept lint` asks for them."""

# a look in the modality's own terms, an image of it, and the fields that only it has; of others plain words
_SAMPLES = {
    "cxr": ("a single round bright spot with a sharp margin in the lung", "a chest radiograph", ""),
    "ct": (
        "a single round bright spot with a sharp margin in the dark lung", "an axial CT slice",
        "    window: lung  # in which it shows: lung, soft, mediastinum, abdomen, liver, brain, stroke, subdural, bone\n"
        "    # body: head  # chest where it is left out; or abdomen\n",
    ),
    "mri": ("a single oval bright area with a hazy margin in the white matter", "a brain MRI", ""),
    "ultrasound": ("a single oval dark area with a sharp margin in the grey tissue", "a breast ultrasound", ""),
}  # fmt: skip

_TEXT = """\
# A finding in words. Check it with `medkt concept lint FILE`, teach it with `medkt learn FILE`.
#
# Say what is seen: brightness, shape, edge, texture, number, size against the picture, place. Leave out who has it, why,
# how it is treated, and every negation: an image can only show what is there.
version: {version}
modality: {modality}  # cxr, ct, mri or ultrasound
licence: {licence}  # under which others may use these words, such as CC-BY-4.0
author: {author}
sources:  # where the look can be checked; your own wording is wanted, not theirs
  own: {source}
concepts:
  - id: {id}  # names files and results
    name: {name}  # as a radiologist writes it
    # synonyms: [another name]
    # related: [id_of_a_concept_that_may_be_the_same_thing]
    source: [own]
{fields}    # smallest_visible_mm: 5  # the least diameter at which it is expected to show
    # type: {{value: "27925004", scheme: SCT, meaning: Nodule}}  # a code of SNOMED CT, DCM or RADLEX; quote the digits
    # region: {{value: "39607008", scheme: SCT, meaning: Lung}}
    captions:
      inversion:  # what is seen, never the name: images are made from these
{inversion}
      finetune:  # the name joined to the look
{finetune}
      prompt:  # what an image is compared with
{prompt}
      contrast:{contrast}
"""


def skeleton(
    modality: str, *, name: str = "", captions: Sequence[str] = (), licence: str = "", author: str = ""
) -> str:
    """A commented concepts file for one concept.

    Args:
        modality: a name of `medkt.modalities`.
        name: the finding; a placeholder without.
        captions: descriptions; those without the name are for inversion, all serve fine-tuning.
        licence: of the words; a placeholder without.
        author: of the words; a placeholder without.

    Raises:
        UnknownNameError: no such modality.
        SettingsError: every caption holds the name, so that there is nothing to make images from.
    """
    if modality not in MODALITIES:
        raise UnknownNameError(f"no modality {modality!r}; known: {', '.join(MODALITIES)}")
    plain = ("a single round bright spot with a sharp margin", f"an image of the modality {modality}", "")
    look, image, fields = _SAMPLES.get(modality, plain)
    looks = [text for text in captions if not mentions(text, [name])] if name else list(captions)
    if captions and not looks:
        raise SettingsError(f"every caption holds the name {name!r}; give one --caption that only says what is seen")
    shown = name or f"{PLACEHOLDER} by the finding's name"
    looks = looks or [f"{PLACEHOLDER} by what is seen, such as: {look}"]
    joined = [text if name and mentions(text, [name]) else f"{_article(shown)} is {text}" for text in captions or looks]
    contrast = "  # what it could be taken for and is not"
    if captions:
        contrast = f" []{contrast}, such as an image with something easily taken for it"
    else:
        contrast += "\n" + _items([f"{PLACEHOLDER} by {image} with something easily taken for it"])
    return _TEXT.format(
        version=VERSION, modality=modality, licence=_quoted(licence or f"{PLACEHOLDER} by a licence"),
        author=_quoted(author or f"{PLACEHOLDER} by your name or group"), source=_quoted("own description"),
        id=_id(name, modality), name=_quoted(shown), fields=fields, inversion=_items(looks), finetune=_items(joined),
        prompt=_items([f"{image} showing {_article(shown)}"]), contrast=contrast,
    )  # fmt: skip


def _id(name: str, modality: str) -> str:
    short = "us" if modality == "ultrasound" else modality
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if name and not plain:  # in another script
        plain = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{short}_{plain or 'my_finding'}"[:LONGEST_ID].strip("_")


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _items(texts: Sequence[str]) -> str:
    return "\n".join(f"        - {_quoted(text)}" for text in texts)


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)  # JSON's strings are YAML's
