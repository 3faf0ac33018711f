"""Generated checkpoints of published layouts are examined; of one that is made for a modality its own pictures are drawn alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from test_loaders import load_small_biomedclip, load_small_clip, load_small_medclip

from medkt.examine import ROWS, ExamineSettings, examine
from medkt.examine.store import FORM
from medkt.models.dual import TwoTowers

EVERY = ("cxr", "ct", "mri", "ultrasound")


@pytest.mark.parametrize(
    ("load", "domains"),
    [
        (load_small_biomedclip, ("ultrasound",)),
        pytest.param(load_small_biomedclip, EVERY, marks=pytest.mark.slow),
        pytest.param(load_small_clip, EVERY, marks=pytest.mark.slow),
        pytest.param(load_small_medclip, ("cxr",), marks=pytest.mark.slow),
    ],
)
def test_a_generated_checkpoint_is_examined(
    load: Callable[[Path], TwoTowers], domains: tuple[str, ...], tmp_path: Path
) -> None:
    encoder = load(tmp_path / "model")
    encoder._spec = replace(encoder.spec, default_layer=1, domains=() if domains == EVERY else domains)
    found = examine(encoder, ExamineSettings(pairs=4, pictures=4))
    told = found.examination
    assert (told.encoder, told.digest, told.domains) == (encoder.spec.name, encoder.spec.digest, domains)
    assert told.side == encoder.spec.input_size == 224
    assert list(told.rows) == [
        row for row in ROWS if row != "side" or domains != ("ultrasound",)
    ]  # a breast has no sides
    assert {name for row in told.rows.values() for name in row.domains} == set(domains)
    assert {one.case.domain for one in found.lesions} == set(domains)
    assert told.lesions.pictures == 4
    assert not all(row.right.share == 1 for row in told.rows.values())  # its weights are random
    assert "NaN" not in FORM.text(told)
