"""`doctor`: what this installation can read, run and find."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

CODECS = "medkt[codecs]"
PACKAGES = (
    "medkt", "torch", "monai", "pydicom", "highdicom", "nibabel", "SimpleITK", "scikit-image", "transformers",
    "segment-anything", "open_clip_torch",
)  # fmt: skip
"""Those whose versions are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What this installation runs on.

    Attributes:
        versions: of Python and of packages, by name; "not installed" of those that are not here.
        cuda: the name of the accelerator that is used unasked; None where there is none.
        threads: that torch computes with.
        extras: of each extra of medkt, whether all of its packages are here.
    """

    versions: Mapping[str, str]
    cuda: str | None
    threads: int
    extras: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxSupport:
    """A transfer syntax of DICOM files with pixel data, and whether it is decoded here.

    Attributes:
        uid, name: of the syntax.
        readable: whether it is decoded.
        by: the decoders, the one that is used alone where that is settled.
        needs: what has to be installed for it: an extra of medkt, or packages; empty where it is readable.
    """

    uid: str
    name: str
    readable: bool
    by: tuple[str, ...]
    needs: tuple[str, ...]


def check_installation() -> Installation:
    """The versions, the device and the extras of this installation; loads torch. `list_syntaxes` says what it can read."""
    import torch

    from medkt.extras import EXTRAS, has_extra

    return Installation(
        versions={"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}},
        cuda=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None, threads=torch.get_num_threads(),
        extras={name: has_extra(name) for name in EXTRAS},
    )  # fmt: skip


def list_syntaxes() -> tuple[SyntaxSupport, ...]:
    """Each transfer syntax with pixel data, and the decoder that is used for it; those that nothing decodes are left out."""
    from pydicom.uid import AllTransferSyntaxes

    return tuple(found for uid in AllTransferSyntaxes if (found := _support_of(uid)) is not None)


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _support_of(syntax: str) -> SyntaxSupport | None:
    from pydicom.uid import UID, UncompressedTransferSyntaxes

    from medkt.io.dicom_decode import decoder_for

    uid = UID(syntax)
    if uid in UncompressedTransferSyntaxes:
        return SyntaxSupport(uid=str(uid), name=uid.name, readable=True, by=("pydicom",), needs=())
    try:
        decoder, plugin = decoder_for(uid)
    except NotImplementedError:  # video, and syntaxes that pydicom has no decoder for: nothing to install
        return None
    missing = () if decoder.is_available else tuple(decoder.missing_dependencies)
    of_extra = bool(missing) and all(one.startswith("pylibjpeg") for one in missing)
    return SyntaxSupport(
        uid=str(uid), name=uid.name, readable=decoder.is_available,
        by=(plugin,) if plugin else tuple(decoder.available_plugins), needs=(CODECS,) if of_extra else missing,
    )  # fmt: skip
