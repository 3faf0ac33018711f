"""Studies that are what they should be and are shown unusually: cut, padded, inverted, of 16 bits, in another window."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from first import REALS, of_role
from PIL import Image

from medkt.phantom.study import write_study

EACH = 8


def variants(asker: Any, work: Path, data: Path) -> Iterator[Any]:
    """`EACH` real images of every modality in each way, and phantoms where a file has to say it."""
    for modality, folder in REALS.items():
        for number, path in enumerate(of_role(data, folder, "validate")[:EACH]):
            grey = np.asarray(Image.open(path).convert("L"))
            for name, shown in _shown(grey).items():
                kept = work / f"variant_{modality}_{number}_{name}.png"
                Image.fromarray(shown).save(kept)
                yield asker.ask("variants", name, kept, modality)
    for number in range(EACH):
        path = write_study(
            work / f"m1_{number}",
            domain="cxr",
            finding="",
            seed=930_000 + number,
            format="dicom",
            photometric="MONOCHROME1",
        )
        yield asker.ask("variants", "MONOCHROME1", path, "cxr")
        path = write_study(
            work / f"rgb_{number}",
            domain="ultrasound",
            finding="",
            seed=930_000 + number,
            format="dicom",
            photometric="RGB",
            frames=4,
        )
        yield asker.ask("variants", "grey clip saved as RGB", path, "ultrasound")
        for window in ("mediastinum", "bone", "2000/-400"):
            path = write_study(work / f"w_{number}", domain="ct", finding="", seed=930_000 + number, format="nifti")
            yield asker.ask("variants", f"window {window}", path, "ct", window=window)
        path = write_study(work / f"mw_{number}", domain="mri", finding="", seed=930_000 + number, format="nifti")
        yield asker.ask("variants", "window 3000/1200", path, "mri", window="3000/1200")


def _shown(grey: np.ndarray) -> dict[str, np.ndarray]:
    rows, columns = grey.shape
    return {
        "cut by a tenth on each side": grey[rows // 10 : rows - rows // 10, columns // 10 : columns - columns // 10],
        "cut by a quarter at the bottom": grey[: rows - rows // 4],
        "padded to a square and more": np.pad(grey, ((rows // 6, rows // 6), (columns // 4, columns // 3))),
        "16 bits": (grey.astype(np.uint16) * 200 + 500).astype(np.uint16),
        "brighter": np.rint(255 * (grey / 255.0) ** 0.7).astype(np.uint8),
        "of half the size": np.asarray(
            Image.fromarray(grey).resize((columns // 2, rows // 2), Image.Resampling.BILINEAR)
        ),
    }
