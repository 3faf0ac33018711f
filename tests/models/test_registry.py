"""From names and paths to models; what is known of each; the published tokenizers."""

import gzip
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from open_clip.tokenizer import default_bpe
from published import WORDS, write_vocabulary
from torch import Tensor

from medkt.errors import AmbiguousInputError, MissingDependencyError, UnknownNameError, WeightsError
from medkt.models import registry, store
from medkt.models.clip import SIZES, _tokenizer
from medkt.models.dual import spec_of
from medkt.models.encoder import DualEncoder
from medkt.models.family import EncoderFamily, SegmenterFamily
from medkt.models.framing import frame_plane
from medkt.models.recognition import recognise
from medkt.models.records import DOORS, record_of, records
from medkt.models.wordpiece import read_word_pieces
from medkt.segmentation.segmenter import Segmenter

ENCODERS = [name for name, record in records("encoder").items() if record.files]
SEGMENTERS = [name for name, record in records("segmenter").items() if record.files]


def test_every_record_is_complete() -> None:
    for kind in ("encoder", "segmenter"):
        for record in records(kind).values():
            family = DOORS[record.kind][record.family]
            assert isinstance(family, EncoderFamily if kind == "encoder" else SegmenterFamily)
            assert all(find_spec(package) for package in family.needs)
            assert bool(family.needs) == (record.extra is not None)
            assert record.title
            assert record.citation
            assert record.licence.summary
            assert all(file.sha256 is None or len(file.sha256) == 64 for file in record.files)
            assert all((file.url or "https://").startswith("https://") for file in record.files)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_spec_makes_sense(name: str) -> None:
    record = record_of(name)
    spec = spec_of(record, "")
    assert spec.family == record.family
    assert 0 <= spec.default_layer < spec.layers
    assert len(record.grid) in (1, spec.layers)
    assert frame_plane(50, 60, spec.input_size, spec.framing).size == 224
    assert record.family != "clip" or record.architecture in SIZES


def test_openai_digests_stand_in_the_address() -> None:
    for name in ("clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14"):
        file = record_of(name).files[0]
        assert file.sha256
        assert file.sha256 in str(file.url)


def test_the_small_models_need_no_files() -> None:
    assert isinstance(registry.load_encoder("small"), DualEncoder)
    (segmenter, digest), record = registry.load("small", "segmenter")
    assert isinstance(segmenter, Segmenter)
    assert (len(digest), record.name) == (64, "small")


@pytest.mark.parametrize("name", ENCODERS)
def test_weights_that_are_not_here(name: str) -> None:
    with pytest.raises(WeightsError, match=f"the weights of {name} are not in .*medkt models pull {name}.*import"):
        registry.load_encoder(name)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"'clop' is neither a known encoder nor a path .*biomedclip"):
        registry.load_encoder("clop")
    with pytest.raises(UnknownNameError, match=r"neither a known segmenter .*known: small, sam-vit-b"):
        registry.load("biomedclip", "segmenter")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingDependencyError, match=r"needs open_clip, .*pip install 'medkt\[clip\]'"):
        registry.build(record_of("clip-vit-b-32"), Path("x"))


MARKS: dict[str, dict[str, tuple[int, ...]]] = {
    "biomedclip": {"visual.trunk.cls_token": (1, 1, 8), "text.proj.0.weight": (1, 1)},
    "medclip-swin": {"vision_model.model.embeddings.patch_embeddings.projection.weight": (1, 3, 4, 4)},
    "medclip-resnet": {"vision_model.model.conv1.weight": (1, 3, 7, 7)},
    "clip-vit-b-16": {"visual.conv1.weight": (768, 3, 16, 16), "visual.proj": (1, 1), "input_resolution": ()},
    "clip-vit-l-14": {"visual.conv1.weight": (1024, 3, 14, 14), "visual.proj": (1, 1), "input_resolution": ()},
    "sam-vit-b": {"image_encoder.pos_embed": (1, 1, 1, 768)},
    "sam-vit-h": {"image_encoder.pos_embed": (1, 1, 1, 1280)},
}


def save(shapes: dict[str, tuple[int, ...]], path: Path) -> Path:
    state: dict[str, Tensor] = {name: torch.zeros(shape) for name, shape in shapes.items()}
    torch.save(state, path)
    return path


@pytest.mark.parametrize("name", list(MARKS))
def test_files_are_recognised(name: str, tmp_path: Path) -> None:
    path = save(MARKS[name], tmp_path / "some.pt")
    kind = record_of(name).kind
    assert recognise(path, kind) == (record_of(name), path)
    assert recognise(tmp_path, kind) == (record_of(name), path)


def test_the_converted_biomedclip_and_medsam_are_recognised(tmp_path: Path) -> None:
    marks = {"vision_model.embeddings.class_embedding": (8,), "text_projection.fc1.weight": (1, 1)}
    assert recognise(save(marks, tmp_path / "x.bin"), "encoder")[0].name == "biomedclip"
    assert recognise(save(MARKS["sam-vit-b"], tmp_path / "MedSAM_v2.pth"), "segmenter")[0].name == "medsam"


def test_a_clip_that_does_not_say_which_it_is(tmp_path: Path) -> None:
    marks = {name: shape for name, shape in MARKS["clip-vit-b-16"].items() if name != "input_resolution"}
    with pytest.raises(AmbiguousInputError, match=r"quick GELU: .*import clip-vit-b-16 .*openclip-vit-b-16-laion2b"):
        registry.load_encoder(save(marks, tmp_path / "x.pt"))


def test_a_folder_of_the_store_says_what_it_is(tmp_path: Path) -> None:
    path = save({"anything": (1,)}, tmp_path / "w.pt")
    store.write_manifest(tmp_path, "medclip-swin", "w.pt", {})
    assert recognise(tmp_path, "encoder") == (record_of("medclip-swin"), path)
    assert recognise(path, "encoder") == (record_of("medclip-swin"), path)


def test_folders_without_one_weights_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no weights"):
        registry.load_encoder(tmp_path)
    save(MARKS["sam-vit-b"], tmp_path / "a.pt")
    save(MARKS["sam-vit-b"], tmp_path / "b.pth")
    with pytest.raises(AmbiguousInputError, match=r"holds several weights: a\.pt, b\.pth"):
        registry.load(tmp_path, "segmenter")


def test_a_file_of_no_known_model(tmp_path: Path) -> None:
    path = save({"stranger": (1,)}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="holds no encoder that medkt knows; its entries begin with stranger"):
        registry.load_encoder(path)


# --- Tokenizers -------------------------------------------------------------------------------------------------------


def test_clip_tokens_by_the_published_vocabulary(shared_data: Path) -> None:
    published = shared_data / "text" / "tokenizers" / "clip-bpe" / "clip" / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(published) as theirs, gzip.open(default_bpe()) as installed:
        assert theirs.read() == installed.read()


def test_clip_tokens() -> None:
    # OpenAI's own example ids for "a photo of a cat".
    assert _tokenizer().encode("A photo of a  CAT") == [320, 1125, 539, 320, 2368]


def test_the_published_biomedclip_tokenizer(shared_data: Path) -> None:
    pieces = read_word_pieces(shared_data / "text" / "tokenizers" / "biomedclip", 256, 30522)
    tokens = pieces(["Pleural Effusion", "tumour " * 300], torch.device("cpu"))
    assert pieces.size == 28895  # the model has room for 30522
    assert tokens.ids.shape == (2, 256)  # to the longest, not always to the file's fixed 256
    assert pieces(["pleural effusion"], torch.device("cpu")).ids.shape[1] < 10
    assert tokens.truncated == (False, True)
    assert tokens.ids[1, 0] == 2
    assert tokens.ids[1, -1] == 3
    assert not tokens.mask[0, int(tokens.mask[0].sum()) :].any()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("tokenizer.json", "is damaged"),
        ("vocab.txt", r"lacks \[PAD\], \[CLS\] or \[SEP\]|is damaged"),
    ],
)
def test_damaged_tokenizers(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / content).write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(WeightsError, match=says):
        read_word_pieces(tmp_path, 8, 100)


def test_no_texts(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    tokens = read_word_pieces(tmp_path, 8, 5 + len(WORDS))([], torch.device("cpu"))
    assert tokens.ids.shape == (0, 0)
    assert tokens.truncated == ()


def test_the_small_models_say_that_real_images_were_among_their_training_images() -> None:
    for kind in ("encoder", "segmenter"):
        assert "public images" in records(kind)["small"].title  # type: ignore[index]
