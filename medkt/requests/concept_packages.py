"""`concept verify`, `concept sign` and `concept compose`: what is done with `.medkt` files of learnt concepts. No model is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from medkt.requests.option import Option, Request, requested
from medkt.requests.trust import trusted_places

if TYPE_CHECKING:
    from medkt.concepts import Package
    from medkt.concepts.signature import SignatureCheck


@dataclass(frozen=True, kw_only=True)
class ConceptVerifyRequest(Request):
    """Which file, and whose signatures are trusted."""

    file: Annotated[Path, Option(positional=True)]
    trusted: Annotated[
        tuple[Path, ...],
        Option(
            "public keys, or folders of *.pub; a folder `trust` in medkt's own folder (MEDKT_HOME) is always read",
            metavar="KEY",
        ),
    ] = ()
    require_signature: Annotated[bool, Option("refuse what nobody signed")] = False


@dataclass(frozen=True, kw_only=True)
class ConceptSignRequest(Request):
    """Which file is signed with which key; or where a new key goes."""

    file: Annotated[Path | None, Option(positional=True)] = None
    key: Annotated[Path | None, Option("your private key; its passphrase is read from MEDKT_KEY_PASSPHRASE")] = None
    new_key: Annotated[Path | None, Option("make a key pair: FILE and FILE.pub", metavar="FILE")] = None
    output: Annotated[Path | None, Option("write here and leave the file as it is", short="-o")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptSignResult:
    """A file that was signed, or a key that was made.

    Attributes:
        fingerprint: of the key.
        file: that was signed; None where a key was made.
        private_key: that was made, to be kept to oneself; else None.
        public_key: that was made, to be passed on; else None.
    """

    fingerprint: str
    file: Path | None = None
    private_key: Path | None = None
    public_key: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ConceptComposeRequest(Request):
    """Which files are put together, and where the whole goes."""

    files: Annotated[tuple[Path, ...], Option(positional=True, metavar="FILE")]
    output: Annotated[Path, Option("the .medkt file to write", short="-o")]


def concept_verify(request: ConceptVerifyRequest | None = None, /, **options: Any) -> "SignatureCheck":
    """Check every byte of a `.medkt` file, and who signed it.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: the file is not sound, its signer is not trusted, or it is not signed and has to be.
    """
    from medkt.concepts.signature import verify

    request = requested(ConceptVerifyRequest, request, options)
    return verify(
        request.file, trusted=trusted_places(request.trusted), require_signature=request.require_signature
    )  # fmt: skip


def concept_sign(request: ConceptSignRequest | None = None, /, **options: Any) -> ConceptSignResult:
    """Sign a `.medkt` file; or make a key to sign with.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: no file or no key is given, or both a file to sign and a key to make.
        MedktError: as `medkt.concepts.signature.sign` and `new_key`.
    """
    from medkt.concepts.signature import new_key, sign
    from medkt.errors import SettingsError

    request = requested(ConceptSignRequest, request, options)
    if request.new_key:
        if request.file or request.key or request.output:
            raise SettingsError("--new-key only makes a key; sign with it in a second command")
        public, fingerprint = new_key(request.new_key)
        return ConceptSignResult(fingerprint=fingerprint, private_key=request.new_key, public_key=public)
    if not (request.file and request.key):
        raise SettingsError("say what to sign and with which key: medkt concept sign FILE --key KEY")
    fingerprint = sign(request.file, request.key, output=request.output)
    return ConceptSignResult(fingerprint=fingerprint, file=request.output or request.file)


def concept_compose(request: ConceptComposeRequest | None = None, /, **options: Any) -> "Package":
    """Put several `.medkt` files into one; its `interference` says how much they get in each other's way.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: as `medkt.concepts.composition.compose`.
    """
    from medkt.concepts.composition import compose

    request = requested(ConceptComposeRequest, request, options)
    return compose(request.files, request.output)
