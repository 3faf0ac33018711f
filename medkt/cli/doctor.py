"""`medkt doctor`: what this installation can read, run and find."""

import argparse
import json
import sys
from typing import Any

from medkt.cli.console import drawing_on

CODECS = "medkt[codecs]"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print the transfer syntaxes that can be decoded, the device, the packages and the extras; 2 where one of medkt's own is missing."""
    from medkt.extras import EXTRAS, has_extra

    found: dict[str, Any] = {
        "medkt": _versions(), "device": _device(), "extras": {name: has_extra(name) for name in EXTRAS},
        "transfer_syntaxes": _codecs(),
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        _show(found)
    return 0 if all(row["readable"] or row["needs"] == [CODECS] for row in found["transfer_syntaxes"]) else 2


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    names = ("medkt", "torch", "monai", "pydicom", "highdicom", "nibabel", "SimpleITK", "scikit-image", "transformers",
             "segment-anything", "open_clip_torch")  # fmt: skip
    found = {"python": sys.version.split()[0]}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _device() -> dict[str, Any]:
    import torch

    return {
        "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
    }


def _codecs() -> list[dict[str, Any]]:
    """Each transfer syntax with pixel data, and the decoder that will be used for it."""
    from pydicom.uid import AllTransferSyntaxes, UncompressedTransferSyntaxes

    from medkt.io.dicom_decode import decoder_for

    rows = []
    for uid in AllTransferSyntaxes:
        if uid in UncompressedTransferSyntaxes:
            rows.append({"uid": str(uid), "name": uid.name, "readable": True, "by": ["pydicom"], "needs": []})
            continue
        try:
            decoder, plugin = decoder_for(uid)
        except NotImplementedError:  # video, and syntaxes that pydicom has no decoder for: nothing to install
            continue
        missing = [] if decoder.is_available else list(decoder.missing_dependencies)
        of_extra = bool(missing) and all(one.startswith("pylibjpeg") for one in missing)
        rows.append(
            {
                "uid": str(uid),
                "name": uid.name,
                "readable": decoder.is_available,
                "by": [plugin] if plugin else list(decoder.available_plugins),
                "needs": [CODECS] if of_extra else missing,
            }
        )
    return rows


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=drawing_on(sys.stdout))
    console.print("  ".join(f"{name} {version}" for name, version in found["medkt"].items()))
    console.print(f"device: {found['device']['cuda'] or 'CPU'}, {found['device']['threads']} threads")
    shown = (name if there else f"{name} (not installed)" for name, there in found["extras"].items())
    console.print(f"extras: {', '.join(shown)}", markup=False)
    table = Table("transfer syntax", "readable", "by / needs", title="DICOM pixel data")
    for row in found["transfer_syntaxes"]:
        detail = ", ".join(row["by"] if row["readable"] else row["needs"])
        table.add_row(row["name"], "yes" if row["readable"] else "NO", escape(detail))
    console.print(table)
