"""Records of how a concept is asked, for tests."""

from typing import Any

import numpy as np
from making import DIGEST, safetensors

from medkt.concepts import AskingRecord


def asking_of(**changed: Any) -> AskingRecord:
    """A sound record in a space of three numbers: one known finding, one text in the bank."""
    vectors = safetensors({"wanted": np.eye(3, dtype=np.float32)[0], "rivals": np.eye(3, dtype=np.float32)[1:]})
    given: dict[str, Any] = {
        "way": "virtual with bank", "texts": ("a round spot",), "known": ("cxr_mass",), "bank": ("an oval spot",), "bias": -0.05,
        "set_on": {"normals": {"pictures": 100}}, "chosen": {"why": "it was asked for"}, "base_digest": DIGEST, "vectors": vectors,
    }  # fmt: skip
    return AskingRecord(**{**given, **changed})


def with_normal(**changed: Any) -> AskingRecord:
    """The same, told apart from a normal study, too."""
    axes = np.eye(3, dtype=np.float32)
    vectors = safetensors({"wanted": axes[0], "rivals": axes[1:], "normal": axes[2]})
    return asking_of(**{"vectors": vectors, "normal": ("a normal study",), **changed})
