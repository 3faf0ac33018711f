"""Concept files, lists, packages and keys that cannot be used, each with what must be said of it.

Used by `test_bad_concepts.py` and by `evaluation/bad_concepts_table.py`.
"""

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from making import DIGEST, RECIPE, Base, delta, package_file, safetensors

from medkt.concepts.container import read_container, write_container
from medkt.concepts.signature import new_key, sign

GOOD = """\
version: 1
modality: ct
licence: CC-BY-4.0
author: someone
sources:
  own: our own words
concepts:
  - id: ct_veil
    name: hazy veil
    synonyms: [grey curtain]
    source: [own]
    window: lung
    colour: [1, 2, 3]
    smallest_visible_mm: 4.5
    type: {value: "1", scheme: SCT, meaning: m}
    captions:
      inversion:
        - a thin grey film over the lung
      finetune:
        - a hazy veil is a thin grey film over the lung
      prompt:
        - an axial CT slice showing a hazy veil
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of bad input.

    Attributes:
        name: in words.
        make: makes it in a folder and gives the words after `medkt concept`.
        says: what the one line must hold: file and line, field, and what is wrong.
        remedy: what it must advise.
    """

    name: str
    make: Callable[[Path], list[str]]
    says: tuple[str, ...]
    remedy: str


KINDS: dict[str, Kind] = {}


def _add(name: str, make: Callable[[Path], list[str]], *says: str, remedy: str) -> None:
    KINDS[name] = Kind(name=name, make=make, says=says, remedy=remedy)


def _file(folder: Path, content: str | bytes, name: str = "mine.yaml") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def _edit(name: str, old: str, new: str, *says: str, remedy: str, command: str = "show") -> None:
    """A good file with one change."""

    def make(folder: Path) -> list[str]:
        assert GOOD.count(old) == 1, old
        return [command, _file(folder, GOOD.replace(old, new))]

    _add(name, make, *says, remedy=remedy)


def _whole(name: str, content: str | bytes, *says: str, remedy: str) -> None:
    _add(name, lambda folder: ["show", _file(folder, content)], *says, remedy=remedy)


# ---- files that are no concepts file

_add("no such file", lambda folder: ["show", str(folder / "mine.yaml")], "mine.yaml: ", "No such file", remedy="check")
_whole("empty file", "", "mine.yaml:1: is not a mapping", remedy="holds version, modality")
_whole("a list instead of a mapping", "- a\n- b\n", "mine.yaml:1: is not a mapping", remedy="holds version")
_whole("no YAML", "a: 1\nb: [\n", "mine.yaml:3: is not valid YAML", remedy="check indents")
_whole("a tab as indent", "a:\n\tb: 1\n", "mine.yaml:2: is not valid YAML", remedy="check indents")
_whole("not UTF-8", b"version: 1\nname: \xff\xfe\n", "mine.yaml:2: is not UTF-8", remedy="save it as UTF-8")
_whole("a control character", "a: \x00\n", "mine.yaml: is not valid YAML", remedy="write plain text")
_whole("a key twice", "version: 1\nversion: 1\n", "mine.yaml:2: the key 'version' stands twice", remedy="keep one")
_whole("an alias of itself", "a: &a [*a]\n", "mine.yaml:1: ", "an alias of itself", remedy="write it out")
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
_whole("aliases that expand without end", _BOMB, "more than 20000 values", remedy="write it out")
_whole(
    "nested without end",
    "[" * 2000,
    "mine.yaml:1: holds more than 20000 values or 32 levels",
    remedy="write it out plainly",
)
_whole(
    "a tag that would run code", "a: !!python/object/apply:os.getcwd []\n", "mine.yaml:1: has the tag", remedy="plain"
)
_whole("larger than 4 MiB", "#" * (4 * 2**20 + 1), "mine.yaml: is larger than 4 MiB", remedy="a file of words")

# ---- fields

_edit("an unknown field", "    window: lung", "    windows: lung", "mine.yaml:12: ct_veil: windows: unknown field 'windows'",
      remedy="did you mean 'window'?")  # fmt: skip
_edit("an unknown field of the file", "author:", "authors:", "mine.yaml:4: authors: unknown field", remedy="'author'?")
_edit(
    "a field is missing", "    name: hazy veil\n", "", "mine.yaml:8: ct_veil: field 'name' is missing", remedy="add it"
)
_edit("no version", "version: 1\n", "", "mine.yaml:1: field 'version' is missing", remedy="add it: a whole number")
_edit("a version of the future", "version: 1", "version: 2", "mine.yaml:1: version: concepts files of version 2",
      remedy="update medkt")  # fmt: skip
_edit("a version that is no number", "version: 1", "version: yes", "mine.yaml:1: version: expected a whole number, got True",
      remedy="correct it")  # fmt: skip
_edit("an unknown modality", "modality: ct", "modality: pet", "mine.yaml:2: modality: modality is 'pet'", "expected one of cxr",
      remedy="'' is for words that fit any image")  # fmt: skip
_edit("a modality that is no text", "modality: ct", "modality: no", "mine.yaml:2: modality: expected text, got False",
      remedy="put it in quotes")  # fmt: skip
_edit(
    "no concept", GOOD[GOOD.index("concepts:") :], "concepts: []\n", "mine.yaml:7: concepts: the list", remedy="add one"
)
_edit("a concept that is no mapping", "  - id: ct_veil\n", "  - words\n  - id: ct_veil\n",
      "mine.yaml:8: concepts[1]: each concept is a mapping", remedy="- id: ...")  # fmt: skip
_edit("an id with blanks and capitals", "id: ct_veil", "id: CT veil!", "mine.yaml:8: CT veil!: id: lower-case letters",
      remedy="for example ct_veil")  # fmt: skip
_edit("an id that leads out of a folder", "id: ct_veil", "id: ../../etc/x", "mine.yaml:8: ../../etc/x: id: lower-case",
      remedy="for example etc_x")  # fmt: skip
_edit("an id twice", "concepts:\n", "concepts:\n" + GOOD[GOOD.index("  - id") :],
      "mine.yaml:23: ct_veil: id: concept ids used twice: ct_veil", remedy="also stands in line 8")  # fmt: skip
_edit(
    "an empty name", "name: hazy veil", "name: ' '", "mine.yaml:9: ct_veil: name: expected text", remedy="write words"
)
_edit("a number for a name", "name: hazy veil", "name: 7", "mine.yaml:9: ct_veil: name: expected text, got 7",
      remedy="put it in quotes")  # fmt: skip
_edit("a source that is not there", "source: [own]", "source: [film]", "mine.yaml:11: ct_veil: source[1]: no source 'film'",
      remedy="add it to `sources`")  # fmt: skip
_edit(
    "an empty source",
    "own: our own words",
    "own: ''",
    "mine.yaml:6: sources.own: expected text",
    remedy="can be checked",
)
_edit("synonyms that are no list", "[grey curtain]", "grey curtain", "mine.yaml:10: ct_veil: synonyms: expected a list",
      remedy="leave it out")  # fmt: skip
_edit("a colour out of range", "[1, 2, 3]", "[1, 2, 300]", "mine.yaml:13: ct_veil: colour: expected three whole numbers",
      remedy="red, green, blue")  # fmt: skip
_edit("a size below zero", "4.5", "-4.5", "mine.yaml:14: ct_veil: smallest_visible_mm: expected millimetres above 0",
      remedy="leave it out")  # fmt: skip
_edit("a size that is no number", "4.5", "small", "mine.yaml:14: ct_veil: smallest_visible_mm: expected a number, got 'small'",
      remedy="correct it")  # fmt: skip
_edit("a size of NaN", "4.5", ".nan", "mine.yaml:14: ct_veil: smallest_visible_mm: ", "got nan", remedy="leave it out")
_edit("a code without quotes", 'value: "1"', "value: 1", "mine.yaml:15: ct_veil: type: expected value, scheme and meaning",
      remedy="quote the digits")  # fmt: skip
_edit("an unknown coding scheme", "scheme: SCT", "scheme: ICD", "mine.yaml:15: ct_veil: type.scheme: unknown coding scheme",
      remedy="SCT, DCM, RADLEX")  # fmt: skip

# ---- captions

_edit("an unknown role", "      prompt:", "      prompts:", "mine.yaml:21: ct_veil: captions.prompts: unknown role prompts",
      remedy="did you mean 'prompt'?")  # fmt: skip
_edit("no prompt", "        - an axial CT slice showing a hazy veil\n", "        []\n",
      "mine.yaml:16: ct_veil: captions: prompt: at least one caption", remedy="add a sentence")  # fmt: skip
_edit("captions that are no list", "\n        - an axial CT slice", " an axial CT slice",
      "mine.yaml:21: ct_veil: captions.prompt: expected a list of texts", remedy="put it in [ ]")  # fmt: skip
_edit("a caption that is a mapping", "- an axial CT slice", "- an axial: CT slice",
      "mine.yaml:22: ct_veil: captions.prompt[1]: expected a list of texts", remedy="put them in quotes")  # fmt: skip
_edit("the name in an inversion caption", "- a thin grey film", "- Grey curtains, a thin film",
      "mine.yaml:18: ct_veil: captions.inversion[1]: holds the finding's name", remedy="not what it is called")  # fmt: skip
_edit("a caption twice", "        - a thin grey film over the lung\n", "        - a thin grey film\n" * 2,
      "mine.yaml:19: ct_veil: captions.inversion[2]: stands twice", remedy="keep one")  # fmt: skip
_edit("a caption of many lines", "- a thin grey film over the lung\n", "- |\n          a thin\n          film\n",
      "mine.yaml:18: ct_veil: captions.inversion[1]: holds a line break", remedy="on one line")  # fmt: skip
_edit("a caption of a thousand characters", "- a thin grey film", f"- a {'thin ' * 300}film",
      "mine.yaml:18: ct_veil: captions.inversion[1]: is 15", remedy="split it into captions")  # fmt: skip


def _words(name: str, caption: str, *says: str, remedy: str) -> None:
    _edit(name, "- a thin grey film over the lung\n", f"- {caption}\n", "mine.yaml:18: ct_veil: captions.inversion[1]: ", *says,
          remedy=remedy, command="lint")  # fmt: skip


_words("a negation", "a grey film without vessels", "holds 'without'", remedy="say what is there instead")
_words("epidemiology", "a grey film, common in winter", "holds 'common in'", remedy="leave out who has it")
_words("a cause", "a grey film due to infection", "holds 'due to'", remedy="leave out where it comes from")
_words("a treatment", "a grey film that clears after antibiotics", "holds 'antibiotics'", remedy="leave out treatment")
_words("complaints", "a grey film in a febrile lung with cough", "holds 'cough'", remedy="what the patient feels")
_words("another modality's word", "a hypoechoic film in the lung", "holds 'hypoechoic', which is no word of ct",
       remedy="belongs to ultrasound; write bright, dark or grey")  # fmt: skip
_words(
    "two opposite attributes",
    "a tiny large film in the lung",
    "says 'tiny' and 'large' of one thing",
    remedy="keep one",
)
_words(
    "against the physics",
    "bright air in the lung",
    "says 'bright air'; in ct that is dark",
    remedy="correct the brightness",
)
_words("a placeholder", "REPLACE by words", "still holds REPLACE", remedy="write the words")
_edit("a window that the modality lacks", "window: lung", "window: long", "mine.yaml:12: ct_veil: window: ct has no window",
      remedy="it has lung, soft", command="lint")  # fmt: skip
_edit("related to nothing known", "    window: lung\n", "    related: [ct_nodul]\n", "mine.yaml:12: ct_veil: related[1]: ",
      "no known concept", remedy="name another's id", command="lint")  # fmt: skip
_add("a caption longer than the encoder reads",
     lambda folder: ["lint", "-m", "small", _file(folder, GOOD.replace("a thin grey film over the lung\n      f", f"a {'thin ' * 150}film\n      f"))],
     "mine.yaml:18: ct_veil: captions.inversion[1]: is longer than the", remedy="shorten it")  # fmt: skip
_add(
    "an encoder that is not known",
    lambda folder: ["lint", "-m", "smal", _file(folder, GOOD)],
    "'smal'",
    remedy="known: small",
)


# ---- lists of captions


def _listed(name: str, content: str, *says: str, remedy: str) -> None:
    def make(folder: Path) -> list[str]:
        return [
            "new",
            "--modality",
            "ct",
            "--from-list",
            _file(folder, content, "list.tsv"),
            "-o",
            str(folder / "new.yaml"),
        ]

    _add(name, make, *says, remedy=remedy)


_listed(
    "a list without a tab",
    "a\tb\nno tab\n",
    "list.tsv:2: expected name<TAB>caption, got 'no tab'",
    remedy="put one tab",
)
_listed("a list without a name", "\tcaption\n", "list.tsv:1: expected name<TAB>caption", remedy="put one tab")
_listed("a list with a caption twice", "a\tb\na\tb\n", "list.tsv:2: the caption of 'a' stands twice", remedy="keep one")
_listed("a list of comments", "# a\n", "list.tsv: holds no line name<TAB>caption", remedy="give at least one")
_add("a name where every caption holds it",
     lambda folder: ["new", "--modality", "ct", "--name", "veil", "--caption", "a veil", "-o", str(folder / "new.yaml")],
     "every caption holds the name 'veil'", remedy="give one --caption")  # fmt: skip
_add("a new file where one is", lambda folder: ["new", "--modality", "ct", "-o", _file(folder, "x")], "mine.yaml: exists already",
     remedy="--overwrite")  # fmt: skip


# ---- packages and keys


def _members(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], list[str]]:
    """A package whose members were changed after it was written, well packed."""

    def make(folder: Path) -> list[str]:
        path = folder / "p.medkt"
        package_file(path)
        members = read_container(path)
        change(members)
        write_container(path, members)
        return ["verify", str(path)]

    return make


def _json(name: str, **values: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = json.dumps({**json.loads(members[name]), **values}).encode()

    return change


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        path = folder / "p.medkt"
        package_file(path)
        path.write_bytes(change(path.read_bytes()))
        return ["verify", str(path)]

    return make


def _zip(name: str, compression: int, content: bytes = b"{}") -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        with zipfile.ZipFile(folder / "p.medkt", "w", compression) as archive:
            archive.writestr(name, content)
        return ["verify", str(folder / "p.medkt")]

    return make


def _signed(folder: Path, change: Callable[[dict[str, bytes]], None] | None = None) -> list[str]:
    path = folder / "p.medkt"
    package_file(path)
    new_key(folder / "key")
    sign(path, folder / "key")
    if change:
        members = read_container(path)
        change(members)
        write_container(path, members)
    return ["verify", str(path), "--trusted", str(folder / "key.pub")]


def _unknown_signer(folder: Path) -> list[str]:
    new_key(folder / "other")
    return [*_signed(folder)[:-1], str(folder / "other.pub")]


def _two(folder: Path, **changed: Any) -> list[str]:
    package_file(folder / "a.medkt")
    package_file(folder / "b.medkt", **{"concept": "ct_nodule", **changed})
    return ["compose", str(folder / "a.medkt"), str(folder / "b.medkt"), "-o", str(folder / "c.medkt")]


def _locked(folder: Path) -> list[str]:
    os.environ["MEDKT_KEY_PASSPHRASE"] = "a passphrase"
    try:
        new_key(folder / "key")
    finally:
        del os.environ["MEDKT_KEY_PASSPHRASE"]
    package_file(folder / "p.medkt")
    return ["sign", str(folder / "p.medkt"), "--key", str(folder / "key")]


def _not_signed_with(folder: Path) -> list[str]:
    package_file(folder / "p.medkt")
    return ["sign", str(folder / "p.medkt"), "--key", _file(folder, "no key", "key")]


def _key_there(folder: Path) -> list[str]:
    return ["sign", "--new-key", _file(folder, "x", "key")]


def _short(folder: Path) -> list[str]:
    package_file(folder / "p.medkt")
    return ["verify", str(folder / "p.medkt"), "--require-signature"]


def _trusts_text(folder: Path) -> list[str]:
    return [*_signed(folder)[:-1], _file(folder, "no key", "friend.pub")]


_WRONG = "p.medkt: "
_FETCH = "fetch it again"
_add(
    "a package that is no zip",
    lambda folder: ["verify", _file(folder, "words", "p.medkt")],
    _WRONG,
    "is no package",
    remedy=_FETCH,
)
_add("a package cut off", _bytes(lambda content: content[:-40]), _WRONG, "is no package, or damaged", remedy=_FETCH)
_add(
    "a byte of the weights changed",
    _bytes(lambda content: content.replace(b"\x80?", b"\x81?", 1)),
    _WRONG,
    remedy=_FETCH,
)
_add("a byte after the end", _bytes(lambda content: content + b"x"), _WRONG, remedy=_FETCH)
_add("bytes before the start", _bytes(lambda content: b"#!/bin/sh\n" + content), _WRONG, remedy=_FETCH)
_add("a time in the zip header", _bytes(lambda content: content.replace(b"\x00\x00\x21\x00", b"\x11\x11\x21\x00", 1)),
     _WRONG, "bytes that do not belong", remedy=_FETCH)  # fmt: skip
_add("a compressed member (a bomb)", _zip("manifest.json", zipfile.ZIP_DEFLATED, b"0" * 10**7), _WRONG,
     "manifest.json is compressed", remedy="stored as it is")  # fmt: skip
_add("a member that leads out", _zip("../../evil", zipfile.ZIP_STORED), _WRONG, "leads out of the package: '../../evil'",
     remedy="not to be trusted")  # fmt: skip
_add("another zip", _zip("a.txt", zipfile.ZIP_STORED), _WRONG, remedy=_FETCH)
_add("a member too many", _members(lambda members: members.update({"notes.txt": b"x"})), _WRONG, "notes.txt",
     remedy="not to be trusted")  # fmt: skip
_add("a member missing", _members(lambda members: members.__delitem__("audit.json")), _WRONG, "audit.json",
     remedy="not to be trusted")  # fmt: skip
_add("a member changed", _members(_json("recipe.json", seeds=[9])), _WRONG, "recipe.json is not what the manifest says",
     remedy=_FETCH)  # fmt: skip
_add("a package of the future", _members(_json("manifest.json", version=4)), _WRONG, "version 4, this medkt reads 1 to",
     remedy="update medkt")  # fmt: skip
_add(
    "a manifest of something else",
    _members(_json("manifest.json", format="x")),
    _WRONG,
    "is no concept package",
    remedy="`medkt learn` wrote",
)
_add("an unknown signer", _unknown_signer, _WRONG, "is signed by an unknown key", remedy="Compare the fingerprint")
_add("a signature of other content", lambda folder: _signed(folder, _json("manifest.json", medkt="9")), _WRONG,
     "the signature does not fit", remedy="not to be trusted")  # fmt: skip
_add("no signature where one is asked for", _short, _WRONG, "is not signed", remedy="ask its author")
_add("a trusted key that is no key", _trusts_text, "friend.pub: is no public key", remedy="*.pub file")
_add("a key with a passphrase that is not given", _locked, "key: needs a passphrase", remedy="MEDKT_KEY_PASSPHRASE")
_add("a private key that is no key", _not_signed_with, "key: is no private key", remedy="--new-key")
_add("a new key over an old one", _key_there, "key: exists already", remedy="choose another name")
_add("nothing to sign", lambda folder: ["sign"], "say what to sign", remedy="--key KEY")
_add(
    "one package to compose",
    lambda folder: [*_two(folder)[:2], "-o", str(folder / "c.medkt")],
    "at least two",
    remedy="takes",
)
_add(
    "two of one concept",
    lambda folder: _two(folder, concept="cxr_nodule"),
    "b.medkt: cxr_nodule is in ",
    remedy="leave one out",
)
_add("two base models", lambda folder: _two(folder, base=Base(name="clip", digest="cd" * 32)), "a.medkt was learnt for small",
     remedy="put together what was learnt for one model")  # fmt: skip
_add("a change that holds NaN", lambda folder: _two(folder, delta=delta(float("nan"), 1.0)), "ct_nodule: the change of w holds NaN",
     remedy="learn the concept again")  # fmt: skip
_add("a package under another name", lambda folder: [*_two(folder)[:-1], str(folder / "c.zip")], "c.zip: a package is named",
     remedy="call it c.medkt")  # fmt: skip

__all__ = ["DIGEST", "GOOD", "KINDS", "RECIPE", "Kind", "safetensors"]
