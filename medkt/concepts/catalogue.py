"""The concepts that ship with medkt, found by name, and concepts made from what a user typed."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from medkt.concepts.captions import read_concepts, slug
from medkt.concepts.concept import Caption, Concept, Role
from medkt.concepts.package import SUFFIX, read_package
from medkt.concepts.wordlike import is_text, plain_text
from medkt.errors import AmbiguousInputError, InputError, SettingsError, UnknownNameError
from medkt.modalities import MODALITIES
from medkt.resources import data_file


@cache
def concepts() -> Mapping[str, Concept]:
    """Every concept that ships with medkt, by id, in file order."""
    made: dict[str, Concept] = {}
    folder = data_file("radiology_captions")
    for path in (folder / f"{modality}.yaml" for modality in MODALITIES.own):
        for concept in read_concepts(path) if path.is_file() else ():
            if concept.id in made:
                raise SettingsError(f"radiology_captions/{path.name}: concept id {concept.id!r} is used twice")
            made[concept.id] = concept
    return MappingProxyType(made)


def load_concept(name: str | Path, *, modality: str = "") -> Concept:
    """The concept of that id, name or synonym, or the one in that file.

    Args:
        name: "cxr_nodule", "lung nodule", "breast_tumour", or the path of a YAML or .medkt file with one concept.
        modality: where given, names of other modalities are passed over.

    Raises:
        UnknownNameError: nothing has this name; the message gives the nearest names.
        AmbiguousInputError: several modalities have a concept of this name, or the file holds several concepts.
        UnreadableError, SettingsError: the file is no YAML, or breaks the schema. A package: as `read_package`.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        return _only_one(read_concepts(Path(name)), f"{name} holds")
    if Path(name).suffix == SUFFIX:
        return _only_one(read_package(name).concepts, f"{name} holds")
    known = concepts()
    if str(name) in known:
        return known[str(name)]
    wanted = _normal(str(name))
    found = [c for c in known.values() if wanted in {_normal(n) for n in c.names} and modality in ("", c.modality)]
    if not found:
        raise UnknownNameError(_nearest(wanted, modality))
    # A concept's own name comes before another's synonym.
    return _only_one([c for c in found if wanted == _normal(c.name)] or found, f"{str(name)!r} means")


def concept_from_text(text: str, *, modality: str = "") -> Concept:
    """A concept from what a user typed: the text is its name and its only caption, in every role but "contrast".

    The id is a slug of the text with eight digits of its digest, at most 48 characters, so that it can name files and
    two texts do not meet in one id.

    It is taken in one way of writing (`plain_text`), so that what looks the same is the same.

    Raises:
        InputError: the text is empty, or holds bytes that are no text.

    >>> concept_from_text("A ring in the left lung!").id
    'a_ring_in_the_left_lung_85417afb'
    """
    text = plain_text(text)
    if not is_text(text):
        raise InputError(f"the text {text!a} holds bytes that are no text; type it anew, in English")
    if not text:
        raise InputError("the text of a concept is empty; say what to look for, such as 'a round bright spot'")
    digest = hashlib.sha256(text.encode()).hexdigest()
    roles: tuple[Role, ...] = ("inversion", "finetune", "prompt")
    caption = Caption(text=text, roles=roles, source="given by the user")
    return Concept(
        id=slug(text, digest), name=text, captions=(caption,), modality=modality, source="given by the user",
        digest=digest, is_free_text=True,
    )  # fmt: skip


def _only_one(found: Iterable[Concept], what: str) -> Concept:
    found = tuple(found)
    if len(found) != 1:
        ids = ", ".join(concept.id for concept in found) or "none"
        raise AmbiguousInputError(f"{what} {len(found)} concepts ({ids}); name one by its id")
    return found[0]


def _normal(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))


def _nearest(wanted: str, modality: str) -> str:
    said = f" for {modality}" if modality else ""
    by_name: dict[str, list[str]] = {}
    for name, label in _names_of(modality):
        by_name.setdefault(name, []).append(label)
    close = difflib.get_close_matches(wanted, by_name, n=5, cutoff=0.5)
    near = dict.fromkeys(one for name in close for one in by_name[name])
    advice = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(concepts())}"
    return f"no concept {wanted!r}{said}; {advice}. This is a name or a file of a concept; a free text goes with -p where a command takes one."


def _names_of(modality: str) -> Iterator[tuple[str, str]]:
    for concept in concepts().values():
        if modality in ("", concept.modality):
            for name in (concept.id, *concept.names):
                yield _normal(name), f"{concept.name} ({concept.id})"
