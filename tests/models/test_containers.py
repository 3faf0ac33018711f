"""Files of weights that lie about names, shapes and sizes: refused before a value is read, a file copied or a model built."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medkt.cli.main import main
from medkt.errors import WeightsError
from medkt.models import registry, store
from medkt.models.containers import require_sound, safetensors_shapes
from medkt.models.weights import read_state, shapes_in

SAM = "image_encoder.pos_embed"
SWIN = "vision_model.model.embeddings.patch_embeddings.projection.weight"


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("medkt.models.registry.build", "torch.nn.Module.__init__", "medkt.models.bundle.shutil.copyfile"):
        monkeypatch.setattr(what, lambda *words, **named: pytest.fail("a model was built, or its file copied"))


def safetensors(path: Path, header: object, room: int = 0, length: int | None = None) -> Path:
    words = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(words) if length is None else length) + words + bytes(room))
    return path


def entry(shape: list[object], first: int, last: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


ABSURD: dict[str, tuple[object, str]] = {
    "beyond the file": ({SAM: entry([1 << 20, 1 << 20], 0, 1 << 42)}, "an entry says 4398046511104 bytes"),
    "more than its bytes": ({SAM: entry([1, 64, 64, 768], 0, 16)}, "an entry says 12582912 bytes, and 16 of 64"),
    "negative": ({SAM: entry([-1, -4], 0, 16)}, "an entry says"),
    "backwards": ({SAM: entry([0], 16, 0)}, "an entry says"),
    "a word": ({SAM: entry(["x"], 0, 4)}, "is damaged or no checkpoint"),
    "no such type": ({SAM: entry([1], 0, 4, "PICKLE")}, "is damaged or no checkpoint"),
    "many axes": ({SAM: entry([1] * 400, 0, 4)}, "an entry says"),
    "no object": ([1, 2], "is damaged or no checkpoint"),
    "a list for an entry": ({SAM: [1]}, "is damaged or no checkpoint"),
    "too many": ({f"a{n}": entry([0], 0, 0) for n in range(20_001)}, "it holds 20001 entries"),
    "too deep": (json.loads("[" * 500 + "]" * 500), "is damaged or no checkpoint"),
}


@pytest.mark.parametrize("what", ABSURD)
def test_absurd_shapes(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, says = ABSURD[what]
    path = safetensors(tmp_path / "x.safetensors", header, 64)
    with pytest.raises(WeightsError, match=says):
        safetensors_shapes(path)
    assert main(["models", "import", "sam-vit-b", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert store.installed("sam-vit-b") is None


def test_an_enormous_header_is_not_read(tmp_path: Path) -> None:
    for length in (1 << 62, (64 << 20) + 1, 0, 1):
        path = safetensors(tmp_path / "x.safetensors", {}, 64, length)
        with pytest.raises(WeightsError, match=f"its header says {length} bytes"):
            read_state(path)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize(
    ("name", "held", "says"),
    [
        ("sam-vit-h", {SAM: (1, 2, 2, 768)}, "holds medsam or sam-vit-b, not sam-vit-h"),
        ("medclip-resnet", {SWIN: (1, 3, 4, 4)}, "holds medclip-swin, not medclip-resnet"),
        ("biomedclip", {SAM: (1, 2, 2, 768)}, "holds no encoder that medkt knows"),
        ("clip-vit-b-32", {"visual.conv1.weight": (768, 3, 16, 16), "visual.proj": (1, 1)}, "holds clip-vit-b-16 or"),
        ("clip-vit-b-32", {"visual.conv1.weight": (7,), "visual.proj": (1, 1)}, "holds no encoder that medkt knows"),
        ("sam-vit-b", {SAM: ()}, "holds no segmenter that medkt knows"),
        ("sam-vit-b", {"state_dict": (1,)}, "holds no segmenter that medkt knows"),
    ],
)
def test_a_file_of_another_family(
    suffix: str,
    name: str,
    held: dict[str, tuple[int, ...]],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = {entry: torch.zeros(shape) for entry, shape in held.items()}
    path = tmp_path / f"x.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    assert main(["models", "import", name, str(path)]) == 2
    assert says in capsys.readouterr().err
    assert store.installed(name) is None


def test_views_that_claim_more_than_they_hold(tmp_path: Path) -> None:
    """A terabyte of one number, as torch saves it in a kilobyte."""
    torch.save({SAM: torch.zeros(1).expand(1 << 19, 1 << 19)}, tmp_path / "x.pth")
    assert (tmp_path / "x.pth").stat().st_size < 4096
    with pytest.raises(WeightsError, match=rf"entries say more values than they hold: {SAM}"):
        read_state(tmp_path / "x.pth")


def _again(archive: zipfile.ZipFile) -> None:
    archive.writestr("x/data.pkl", b"another")


def _bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("x/data/0", bytes(80 << 20), compress_type=zipfile.ZIP_DEFLATED)


def _long(archive: zipfile.ZipFile) -> None:
    archive.writestr("y/data.pkl", np.random.default_rng(0).bytes(1 << 16) * 1025)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_again, "two of its parts have one name"),
        (_bomb, r"its parts say \d+ bytes, unpacked from"),
        (_long, r"what describes its entries takes \d+ bytes"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_that_lie(change: Callable[[zipfile.ZipFile], None], says: str, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x/data.pkl", b"")
        change(archive)
    (tmp_path / "x.pt").write_bytes(content.getvalue())
    with pytest.raises(WeightsError, match=says):
        require_sound(tmp_path / "x.pt")
    assert main(["models", "import", "sam-vit-b", str(tmp_path / "x.pt")]) == 2


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {f"module.{name}": value for name, value in s.items()}])
def test_shapes_are_those_of_the_values(
    wrap: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    state = wrap(
        {"a": torch.zeros(2, 3), "b.c": torch.zeros((), dtype=torch.int64), "d": torch.zeros(5).to(torch.bfloat16)}
    )
    save_file(state, tmp_path / "x.safetensors")
    torch.save({"state_dict": state}, tmp_path / "x.pt")
    for name in ("x.safetensors", "x.pt"):
        found = shapes_in(tmp_path / name)
        assert found == {"a": (2, 3), "b.c": (), "d": (5,)}
        assert found == {entry: tuple(value.shape) for entry, value in read_state(tmp_path / name).items()}


def test_what_ships_with_medkt_is_sound() -> None:
    folder = Path(registry.__file__).parent / "small" / "weights"
    for path in folder.glob("*.safetensors"):
        assert len(safetensors_shapes(path)) > (10 if path.name == "guard.safetensors" else 20)
