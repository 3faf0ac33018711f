"""Small concepts and packages for tests."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medkt.concepts import Base, Concept, Package, load_concept, write_package

DIGEST = "ab" * 32
BASE = Base(name="small", digest=DIGEST)
RECIPE: dict[str, Any] = {"seeds": [0, 1], "inversion": {"steps": 25}, "day": "2026-11-22"}

_KINDS = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16", "int32": "I32"}


def safetensors(arrays: Mapping[str, NDArray[Any]], **metadata: str) -> bytes:
    """Bytes in the safetensors form, written plainly; uint16 stands for BF16."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    body = b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        kind = _KINDS[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    said = json.dumps(header).encode()
    return struct.pack("<Q", len(said)) + said + body


def delta(*values: float, name: str = "w", **metadata: str) -> bytes:
    """A full difference of one weight."""
    return safetensors({name: np.array(values or (1.0, 0.0), dtype=np.float32)}, **metadata)


def package_file(path: Path, concept: Concept | str = "cxr_nodule", **changed: Any) -> Package:
    """A sound package."""
    made = load_concept(concept) if isinstance(concept, str) else concept
    audit = {"gain": {"mean": 0.5, "interval": [0.25, 0.75]}}
    given: dict[str, Any] = {
        "concept": made, "delta": delta(), "base": BASE, "recipe": RECIPE, "audit": audit, "card": "# A card\n",
    }  # fmt: skip
    return write_package(path, **{**given, **changed})
