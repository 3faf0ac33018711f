"""Any bytes in the place of a text that medkt reads: they are read, or refused in one line, whatever they are."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medkt.errors import MedktError

from .bench import doors

DOORS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "words.yaml": (doors.concepts, ("version", "concepts", "captions", "modality")),
    "list.tsv": (doors.caption_list, ("\t", "a shadow", "#")),
    "cases.csv": (doors.manifest, ("case_id,image\n", "a,b.png", "reference", "volume", "|")),
    "rle.csv": (doors.rle, ("ImageId,EncodedPixels\n", "one", "-1", "38 4", " ")),
    "coco.json": (doors.coco, ('"images"', '"annotations"', '"categories"', '"id"', "NaN", "[3,2,6,2]")),
    "rule.json": (doors.calibration, ('"format": "medkt calibration"', '"version": 2', '"sum"', '"normals"')),
    "a.safetensors": (doors.tensors, ("\x10\0\0\0\0\0\0\0", '{"w":', '"dtype":"F32"', '"shape":[1]', '"data_offsets":[0,4]')),
}  # fmt: skip
PIECES = ("\n", ",", ":", ": ", "{", "}", "[", "]", '"', "'", "-", "- ", "|", "1", "1e999", "null", "!!int ", "&a", "*a", "\0", "\ufeff", "\ud800")  # fmt: skip


@pytest.mark.parametrize("name", DOORS)
def test_it_is_read_or_refused(name: str, tmp_path: Path) -> None:
    door, words = DOORS[name]
    pieces = st.lists(st.sampled_from((*PIECES, *words)) | st.text(max_size=3), max_size=25).map("".join)
    contents = st.binary(max_size=60) | pieces.map(lambda text: text.encode("utf-8", "surrogatepass"))
    path = tmp_path / name

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(contents)
    def read(content: bytes) -> None:
        path.write_bytes(content)
        said = "read"
        try:
            door(path)
        except MedktError as error:
            said = str(error)
        assert len(said.splitlines()) == 1

    read()
