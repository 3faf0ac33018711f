"""A checkpoint of which only names and shapes are read: what does not fit is refused, numbers stay where they are."""

from pathlib import Path

import pytest
import torch
from published import fill, write_vocabulary

from medkt.errors import WeightsError
from medkt.models.biomedclip import BiomedClip, BiomedClipSize, load_biomedclip
from medkt.models.headers import only_headers
from medkt.models.records import record_of

SIZE = BiomedClipSize(width=24, heads=3, layers=2, embedding=16, vocabulary=400, patch=56)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    write_vocabulary(tmp_path)
    shapes = {name: tuple(value.shape) for name, value in BiomedClip(SIZE).state_dict().items()}
    torch.save(fill(shapes), tmp_path / "weights.bin")
    return tmp_path / "weights.bin"


def test_a_model_without_numbers_tokenises_and_says_what_it_is(checkpoint: Path) -> None:
    record = record_of("biomedclip")
    with only_headers():
        blank = load_biomedclip(checkpoint, record, "meta", size=SIZE)
    whole = load_biomedclip(checkpoint, record, size=SIZE)
    assert all(one.is_meta for one in blank.module.parameters())
    assert blank.tokenize(["small effusion"]).ids.equal(whole.tokenize(["small effusion"]).ids)
    assert (blank.spec.name, blank.spec.digest) == (whole.spec.name, "")
    assert not torch.empty(1).is_meta


def test_what_does_not_fit_is_refused_without_numbers(checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    del state["visual.head.proj.weight"]
    torch.save(state, checkpoint)
    with only_headers(), pytest.raises(WeightsError, match=r"1 missing: visual\.head\.proj\.weight"):
        load_biomedclip(checkpoint, record_of("biomedclip"), "meta", size=SIZE)
