"""A learnt concept as one file, `<concept>.medkt`: words, recipe, base model, weights, audit, card, signature.

A package of one concept holds

    manifest.json      format, version, medkt's version, the concepts' ids, SHA-256 and size of every other member
    base.json          name and digest of the model that the weights are a difference to
    concept.yaml       words and codes, as `radiology_captions/*.yaml`
    recipe.json        settings and seeds of inversion and fine-tuning
    audit.json         what was gained, what was forgotten, and the controls
    delta.safetensors  the weights; not where the concept was not learned but is only asked well
    asking.json        how it is asked: the way, the texts, the lead from which it is seen, and what that was set on; version 2
    directions.safetensors  the unit vectors that this means in the model's space: wanted, rivals, and normal from version 3 on; version 2
    card.md            all this for a reader, as text without HTML and links
    signature.json     Ed25519 over the manifest; optional

and one of several has a folder of each (`concepts/ID.yaml`, `deltas/ID.safetensors`, ...) and `interference.json`. The
same content gives the same bytes. It holds words, numbers and weights only: no picture, path or name of a machine or
user, and no time more exact than a day. What is made from patients, such as a calibration, lies beside it, never in it; of the
studies that an audit was set on (`--probe`) it holds counts and shares.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medkt.about import __version__
from medkt.bounds import parse_json
from medkt.concepts.asking_record import AskingRecord
from medkt.concepts.captions import as_yaml, parse_concepts
from medkt.concepts.concept import Concept
from medkt.concepts.container import read_container, write_container
from medkt.concepts.privacy import plain_text, require_no_traces, require_plain_card
from medkt.concepts.schema import LONGEST_ID
from medkt.concepts.tensors import TensorHeader, read_header
from medkt.errors import InputError, SettingsError, UnreadableError, WeightsError
from medkt.records import RecordForm, as_plain, fill

SUFFIX = ".medkt"
MOST_CONCEPTS = 40
LARGEST_WORDS = 8 * 2**20
"""Bytes of any member but the weights."""

MANIFEST, SIGNATURE, BASE, INTERFERENCE = "manifest.json", "signature.json", "base.json", "interference.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a package: its size, and the SHA-256 of its bytes."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """`manifest.json` of a package: which medkt wrote it, the ids of its concepts, and every other member by name."""

    medkt: str
    concepts: tuple[str, ...]
    members: Mapping[str, Member]


FORM = RecordForm(
    kind=PackageManifest, name="concept package", number=3, also=(1, 2), key="version", head={"format": "medkt-concept"},
    writer="medkt learn", again="fetch it again",
)  # fmt: skip
"""A package is written in the oldest form that holds it: 1 where no concept says how it is asked, 2 where each that does is told
apart by its nearest rival alone, as in packages from before a normal study had a lead of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The model that weights are a difference to: the registry's name, and the SHA-256 of its weights."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackagedConcept:
    """One concept of a package.

    Attributes:
        concept: its words and codes.
        delta: the weights as safetensors bytes; only `medkt.transfer.delta` knows what they mean. b"" where none were changed.
        recipe: settings and seeds.
        audit: what was measured; empty where no audit was made.
        card: the same for a reader, Markdown without HTML and links; "" for none.
        asking: how it is asked; None of a package from before that was stored, which is asked by its name and captions.
    """

    concept: Concept
    delta: bytes = b""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    card: str = ""
    asking: AskingRecord | None = None

    @property
    def words_carried(self) -> str:
        """The audit's first line, and whether the concept was kept against it; of a package from before, that it is not shown."""
        found = self.audit.get("words carried")
        line = found.get("line") if isinstance(found, Mapping) else None
        if not isinstance(line, str):
            return "words carried: not shown: learned before this was asked"
        return f"{plain_text(line)} (kept anyway)" if self.audit.get("kept anyway") is True else plain_text(line)

    @property
    def header(self) -> TensorHeader:
        """The names, shapes and metadata of the weights; of none where none were changed."""
        if not self.delta:
            return TensorHeader(metadata={}, entries={}, begin=0)
        return read_header(self.delta, f"the weights of {self.concept.id}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Package:
    """The content of a `.medkt` file.

    Attributes:
        learnt: one concept or several, in the file's order.
        base: the model they belong to.
        interference: of a composed package: its table and where its parts came from; else empty.
        digest: SHA-256 of the manifest, which names the digest of everything else; "" before it is written.
        medkt_version: that wrote it.
        signature: what `signature.json` holds; empty where nobody signed.
    """

    learnt: tuple[PackagedConcept, ...]
    base: Base
    interference: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    medkt_version: str = __version__
    signature: Mapping[str, str] = field(default_factory=dict)

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """The words of all."""
        return tuple(learnt.concept for learnt in self.learnt)

    def require_base(self, name: str, digest: str) -> None:
        """That weights of this package may be laid over the model of this name and digest.

        Raises:
            WeightsError: they belong to another model.
        """
        if digest != self.base.digest:
            ids = ", ".join(concept.id for concept in self.concepts)
            what = "the weights" if any(one.delta for one in self.learnt) else "the directions"
            raise WeightsError(
                f"{what} of {ids} belong to {self.base.name} with the digest {self.base.digest[:12]}..., not to "
                f"{name} with {digest[:12] or 'none'}...; load that model, or learn the concept for this one"
            )


def write_package(
    path: str | Path, *, concept: Concept, delta: bytes = b"", base: Base, recipe: Mapping[str, Any],
    audit: Mapping[str, Any] | None = None, card: str = "", asking: AskingRecord | None = None,
) -> Package:  # fmt: skip
    """Write one learnt concept, complete or not at all; give the package as it will be read.

    Args:
        path: ends in ".medkt".
        concept: its words.
        delta: safetensors bytes; b"" where no weight is changed. Where its metadata has "base_digest", it must be that of `base`.
        base: the model that was taught.
        recipe: settings and seeds, as JSON holds them.
        audit: what was measured, as JSON holds it.
        card: the same for a reader, Markdown without HTML, links and pictures.
        asking: how it is asked, in the space of `base`.

    Raises:
        InputError: neither weights nor a way of asking are given; something in it would tell of a machine, a user or a time, or is no JSON, or is too large.
        SettingsError: the words break the schema.
        UnreadableError: the weights are no safetensors.
        WeightsError: the weights say that they belong to another base.
        OutputError: the file cannot be written; nothing is left of it.
    """
    one = PackagedConcept(concept=concept, delta=delta, recipe=recipe, audit=audit or {}, card=card, asking=asking)
    return write(path, Package(learnt=(one,), base=base))


def write(path: str | Path, package: Package) -> Package:
    """Write a package of one or several concepts, unsigned; as `write_package` otherwise."""
    target = Path(path)
    if target.suffix != SUFFIX:
        raise InputError(f"{target}: a package is named *{SUFFIX}; call it {target.with_suffix(SUFFIX).name}")
    members = pack(package)
    write_container(target, members)
    return replace(package, digest=_sha256(members[MANIFEST]), medkt_version=__version__, signature={})


def pack(package: Package) -> dict[str, bytes]:
    """The members of a package, in the order of the file, without a signature.

    Raises:
        InputError, SettingsError, UnreadableError, WeightsError: as `write_package`.
    """
    _check_content(package)
    members = _body(package)
    for one in package.learnt:
        parse_concepts(as_yaml(one.concept), one.concept.id)  # what cannot be read is not written
    for name, content in members.items():
        if not name.endswith(".safetensors") and len(content) > LARGEST_WORDS:
            raise InputError(f"{name} has {len(content)} bytes, more than {LARGEST_WORDS}; shorten it")
        _require_harmless(name, content)
    manifest = PackageManifest(
        medkt=__version__, concepts=tuple(concept.id for concept in package.concepts),
        members={name: _member(content) for name, content in members.items()},
    )  # fmt: skip
    plain = FORM.write(manifest) | {FORM.key: _version(package)}
    return {MANIFEST: json_bytes(MANIFEST, plain), **members}


def read_package(path: str | Path) -> Package:
    """A package, once everything in it has been checked; whether its signer is trusted is `signature.verify`'s.

    Raises:
        UnreadableError: no package, damaged, a byte or a member more, fewer or other than the manifest says.
        UnsupportedError: made by a newer medkt, in a form that this one does not know.
        InputError: too large, or with names that lead out of a folder.
        SettingsError: the words in it break the schema.
        WeightsError: the weights say that they belong to another base, or the signature does not fit.
    """
    shown = str(path)
    members = read_container(Path(path))
    manifest = _manifest(members, shown)
    _check_digests(members, manifest, shown)
    try:
        package = _unpacked(members, manifest, shown)
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{shown}: a member is missing or not of its kind ({error}); fetch it again") from error
    expected = [MANIFEST, *_body(package), *([SIGNATURE] if package.signature else [])]
    _require_no_page(members, shown)
    if list(members) != expected:
        odd = sorted(set(members) ^ set(expected)) or ["their order"]
        raise UnreadableError(
            f"{shown}: members that do not belong to a package: {', '.join(odd)}; it is not to be trusted"
        )
    _check_content(package, shown)
    for name, content in members.items():
        _require_harmless(name, content, shown)
    if package.signature:
        from medkt.concepts.signature import require_valid  # needs cryptography, which who does not sign can do without

        require_valid(package.signature, members[MANIFEST], shown)
    return package


def _require_no_page(members: Mapping[str, bytes], shown: str) -> None:
    """A page of HTML is refused whatever it holds: which of them runs something, no list can say."""
    pages = [name for name in members if name.lower().endswith((".html", ".htm", ".xhtml", ".svg"))]
    if pages:
        raise InputError(
            f"{shown}: holds a page of HTML, {pages[0]}; a card is Markdown, ask its author for the package without it"
        )


def _require_harmless(name: str, content: bytes, shown: str = "") -> None:
    """That a member that is read as text holds text alone, of no person and no machine."""
    if name.endswith(".safetensors"):
        return
    where, text = f"{shown}: {name}" if shown else name, content.decode("utf-8")
    require_no_traces(where, text)
    if name.endswith(".md"):
        require_plain_card(where, text)


def _body(package: Package) -> dict[str, bytes]:
    members = {BASE: json_bytes(BASE, as_plain(package.base))}
    alone = len(package.learnt) == 1 and not package.interference
    for one in package.learnt:
        names = _names(one.concept.id, alone=alone)
        members[names["concept"]] = as_yaml(one.concept).encode("utf-8")
        members[names["recipe"]] = json_bytes(names["recipe"], one.recipe)
        members[names["audit"]] = json_bytes(names["audit"], one.audit)
        if one.delta:
            members[names["delta"]] = one.delta
        if one.asking is not None:
            members[names["asking"]] = json_bytes(names["asking"], one.asking.as_json())
            members[names["directions"]] = one.asking.vectors
        if one.card:
            members[names["card"]] = one.card.encode("utf-8")
    if not alone:
        members[INTERFERENCE] = json_bytes(INTERFERENCE, package.interference)
    return members


def _names(identifier: str, *, alone: bool) -> dict[str, str]:
    kinds = {
        "concept": "yaml", "recipe": "json", "audit": "json", "delta": "safetensors", "asking": "json",
        "directions": "safetensors", "card": "md",
    }  # fmt: skip
    folders = {"asking": "asking", "directions": "directions"}
    return {
        kind: f"{kind}.{suffix}" if alone else f"{folders.get(kind, f'{kind}s')}/{identifier}.{suffix}"
        for kind, suffix in kinds.items()
    }


def _unpacked(members: Mapping[str, bytes], manifest: PackageManifest, shown: str) -> Package:
    alone, ids = INTERFERENCE not in members, manifest.concepts
    if not ids or len(ids) > MOST_CONCEPTS or (alone and len(ids) != 1):
        raise UnreadableError(f"{shown}: the manifest names the concepts {ids!r}; fetch it again")
    base = fill(Base, _object(members, BASE, shown), where=f"{shown}: {BASE}")
    signature = _object(members, SIGNATURE, shown) if SIGNATURE in members else {}
    if SIGNATURE in members and not (signature and all(isinstance(text, str) for text in signature.values())):
        raise UnreadableError(f"{shown}: {SIGNATURE} holds no signature; fetch it again")
    return Package(
        learnt=tuple(_learnt(members, one, shown, alone=alone) for one in ids), base=base,
        interference={} if alone else _object(members, INTERFERENCE, shown),
        digest=_sha256(members[MANIFEST]), medkt_version=manifest.medkt, signature=signature,
    )  # fmt: skip


def _version(package: Package) -> int:
    askings = [one.asking for one in package.learnt if one.asking is not None]
    if not askings:
        return 1
    return 2 if all(one.plain for one in askings) else FORM.number


def _learnt(members: Mapping[str, bytes], identifier: str, shown: str, *, alone: bool) -> PackagedConcept:
    names = _names(identifier, alone=alone)
    found = parse_concepts(_text(members, names["concept"], shown), f"{shown}: {names['concept']}")
    if [concept.id for concept in found] != [identifier]:
        raise UnreadableError(f"{shown}: {names['concept']} does not hold {identifier!r}; fetch it again")
    asking = None
    if names["asking"] in members:
        where = f"{shown}: {names['asking']}"
        asking = AskingRecord.of(_object(members, names["asking"], shown), members[names["directions"]], where)
    return PackagedConcept(
        concept=found[0], delta=members.get(names["delta"], b"") if asking else members[names["delta"]],
        recipe=_object(members, names["recipe"], shown), audit=_object(members, names["audit"], shown), asking=asking,
        card=_text(members, names["card"], shown) if names["card"] in members else "",
    )  # fmt: skip


def _manifest(members: Mapping[str, bytes], shown: str) -> PackageManifest:
    if next(iter(members), "") != MANIFEST:
        raise UnreadableError(f"{shown}: is no concept package: it does not begin with {MANIFEST}")
    return FORM.read(_object(members, MANIFEST, shown), where=shown)


def _check_digests(members: Mapping[str, bytes], manifest: PackageManifest, shown: str) -> None:
    listed = manifest.members
    held = [name for name in members if name not in (MANIFEST, SIGNATURE)]
    if set(listed) != set(held):
        odd = ", ".join(sorted(set(listed) ^ set(held)))
        raise UnreadableError(f"{shown}: members and manifest differ: {odd}; it is not to be trusted")
    for name in held:
        if listed[name] != _member(members[name]):
            raise UnreadableError(f"{shown}: {name} is not what the manifest says (SHA-256 differs); fetch it again")


def _check_content(package: Package, shown: str = "") -> None:
    where = f"{shown}: " if shown else ""
    ids = [concept.id for concept in package.concepts]
    if not ids or len(set(ids)) != len(ids) or len(ids) > MOST_CONCEPTS:
        raise SettingsError(f"{where}a package holds 1 to {MOST_CONCEPTS} concepts, each id once; got {', '.join(ids)}")
    if any(len(one) > LONGEST_ID for one in ids):
        raise SettingsError(f"{where}a concept's id has at most {LONGEST_ID} characters")
    if len(package.base.digest) != 64 or set(package.base.digest) - set("0123456789abcdef") or not package.base.name:
        raise WeightsError(
            f"{where}the base model needs a name and a SHA-256, got {package.base.digest!r}; load it anew"
        )
    if not (package.base.name.isprintable() and package.medkt_version.isprintable()):
        raise InputError(
            f"{where}the name of the base model or of the version holds control characters; it is not to be trusted"
        )
    for one in package.learnt:
        if one.asking is not None:
            one.asking.require(f"{where}{one.concept.id}", base=package.base.digest)
        if not one.delta:
            if one.asking is None:
                raise InputError(f"{where}{one.concept.id} has neither weights nor a way of asking; learn it again")
            continue
        stated = read_header(one.delta, f"{where}the weights of {one.concept.id}").metadata.get("base_digest")
        if stated is not None and stated != package.base.digest:
            raise WeightsError(
                f"{where}the weights of {one.concept.id} say that they belong to the base {stated[:12]}..., the package "
                f"says {package.base.digest[:12]}...; one of them is wrong, learn it again"
            )


def _object(members: Mapping[str, bytes], name: str, shown: str) -> dict[str, Any]:
    try:
        raw = parse_json(_text(members, name, shown), f"{shown}: {name}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{shown}: {name} is no JSON ({error}); fetch it again") from error
    if not isinstance(raw, dict):
        raise UnreadableError(f"{shown}: {name} holds no JSON object; fetch it again")
    return raw


def _text(members: Mapping[str, bytes], name: str, shown: str) -> str:
    if len(members[name]) > LARGEST_WORDS:
        raise InputError(f"{shown}: {name} has {len(members[name])} bytes, more than {LARGEST_WORDS}")
    try:
        return members[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{shown}: {name} is not UTF-8 text; fetch it again") from error


def json_bytes(name: str, value: Mapping[str, Any]) -> bytes:
    """A member as JSON: sorted keys and finite numbers, so that equal content gives equal bytes.

    Raises:
        InputError: it holds something that JSON does not.
    """
    try:
        return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name}: cannot be written as JSON ({error}); use texts, finite numbers, lists, null"
        ) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _member(content: bytes) -> Member:
    return Member(bytes=len(content), sha256=_sha256(content))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
