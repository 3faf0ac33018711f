"""Who vouches for a package: keys, signing, and whom a reader trusts."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from making import package_file

from medkt.concepts import read_package
from medkt.concepts.container import read_container, write_container
from medkt.concepts.signature import PASSPHRASE, new_key, sign, signer_of, trusted_keys, verify
from medkt.errors import InputError, OutputError, SettingsError, UnreadableError, WeightsError


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    package_file(tmp_path / "a.medkt")
    new_key(tmp_path / "me")
    sign(tmp_path / "a.medkt", tmp_path / "me")
    return tmp_path / "a.medkt"


def test_keys_are_for_their_owner(tmp_path: Path) -> None:
    public, fingerprint = new_key(tmp_path / "me")
    assert public == tmp_path / "me.pub"
    assert stat.S_IMODE((tmp_path / "me").stat().st_mode) == 0o600
    assert trusted_keys([public]) == {fingerprint: "me"}
    assert new_key(tmp_path / "you")[1] != fingerprint


def test_signed_and_verified(signed: Path) -> None:
    (fingerprint,) = trusted_keys([signed.parent / "me.pub"])
    for trusted in (signed.parent / "me.pub", signed.parent):  # a file, a folder
        verdict = verify(signed, trusted=[trusted], require_signature=True)
        assert (verdict.signer, verdict.fingerprint) == ("me", fingerprint)
    assert signer_of(verdict.package) == fingerprint
    assert [concept.id for concept in verdict.package.concepts] == ["cxr_nodule"]


def test_signing_changes_nothing_else_and_again_gives_the_same(signed: Path) -> None:
    members = read_container(signed)
    assert list(members)[-1] == "signature.json"
    package_file(signed.parent / "plain.medkt")
    assert {**read_container(signed.parent / "plain.medkt"), "signature.json": members["signature.json"]} == members
    before = signed.read_bytes()
    sign(signed, signed.parent / "me")
    assert signed.read_bytes() == before  # Ed25519 signs without chance


def test_another_signs_anew_into_another_file(signed: Path) -> None:
    before = signed.read_bytes()
    new_key(signed.parent / "you")
    sign(signed, signed.parent / "you", output=signed.parent / "b.medkt")
    assert signed.read_bytes() == before
    assert verify(signed.parent / "b.medkt", trusted=[signed.parent]).signer == "you"


def test_an_unsigned_one_passes_unless_asked_for(tmp_path: Path) -> None:
    package_file(tmp_path / "a.medkt")
    assert (verify(tmp_path / "a.medkt").signer, signer_of(read_package(tmp_path / "a.medkt"))) == ("", "")
    with pytest.raises(WeightsError, match="is not signed"):
        verify(tmp_path / "a.medkt", require_signature=True)


def test_an_unknown_signer_is_refused(signed: Path) -> None:
    with pytest.raises(WeightsError, match=r"is signed by an unknown key, fingerprint [0-9a-f]{64}; trusted: none"):
        verify(signed)
    read_package(signed)  # whose content is sound all the same


def test_the_signature_of_another_package_is_refused(signed: Path, tmp_path: Path) -> None:
    package_file(tmp_path / "b.medkt", card="other")
    members = read_container(tmp_path / "b.medkt")
    write_container(tmp_path / "b.medkt", {**members, "signature.json": read_container(signed)["signature.json"]})
    with pytest.raises(WeightsError, match="the signature does not fit the content"):
        read_package(tmp_path / "b.medkt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"algorithm": "none", "public_key": "", "signature": ""}', "holds no Ed25519 signature"),
        (b'{"algorithm": "Ed25519", "public_key": "zz", "signature": "00"}', "the signature does not fit"),
        (b'{"algorithm": "Ed25519"}', "holds no Ed25519 signature"),
    ],
)
def test_odd_signatures(signed: Path, content: bytes, message: str) -> None:
    write_container(signed, {**read_container(signed), "signature.json": content})
    with pytest.raises(WeightsError, match=message):
        read_package(signed)


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"algorithm": 1}', b"x"])
def test_what_is_no_signature(signed: Path, content: bytes) -> None:
    write_container(signed, {**read_container(signed), "signature.json": content})
    with pytest.raises(UnreadableError, match=r"signature\.json"):
        read_package(signed)


def test_a_passphrase_locks_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package_file(tmp_path / "a.medkt")
    monkeypatch.setenv(PASSPHRASE, "open sesame")
    new_key(tmp_path / "me")
    assert b"ENCRYPTED" in (tmp_path / "me").read_bytes()
    sign(tmp_path / "a.medkt", tmp_path / "me")
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(SettingsError, match=f"the passphrase in {PASSPHRASE} does not open it"):
        sign(tmp_path / "a.medkt", tmp_path / "me")
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(SettingsError, match=f"needs a passphrase; put it into {PASSPHRASE}"):
        sign(tmp_path / "a.medkt", tmp_path / "me")


def test_keys_of_another_kind(signed: Path, tmp_path: Path) -> None:
    other = x25519.X25519PrivateKey.generate()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "x").write_bytes(other.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "x.pub").write_bytes(other.public_key().public_bytes(pem, spki))
    with pytest.raises(InputError, match="is a key of another kind, expected Ed25519"):
        sign(signed, tmp_path / "x")
    with pytest.raises(InputError, match=r"x\.pub: is a key of another kind"):
        verify(signed, trusted=[tmp_path / "x.pub"])
    (tmp_path / "x.pub").write_bytes(b"0" * 20_000)
    with pytest.raises(InputError, match="is too large for a key"):
        verify(signed, trusted=[tmp_path / "x.pub"])
    with pytest.raises(UnreadableError, match="cannot be read"):
        verify(signed, trusted=[tmp_path / "none.pub"])


def test_the_signature_is_plain_ed25519(signed: Path) -> None:
    """Anyone can check it with another library: key and signature in hex, over a prefix and the manifest."""
    signature = read_package(signed).signature
    key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["public_key"]))
    manifest = read_container(signed)["manifest.json"]
    key.verify(bytes.fromhex(signature["signature"]), b"medkt concept package, manifest:\n" + manifest)


@pytest.mark.parametrize(("call", "at"), [("fsync", 1), ("fsync", 2), ("open", 1), ("open", 2)])
def test_a_key_that_could_not_be_written_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    """Before, half a pair stayed, and the next try was told that a key is never overwritten."""
    real, calls = getattr(os, call), [0]

    def fail(*words: object, **named: object) -> object:
        calls[0] += 1
        if calls[0] == at:
            raise OSError(28, "No space left on device")
        return real(*words, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OutputError, match="No space left"):
            new_key(tmp_path / "site.key")
    assert list(tmp_path.iterdir()) == []
    new_key(tmp_path / "site.key")
