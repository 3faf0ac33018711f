"""Who vouches for a package: Ed25519 (RFC 8032) over its manifest, which names the digest of everything else.

A signature says that the holder of a key made these bytes, not that the concept is any good. Keys are PEM files: the
private one for its owner alone (permission 0600), the public one to be passed on. A reader trusts keys, not names: the
fingerprint is the SHA-256 of the 32 bytes of the public key.

The extra `signing` brings what does the arithmetic; packages that nobody signed need none.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medkt.bounds import require_regular, several_of
from medkt.concepts.container import read_container, write_container
from medkt.concepts.package import MANIFEST, SIGNATURE, Package, json_bytes, read_package
from medkt.errors import InputError, OutputError, SettingsError, UnreadableError, WeightsError
from medkt.extras import require

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSPHRASE = "MEDKT_KEY_PASSPHRASE"
"""The environment variable with the passphrase of a private key; unset or empty for a key without one."""

_ALGORITHM = "Ed25519"
PACKAGE, BUNDLE = b"medkt concept package, manifest:\n", b"medkt bundle of models, index:\n"
"""What stands before what is signed: a signature of the one is none of the other."""
_LARGEST_KEY = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCheck:
    """What `verify` found.

    Attributes:
        package: the content, every byte checked.
        fingerprint: of the signer's key; "" for an unsigned package.
        signer: the name under which the reader trusts that key; "" for an unsigned package.
    """

    package: Package
    fingerprint: str
    signer: str


def new_key(path: str | Path) -> tuple[Path, str]:
    """Make a key pair: the private key at `path`, the public one beside it as `<path>.pub`; give that and its fingerprint.

    The private key is encrypted with the passphrase in `MEDKT_KEY_PASSPHRASE` where that is set.

    Raises:
        OutputError: one of the files exists, or cannot be written.
    """
    require("signing", "making a key")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private_path = Path(path)
    public_path = private_path.with_name(f"{private_path.name}.pub")
    for one in (private_path, public_path):
        if one.exists() or one.is_symlink():
            raise OutputError(f"{one}: exists already; a key is never overwritten, choose another name")
    key = Ed25519PrivateKey.generate()
    passphrase = os.environ.get(PASSPHRASE, "").encode()
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    public = key.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    _write_new(private_path, pem, 0o600)
    try:
        _write_new(public_path, public.public_bytes(serialization.Encoding.PEM, spki), 0o644)
    except BaseException:
        private_path.unlink(missing_ok=True)  # made a moment ago, and signs nothing yet
        raise
    return public_path, fingerprint_of(public)


def sign(path: str | Path, key: str | Path, *, output: str | Path | None = None) -> str:
    """Sign a package in place, or into `output`; give the fingerprint. A signature that is there is replaced.

    Raises:
        InputError, UnreadableError, ...: the package is not sound, as `read_package`; or the key is no Ed25519 key.
        SettingsError: the key needs a passphrase, or another one.
        OutputError: the package cannot be written; the old one stays as it was.
    """
    read_package(path)
    members = read_container(Path(path))
    signature = signature_over(members[MANIFEST], key, PACKAGE)
    members[SIGNATURE] = json_bytes(SIGNATURE, signature)
    write_container(Path(output or path), members)
    return signer_in(signature)


def signature_over(content: bytes, key: str | Path, context: bytes) -> dict[str, str]:
    """What `signature.json` holds: the signature of a key over an index that names the digest of everything else.

    Args:
        content: the bytes of the index.
        key: the private key's file.
        context: what the index is of, so that a signature made for one kind of file is one of nothing else.

    Raises:
        InputError, SettingsError, UnreadableError: as `sign`.
    """
    private = _private_key(Path(key))
    signed = private.sign(context + content).hex()
    return {"algorithm": _ALGORITHM, "public_key": _raw(private.public_key()).hex(), "signature": signed}


def verify(
    path: str | Path, *, trusted: Iterable[str | Path] = (), require_signature: bool = False
) -> SignatureCheck:  # fmt: skip
    """Check a package whole, and that its signer is one of those trusted. An unsigned one passes unless asked otherwise.

    Args:
        path: of the package.
        trusted: public keys as PEM files, or folders of `*.pub`.
        require_signature: refuse a package that nobody signed.

    Raises:
        WeightsError: the signature does not fit the content, the signer is unknown, or there is none where one is asked for.
        InputError, UnreadableError, UnsupportedError, SettingsError: as `read_package`; or a trusted key is no key.
    """
    keys = trusted_keys(trusted)
    package = read_package(path)
    if not package.signature:
        if require_signature:
            raise WeightsError(f"{path}: is not signed; ask its author for a signed one")
        return SignatureCheck(package=package, fingerprint="", signer="")
    fingerprint = signer_of(package)
    if fingerprint not in keys:
        known = ", ".join(f"{name} {key[:16]}" for key, name in keys.items()) or "none"
        raise WeightsError(
            f"{path}: is signed by an unknown key, fingerprint {fingerprint}; trusted: {known}. Compare the fingerprint with "
            "its author's by another way, then pass the author's public key with --trusted"
        )
    return SignatureCheck(package=package, fingerprint=fingerprint, signer=keys[fingerprint])


def trusted_keys(places: Iterable[str | Path]) -> dict[str, str]:
    """Fingerprint to name, the file's stem, of public keys in PEM files and in folders of `*.pub`.

    Raises:
        InputError: no such file or folder, or not an Ed25519 public key.
    """
    files: list[Path] = []
    for place in map(Path, several_of(places)):
        files += sorted(place.glob("*.pub")) if place.is_dir() else [place]
    return {fingerprint_of(_public_key(file)): file.stem for file in files}


def require_valid(signature: Mapping[str, str], manifest: bytes, shown: str, context: bytes = PACKAGE) -> None:
    """That a signature was made over this manifest with the key that it names; says nothing of trust.

    Raises:
        WeightsError: it was not, or it is no Ed25519 signature.
    """
    if set(signature) != {"algorithm", "public_key", "signature"} or signature["algorithm"] != _ALGORITHM:
        raise WeightsError(f"{shown}: {SIGNATURE} holds no {_ALGORITHM} signature; fetch it again")
    require("signing", f"{shown}: checking its signature")
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["public_key"]))
        key.verify(bytes.fromhex(signature["signature"]), context + manifest)
    except (ValueError, InvalidSignature) as error:
        raise WeightsError(f"{shown}: the signature does not fit the content; it is not to be trusted") from error


def signer_of(package: Package) -> str:
    """Fingerprint of the key that signed a package; "" for an unsigned one. Says nothing of trust."""
    if not package.signature:
        return ""
    return signer_in(package.signature)


def signer_in(signature: Mapping[str, str]) -> str:
    """Fingerprint of the key that a signature names. Says nothing of trust."""
    return hashlib.sha256(bytes.fromhex(signature["public_key"])).hexdigest()


def fingerprint_of(key: "Ed25519PublicKey") -> str:
    """SHA-256 of the key's 32 bytes, as hex."""
    return hashlib.sha256(_raw(key)).hexdigest()


def _raw(key: "Ed25519PublicKey") -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _private_key(path: Path) -> "Ed25519PrivateKey":
    require("signing", "signing")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = _key_file(path)
    passphrase = os.environ.get(PASSPHRASE, "").encode() or None
    try:
        key = serialization.load_pem_private_key(content, passphrase if b"ENCRYPTED" in content else None)
    except TypeError as error:
        raise SettingsError(f"{path}: needs a passphrase; put it into {PASSPHRASE}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"ENCRYPTED" in content:
            raise SettingsError(f"{path}: the passphrase in {PASSPHRASE} does not open it; correct it") from error
        raise InputError(f"{path}: is no private key; make one with `medkt concept sign --new-key FILE`") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: is a key of another kind, expected {_ALGORITHM}; make one with --new-key")
    return key


def _public_key(path: Path) -> "Ed25519PublicKey":
    require("signing", f"{path}: reading a key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = _key_file(path)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: is no public key; give the *.pub file of the author") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path}: is a key of another kind, expected {_ALGORITHM}; give the author's *.pub file")
    return key


def _key_file(path: Path) -> bytes:
    require_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_KEY + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}); check the path and permission") from error
    if len(content) > _LARGEST_KEY:
        raise InputError(f"{path}: is too large for a key; give a PEM file")
    return content


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        # the permission is there before the key is
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)  # half a key would stand in the way of the next try
            raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); check the folder and permission") from error
