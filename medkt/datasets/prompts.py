"""Sentences that belong to single images, from a file of the user's: published prompts, or their own.

Published tables were made with sentences that were chosen for each image by somebody who knew what it shows. So they are
never mixed with a concept's own words: what they lead to stands in rows of its own, under an id that says `oracle_prompt`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from medkt.bounds import parse_json, read_text
from medkt.concepts import Caption, Concept
from medkt.concepts.concept import Role
from medkt.errors import InputError, SettingsError, UnreadableError
from medkt.io.table import read_rows

ORACLE = "a sentence for one image, from a file of the user's"
"""The source of a concept that `oracle_concept` makes; records tell it by this."""

SUFFIX = "_oracle_prompt"
KNOWN: Mapping[str, str] = {}
"""SHA-256 -> what it is, of prompt files that were published; none states one yet."""

Missing = Literal["refuse", "own"]
_SAID = 3  # cases in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """Sentences by image.

    Attributes:
        sha256: of the file.
        sentences: by the name of an image's file, or the end of its path ("benign/1.png").
        missing: what is done with an image that has none: "refuse", or "own", only the concept's own words.
    """

    sha256: str
    sentences: Mapping[str, str] = field(repr=False)
    missing: Missing = "refuse"

    @property
    def published_as(self) -> str | None:
        """Which published file it is; None where it is none that is known."""
        return KNOWN.get(self.sha256)

    def key_of(self, image: Path) -> str | None:
        """The key that an image is found by, the longest that fits; None where the file has none."""
        parts = image.absolute().parts[1:]
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((end for end in ends if end in self.sentences), None)

    def sentence(self, image: Path) -> str | None:
        """The sentence of an image; None where the file has none."""
        key = self.key_of(image)
        return None if key is None else self.sentences[key]

    def require(self, images: Iterable[Path]) -> int:
        """How many images have no sentence, which is none unless `missing` allows it.

        Raises:
            InputError: some have none, or one key fits several; says how many, and the first of them.
        """
        found: dict[str, Path] = {}
        lacking: dict[Path, None] = {}
        for image in images:
            key = self.key_of(image)
            if key is None:
                lacking[image] = None
            elif found.setdefault(key, image) != image:
                raise InputError(
                    f"--prompts: {key!r} fits several images ({found[key]}, {image}); write more of the path, as folder/{key}"
                )
        if lacking and self.missing == "refuse":
            first = ", ".join(image.name for image in list(lacking)[:_SAID])
            raise InputError(
                f"--prompts: {len(lacking)} of {len(lacking) + len(found)} images have no sentence in the file ({first}"
                f"{', ...' if len(lacking) > _SAID else ''}); add them, or say --prompts-missing own to ask those in the "
                "concept's own words alone"
            )
        return len(lacking)

    def asked(self, image: Path, concepts: Iterable[str]) -> dict[str, tuple[str, str]]:
        """What is asked of an image beside its concept: id -> (the concept's id, the sentence); nothing without a sentence.

        Raises:
            SettingsError: none or several concepts: nothing says which of them the sentence is of.
        """
        own = tuple(concepts)
        if len(own) != 1:
            raise SettingsError(
                f"--prompts: a sentence stands beside one concept and {len(own)} are asked for; give one -c, -p or concept a case"
            )
        sentence = self.sentence(image)
        return {} if sentence is None else {f"{own[0]}{SUFFIX}": (own[0], sentence)}

    def as_json(self) -> dict[str, Any]:
        """For the record of a run: the file's digest, and no sentence."""
        return {
            "sha256": self.sha256, "published_as": self.published_as or "not a known published file", "missing": self.missing,
            "oracle_prompt": True,
        }  # fmt: skip


def read_prompts(path: Path, *, missing: Missing = "refuse") -> PromptFile:
    """Sentences from JSON, {file name: sentence}, or from a CSV with the columns file and prompt.

    Raises:
        InputError: no such file, a name twice, an empty name or sentence, a value that is no text; says where.
        UnreadableError: it is no JSON, or no text.
    """
    pairs = _of_json(path) if path.suffix.lower() == ".json" else _of_table(path)
    sentences: dict[str, str] = {}
    for where, name, sentence in pairs:
        key = str(PurePosixPath(name.replace("\\", "/"))).removeprefix("./")
        if not name.strip() or not sentence.strip():
            raise InputError(f"{path}{where}: {name!r} has no sentence, or a sentence no name; give both")
        if key in sentences:
            raise InputError(f"{path}{where}: {key!r} stands there twice; keep one")
        sentences[key] = sentence
    if not sentences:
        raise InputError(f"{path}: holds no sentence; expected file names with one each")
    return PromptFile(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), sentences=sentences, missing=missing)


def oracle_concept(own: Concept, sentence: str) -> Concept:
    """The concept in the words of one image, under an id that says so."""
    roles: tuple[Role, ...] = ("prompt",)
    caption = Caption(text=sentence, roles=roles, source=ORACLE)
    return replace(
        own, id=f"{own.id}{SUFFIX}", name=f"{own.name} (prompt of the image)", captions=(caption,), synonyms=own.names,
        source=ORACLE, digest="", is_free_text=True,
    )  # fmt: skip


def prompt_source(concept: str, asked: Mapping[str, tuple[str, str]]) -> dict[str, str | bool]:
    """What the result table says of a row's words, by the id of its concept."""
    of_file = concept in asked
    return {"prompt_source": "prompts file" if of_file else "own wording", "oracle_prompt": of_file}


def _of_json(path: Path) -> list[tuple[str, str, str]]:
    try:
        content = parse_json(read_text(path), str(path), object_pairs_hook=list)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: not valid JSON; expected {{file name: sentence}}") from error
    if not isinstance(content, list) or not all(isinstance(one, tuple) and isinstance(one[1], str) for one in content):
        raise InputError(f"{path}: expected {{file name: sentence}}, a text for each name")
    return [("", name, sentence) for name, sentence in content]


def _of_table(path: Path) -> list[tuple[str, str, str]]:
    rows = read_rows(path, required=("file", "prompt"))
    return [(f", row {number}", row["file"], row["prompt"]) for number, row in rows]
