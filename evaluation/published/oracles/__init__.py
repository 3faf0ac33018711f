"""medkt against frozen numbers of the public implementations: one module a part, one function of it a file of numbers.

`CHECKS` names every file and the function that compares medkt with it; `evaluation/published/differences.py` writes the
table of all of them. `tests/test_oracles.py` holds each to what is asked, those of `LONG` by their beginning alone. To add
a file: a function that takes the folder and yields `Difference`s, and a line here.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from oracles.difference import Difference
from oracles.finetune import finetune, infonce
from oracles.inversion import (
    inversion_biomedclip,
    inversion_biomedclip_begun,
    inversion_clip,
    inversion_clip_begun,
)
from oracles.m2ib import m2ib_biomedclip, m2ib_clip
from oracles.maps import postprocessing, published_map
from oracles.medclip import medclip
from oracles.metrics import metrics

Check = Callable[[Path], Iterable[Difference]]
CHECKS: dict[str, Check] = {
    "m2ib_biomedclip.npz": m2ib_biomedclip,
    "m2ib_clip.npz": m2ib_clip,
    "inversion_clip.npz": inversion_clip,
    "inversion_biomedclip.npz": inversion_biomedclip,
    "finetune.npz": finetune,
    "finetune.npz, loss alone": infonce,
    "published_map.npz": published_map,
    "postprocessing.npz": postprocessing,
    "medclip/classifier.npz": medclip,
    "metrics.npz": metrics,
}

LONG: dict[str, Check] = {
    "inversion_clip.npz": inversion_clip_begun,
    "inversion_biomedclip.npz": inversion_biomedclip_begun,
}
"""What a test runs in the place of a check that takes more than seconds."""
