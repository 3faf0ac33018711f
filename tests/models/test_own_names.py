"""`medkt models` with weights that users have trained or were given: under names of their own, called what they are."""

import argparse
import hashlib
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import published
import pytest
import torch
from test_loaders import BIOMED, BIOMED_SIZE, make_pixels
from transformers import CLIPConfig, CLIPModel

from medkt.cli import models
from medkt.errors import AmbiguousInputError, InputError, MedktError, UnknownNameError, WeightsError
from medkt.io.sha256 import sha256_of
from medkt.models import registry, store


def medkt_models(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    models.configure(parser)
    return models.run(parser.parse_args(arguments))


def small_biomedclip(folder: Path) -> Path:
    """The KT authors' own kind of file, of a small BiomedCLIP, with a tokenizer beside it."""
    state = published.hugging_face_biomedclip(published.biomedclip_checkpoint(**BIOMED), layers=3)
    state["text_model.embeddings.token_type_ids"] = torch.zeros((1, 512), dtype=torch.int64)
    folder.mkdir()
    published.write_vocabulary(folder)
    torch.save({"epoch": 0, "model": state, "args": argparse.Namespace(lr=1e-5)}, folder / "kt.pth")
    return folder / "kt.pth"


@pytest.fixture
def small_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """BiomedCLIP as a small one: no test has the room for the published size."""
    monkeypatch.setattr("medkt.models.biomedclip.BiomedClipSize", lambda: BIOMED_SIZE)


@pytest.mark.usefixtures("small_published")
def test_weights_of_ones_own_have_a_name_of_their_own(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = small_biomedclip(tmp_path / "from the authors")
    words = "BiomedCLIP in Hugging Face layout, 112 entries, taken out of 'model'"
    assert medkt_models("import", "kt-mass", str(weights), "--as", "biomedclip") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"kt-mass: recognised as {words}; stored as biomedclip",
        str(store.folder_of("kt-mass")),
    ]
    assert "nobody vouches for kt.pth, vocab.txt" in said.err
    assert store.installed("biomedclip") is None
    assert registry.load_encoder("kt-mass").spec.digest == sha256_of(weights)
    assert registry.load_encoder(store.folder_of("kt-mass")).spec.name == "biomedclip"
    assert medkt_models("verify") == 0
    assert f"kt-mass was recognised as {words}" in capsys.readouterr().out
    medkt_models("list", "--json")
    [entry] = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "kt-mass"]
    assert (entry["model"], entry["recognised"], entry["state"]) == ("biomedclip", words, "yes")
    medkt_models("path", "kt-mass")
    assert capsys.readouterr().out.strip() == str(store.folder_of("kt-mass"))
    assert medkt_models("export", "kt-mass", "-o", str(tmp_path / "b.zip")) == 0
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "elsewhere"))
    assert medkt_models("import", str(tmp_path / "b.zip")) == 0
    assert f"kt-mass: recognised as {words}" in capsys.readouterr().out
    assert registry.find("kt-mass", "encoder")[0].name == "biomedclip"
    caplog.clear()
    with caplog.at_level(logging.WARNING, "medkt"):
        for _ in range(2):
            registry.load_encoder(weights)
    assert caplog.messages == [f"{weights} is taken for BiomedCLIP, ViT-B/16 and PubMedBERT"]
    (tmp_path / "kt-mass").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AmbiguousInputError, match="'kt-mass' is a model in the store and a path here: write /"):
        registry.load_encoder("kt-mass")
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(UnknownNameError, match="'kt-mass' in the store is biomedclip, which is no segmenter"):
        registry.find("kt-mass", "segmenter")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("medsam", "--as", "sam-vit-b"), "'medsam' is another model than sam-vit-b"),
        (("../x", "--as", "sam-vit-b"), "'../x' is no name for a model"),
        (("Mine.pth", "--as", "sam-vit-b"), "'Mine.pth' is no name for a model"),
        (("mine", "--as", "small"), "ships with medkt"),
    ],
)
def test_names_that_cannot_be_given(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    (tmp_path / "x.pth").write_bytes(b"x")
    with pytest.raises(InputError, match=says):
        medkt_models("import", arguments[0], str(tmp_path / "x.pth"), *arguments[1:])
    with pytest.raises(UnknownNameError, match="there is no model called 'mine'"):
        medkt_models("import", "mine", str(tmp_path / "x.pth"))
    assert not (store.home() / "models").exists()


def test_as_says_what_a_file_is_and_a_bundle_says_it_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "build", lambda record, weights: None)
    torch.save({"model": {"module.image_encoder.pos_embed": torch.zeros(1, 1, 1, 768)}}, tmp_path / "best.pth")
    assert medkt_models("import", str(tmp_path / "best.pth"), "--as", "medsam") == 0
    found = store.installed("medsam")
    assert found is not None
    assert (
        found.recognised
        == "Segment Anything ViT-B in the authors' layout, 1 entries, taken out of 'model' and 'module.'"
    )
    with pytest.raises(WeightsError, match="holds medsam or sam-vit-b, not sam-vit-h"):
        medkt_models("import", str(tmp_path / "best.pth"), "--as", "sam-vit-h")
    medkt_models("export", "medsam", "-o", str(tmp_path / "b.zip"))
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:  # a path has the name of whoever made the file
        told = (found.folder / store.MANIFEST).read_text() + bundle.read("bundle.json").decode()
    assert str(tmp_path) not in told
    assert {file.source for file in found.files.values()} == {"a file"}
    with pytest.raises(InputError, match="is a bundle, which says itself what its models are: leave --as out"):
        medkt_models("import", str(tmp_path / "b.zip"), "--as", "medsam")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "small"}, "'small' is another model than clip-vit-b-32"),
        ({"name": "medsam"}, "'medsam' is another model than clip-vit-b-32"),
        ({"name": "../../x"}, "'../../x' is no name for a model"),
        ({"name": 3}, "is no bundle of models, or damaged"),
        ({"model": 3}, "is no bundle of models, or damaged: a name that is no text"),
        ({"recognised": 3}, "is no bundle of models, or damaged: a name that is no text"),
    ],
)
def test_a_bundle_gives_no_name_that_is_anothers(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    content = b"weights"
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": 7, "source": "", "stated": False}
    model = {"name": "mine", "model": "clip-vit-b-32", "weights": "w.pt", "files": {"w.pt": entry}, **changed}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("bundle.json", json.dumps({"format": "medkt-models", "version": 1, "models": [model]}))
        archive.writestr(f"models/{model['name']}/w.pt", content)
    with pytest.raises(MedktError, match=says):
        medkt_models("import", str(tmp_path / "b.zip"), "--accept-unpublished")
    assert not list(store.home().rglob("w.pt"))


def test_a_damaged_model_of_ones_own_stands_in_nobodys_way(tmp_path: Path) -> None:
    folder = store.folder_of("kt-mass")
    folder.mkdir(parents=True)
    (folder / store.MANIFEST).write_text("{")
    assert registry.find("small", "encoder")[1] is None
    with pytest.raises(UnknownNameError, match=r"'none' is neither a known encoder .*, kt-mass$"):
        registry.find("none", "encoder")
    with pytest.raises(WeightsError, match=r"medkt\.json is missing or damaged .*: pull or import again"):
        registry.find("kt-mass", "encoder")


@pytest.mark.full_size
@torch.no_grad()
def test_a_clip_of_hugging_face_at_its_published_size_through_the_door(tmp_path: Path) -> None:
    """ViT-B/32 as transformers builds it, halved, of several processors, with a training's options and config.json."""
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig()).eval().half()
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"epoch": 1, "model": state, "args": argparse.Namespace(lr=1e-5)}, tmp_path / "pytorch_model.bin")
    model.config.save_pretrained(tmp_path)
    assert medkt_models("import", str(tmp_path / "pytorch_model.bin")) == 0
    found = store.installed("clip-vit-b-32")
    assert found is not None
    assert found.recognised.startswith(
        "CLIP ViT-B/32 in Hugging Face layout, 398 entries, taken out of 'model' and 'module.'"
    )
    encoder, pixels = registry.load_encoder("clip-vit-b-32"), make_pixels(1)
    model.float()
    image = model.visual_projection(model.vision_model(pixels).pooler_output)
    torch.testing.assert_close(encoder.encode_image(pixels), image, atol=1e-5, rtol=1e-5)
    tokens = encoder.tokenize(["a chest radiograph"])
    text = model.text_projection(model.text_model(tokens.ids).pooler_output)
    torch.testing.assert_close(encoder.encode_text(tokens), text, atol=1e-5, rtol=1e-5)
