"""The package: the same content gives the same bytes, reading gives back what was written, no changed byte passes."""

import hashlib
import json
import struct
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import BASE, DIGEST, RECIPE, delta, package_file, safetensors
from safetensors.numpy import save

from medkt.concepts import Base, concept_from_text, load_concept, read_package, write_package
from medkt.concepts.container import read_container, write_container
from medkt.concepts.package import Package, PackagedConcept, json_bytes, write
from medkt.concepts.privacy import plain_text, require_no_traces, require_plain_card
from medkt.concepts.tensors import numbers_of, read_header
from medkt.errors import InputError, MedktError, OutputError, SettingsError, UnreadableError, WeightsError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.medkt"
    written = package_file(path, delta=delta(1, 2, kind="full", base_digest=DIGEST))
    read = read_package(path)
    (one,) = read.learnt
    assert one.concept == load_concept("cxr_nodule") == load_concept(path)
    assert (one.recipe, one.audit["gain"]["mean"], one.card) == (RECIPE, 0.5, "# A card\n")
    assert one.delta == written.learnt[0].delta
    assert one.header.metadata == {"kind": "full", "base_digest": DIGEST}
    assert (read.base, read.digest, read.signature, read.interference) == (BASE, written.digest, {}, {})


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    package_file(tmp_path / "a.medkt", recipe={"a": 1, "b": [1.5, None, "ü"]})
    package_file(tmp_path / "b.medkt", recipe={"b": [1.5, None, "ü"], "a": 1})
    assert (tmp_path / "a.medkt").read_bytes() == (tmp_path / "b.medkt").read_bytes()
    package_file(tmp_path / "b.medkt", recipe={"b": [1.5, None, "u"], "a": 1})
    assert (tmp_path / "a.medkt").read_bytes() != (tmp_path / "b.medkt").read_bytes()


def test_other_programs_open_it(tmp_path: Path) -> None:
    package_file(tmp_path / "a.medkt")
    with zipfile.ZipFile(tmp_path / "a.medkt") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "manifest.json", "base.json", "concept.yaml", "recipe.json", "audit.json", "delta.safetensors", "card.md",
        ]  # fmt: skip
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["format"], manifest["version"], manifest["concepts"]) == ("medkt-concept", 1, ["cxr_nodule"])


def test_no_byte_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.medkt"
    package_file(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.choice(len(content), size=150, replace=False):
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises(MedktError):
            read_package(path)
    path.write_bytes(content)
    read_package(path)


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}(/[a-z]{1,8})?\Z"), st.binary(max_size=50), max_size=5))
def test_container_there_and_back(tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]) -> None:
    path = tmp_path_factory.mktemp("container") / "a.zip"
    write_container(path, members)
    assert list(read_container(path).items()) == list(members.items())


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a\\b", "C:a", "a//b", "./a", "é", "a" * 200, "a\nb", ""])
def test_names_that_lead_out_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of the package"):
        write_container(tmp_path / "a.zip", {name: b""})


def test_too_many_members(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="385 members, expected at most 384"):
        write_container(tmp_path / "a.zip", {f"m{i}": b"" for i in range(385)})


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package_file(tmp_path / "a.medkt")
    monkeypatch.setattr("medkt.concepts.container.LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match=r"a\.medkt: is larger than"):
        read_package(tmp_path / "a.medkt")
    with pytest.raises(InputError, match="the members come to more than"):
        package_file(tmp_path / "b.medkt")
    assert not (tmp_path / "b.medkt").exists()


def test_words_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medkt.concepts.package.LARGEST_WORDS", 2000)
    with pytest.raises(InputError, match=r"card\.md has 3000 bytes, more than 2000"):
        package_file(tmp_path / "a.medkt", card="x" * 3000)


def test_a_folder_in_the_way_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.medkt").mkdir()
    with pytest.raises(OutputError, match=r"a\.medkt: a folder stands where the file should go"):
        package_file(tmp_path / "a.medkt")
    with pytest.raises(OutputError, match=r"cannot be written \(No such file or directory\)"):
        package_file(tmp_path / "none" / "a.medkt")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.medkt"
    package_file(path)
    before = path.read_bytes()

    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medkt.concepts.container.os.fsync", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        package_file(path, card="other")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.medkt"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recipe": {"folder": "/home/someone/data"}}, r"recipe\.json:2: holds a path of a machine"),
        ({"recipe": {"folder": "C:\\data"}}, "holds a path of a machine"),
        ({"audit": {"at": "2026-11-22T05:03:07"}}, r"audit\.json:2: holds a time of day"),
        ({"recipe": {"by": "a.b@hospital.org"}}, "holds an e-mail address"),
        ({"card": '<img src="x.png">'}, r"card\.md:1: holds HTML or a link"),
        ({"card": "![picture](x.png)"}, r"card\.md:1: holds HTML or a link"),
        ({"card": "ok\n<script>"}, r"card\.md:2: holds HTML or a link"),
        ({"card": "ok\x1b[2J"}, r"card\.md:1: holds the control character U\+001B"),
        ({"card": "ok\n\u202e"}, r"card\.md:2: holds the control character U\+202E"),
        ({"audit": {"seen": "data:image/png;base64,AAAA"}}, r"audit\.json:2: holds a picture"),
        ({"recipe": {"loss": float("nan")}}, r"recipe\.json: cannot be written as JSON"),
        ({"recipe": {"loss": object()}}, r"recipe\.json: cannot be written as JSON"),
    ],
)
def test_only_words_numbers_and_weights(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        package_file(tmp_path / "a.medkt", **changed)
    assert list(tmp_path.iterdir()) == []


HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<body onpageshow=alert(1)>",
    "<a href=&#106;avascript:alert(1)>x</a>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<math><mi xlink:href=data:x,1>", "<details open ontoggle=alert(1)>", "<link rel=import href=x>", "<!--><svg onload=x>",
    "<form action=//evil.example><button>", "<style>@import'//evil.example';</style>", "</p><base href=//evil.example>",
    "<?xml-stylesheet href=x?>", "[x](&#106;avascript:alert(1))", "![x](//evil.example/seen)", "[x]: data:text/html,x",
    "[x][y]", "<//evil.example>", "<https://evil.example>",
    # what Markdown grew elsewhere: attributes, TeX, diagrams, wikis, addresses
    '# Title {onclick="alert(1)"}', "text\n{: onmouseover=alert(1) }", "{{ 7 * 7 }}", "{% include 'x' %}", r"$\href{javascript:alert(1)}{x}$",
    r"\input /etc/passwd", "```mermaid", "~~~ {.run}", "![[../../secret.md]]", "[[Page]]", "https://evil.example", "see WWW.evil.example",
)  # fmt: skip


def as_a_stranger_packs(path: Path, members: dict[str, bytes]) -> None:
    """A package whose members are whatever they are, with a manifest that fits them."""
    whole = {name: content for name, content in members.items() if name != "manifest.json"}
    manifest = {
        "format": "medkt-concept", "version": 1, "medkt": "0", "concepts": ["cxr_nodule"],
        "members": {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in whole.items()},
    }  # fmt: skip
    write_container(path, {"manifest.json": json_bytes("manifest.json", manifest), **whole})


@pytest.mark.parametrize("card", HOSTILE)
def test_a_strangers_card_is_text_or_refused(tmp_path: Path, card: str) -> None:
    path = tmp_path / "a.medkt"
    package_file(path, card="# Sound\n")
    members = read_container(path)
    as_a_stranger_packs(path, {**members, "card.md": f"# Card\n{card}\n".encode()})
    with pytest.raises(InputError, match=r"a\.medkt: card\.md:[23]: holds HTML or a link"):
        read_package(path)


@pytest.mark.parametrize("page", ["<p>Nothing evil</p>", *HOSTILE, "plain"])
@pytest.mark.parametrize("name", ["card.html", "card.HTM", "card.svg", "cards/cxr_nodule.html"])
def test_a_page_in_a_package_is_refused_whatever_it_holds(tmp_path: Path, page: str, name: str) -> None:
    path = tmp_path / "a.medkt"
    package_file(path, card="")
    as_a_stranger_packs(path, {**read_container(path), name: page.encode()})
    with pytest.raises(InputError, match=r"a\.medkt: holds a page of HTML, .*; a card is Markdown"):
        read_package(path)


@pytest.mark.parametrize(
    "what",
    ["a", "a.", "a@", "<", "![", "[", "]", " on", "/home", "~", "1", "\\", "a@a.", "://", "\u202f", "{", "w", "`"],
)
def test_megabytes_of_one_letter_are_read_in_seconds(what: str) -> None:
    began = time.process_time()
    with suppress(InputError):
        require_no_traces("card.md", what * (2_000_000 // len(what)))
    with suppress(InputError):
        require_plain_card("card.md", what * (2_000_000 // len(what)))
    assert time.process_time() - began < 5


@given(st.text(alphabet=st.sampled_from("<>[]()!/?a1:&; \n\x1b\u202e|")))
def test_what_a_card_shows_of_words_is_always_plain(text: str) -> None:
    shown = plain_text(text)
    require_plain_card("card.md", shown)
    require_no_traces("card.md", shown)


@given(st.text(alphabet=st.sampled_from("<[](){}\\`~:/wW.a ")))
def test_what_a_card_shows_of_words_is_no_extension_of_markdown(text: str) -> None:
    require_plain_card("card.md", plain_text(text))


def test_a_million_members_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.medkt"
    path.write_bytes(
        b"\0" * 46_000_000 + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, 46_000_000, 0, 0)
    )
    began = time.process_time()
    with pytest.raises(InputError, match="65535 members, expected at most 384"):
        read_package(path)
    assert time.process_time() - began < 1


def test_weights_of_another_base(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"say that they belong to the base cdcdcdcdcdcd\.\.\., the package"):
        package_file(tmp_path / "a.medkt", delta=delta(1, base_digest="cd" * 32))
    with pytest.raises(WeightsError, match="the base model needs a name and a SHA-256"):
        package_file(tmp_path / "a.medkt", base=Base(name="small", digest="short"))
    with pytest.raises(InputError, match="holds control characters"):
        package_file(tmp_path / "a.medkt", base=Base(name="small\n\x1b[2J", digest=DIGEST))
    package = package_file(tmp_path / "a.medkt")
    package.require_base("small", DIGEST)
    with pytest.raises(WeightsError, match=r"cxr_nodule belong to small with .*, not to clip with cdcdcdcdcdcd"):
        package.require_base("clip", "cd" * 32)


def test_a_concept_stands_once(tmp_path: Path) -> None:
    one = PackagedConcept(concept=load_concept("cxr_nodule"), delta=delta())
    with pytest.raises(SettingsError, match="each id once; got cxr_nodule, cxr_nodule"):
        write(tmp_path / "a.medkt", Package(learnt=(one, one), base=BASE))


def test_free_text_may_be_learnt(tmp_path: Path) -> None:
    concept = concept_from_text("A ring in the lung", modality="ct")
    package_file(tmp_path / "a.medkt", concept)
    assert load_concept(tmp_path / "a.medkt") == concept


def test_words_that_break_the_schema_are_refused(tmp_path: Path) -> None:
    broken = replace(load_concept("cxr_nodule"), colour=(1, 2, 999))
    with pytest.raises(SettingsError, match="colour: expected three whole numbers"):
        package_file(tmp_path / "a.medkt", broken)
    assert list(tmp_path.iterdir()) == []


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    package_file(tmp_path / "a.medkt")
    code = (
        "import sys; from medkt.concepts import load_concept; load_concept(sys.argv[1]);"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.medkt"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- safetensors


def test_the_header_is_that_of_the_library() -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5, -2], np.float16), "c": np.array(3.0),
        "n": np.array([-7], np.int32),
    }  # fmt: skip
    content = save(arrays, {"kind": "full"})
    header = read_header(content, "x")
    assert header.metadata == {"kind": "full"}
    assert header.numbers == 10
    for name, array in arrays.items():
        np.testing.assert_array_equal(numbers_of(content, header, name), array)


def test_bf16_is_the_upper_half_of_a_float() -> None:
    content = safetensors({"a": np.array([0x3FC0, 0xC000], dtype=np.uint16)})
    np.testing.assert_array_equal(numbers_of(content, read_header(content, "x"), "a"), [1.5, -2.0])


_GOOD = safetensors({"a": np.zeros(2, np.float32), "b": np.zeros(1, np.float32)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no safetensors file, or cut off in its header"),
        (b"\xff" * 20, "no safetensors file, or cut off in its header"),
        (_GOOD[:-1], "11 bytes of numbers where the header says 12"),
        (_GOOD + b"x", "13 bytes of numbers where the header says 12"),
        (_GOOD.replace(b"[0, 8]", b"[0, 4]"), "the safetensors header is damaged"),
        (_GOOD.replace(b"[8, 12]", b"[4, 8] "), "tensors overlap or leave a gap at byte 8"),
        (_GOOD.replace(b'"F32"', b'"F99"', 1), "the safetensors header is damaged"),
        (_GOOD.replace(b'"b"', b'"a"'), "a name stands twice"),
        (_GOOD.replace(b"{", b"[", 1), "the safetensors header is damaged"),
    ],
)
def test_damaged_safetensors(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        read_header(content, "x")


def test_weights_that_are_none_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="the weights of cxr_nodule: is no safetensors file"):
        write_package(
            tmp_path / "a.medkt", concept=load_concept("cxr_nodule"), delta=b"x", base=BASE, recipe={}
        )  # fmt: skip
