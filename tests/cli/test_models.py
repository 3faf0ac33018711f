"""`medkt models`, run in process."""

import argparse
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from segment_anything.build_sam import _build_sam

from medkt.cli import models
from medkt.cli.main import main
from medkt.errors import InputError, OutputError, SettingsError, UnknownNameError, WeightsError
from medkt.io.sha256 import sha256_of
from medkt.models import registry, store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def medkt_models(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    models.configure(parser)
    return models.run(parser.parse_args(arguments))


def install(name: str, content: bytes = b"weights") -> Path:
    with store.assembling(name) as folder:
        (folder / "w.pth").write_bytes(content)
        entry = store.StoredFile(sha256=sha256_of(folder / "w.pth"), size=len(content), source="here", stated=False)
        store.write_manifest(folder, name, "w.pth", {"w.pth": entry})
    return store.folder_of(name)


def test_list_needs_no_torch() -> None:
    code = (
        "import argparse, sys; from medkt.cli import models; p = argparse.ArgumentParser(); models.configure(p);"
        "models.run(p.parse_args(['list', '--json'])); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [entry["name"] for entry in json.loads(done.stdout)][:2] == ["small", "biomedclip"]


def test_quiet_and_verbose_stand_before_or_after_the_action(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["list", "-q"], ["-q", "list"], ["list", "--verbose"], ["verify", "-v"]):
        assert main(["models", *words]) == 0
    assert "BiomedCLIP" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["models", "list", "--qq"])


def test_quiet_before_the_action_is_not_undone_by_it() -> None:
    parser = argparse.ArgumentParser()
    models.configure(parser)
    parser.add_argument("-q", "--quiet", action="store_true")
    asked = [parser.parse_args(words.split()).quiet for words in ("-q list", "list -q", "list")]
    assert asked == [True, True, False]


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    install("sam-vit-b")
    assert medkt_models("list") == 0
    shown = capsys.readouterr().out
    assert "BiomedCLIP" in shown
    assert medkt_models("list", "--json") == 0
    entries = {(entry["name"], entry["kind"]): entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["sam-vit-b", "segmenter"]["state"] == "yes"
    assert entries["sam-vit-b", "segmenter"]["bytes"] == 7
    assert entries["medclip-swin", "encoder"]["state"] == "no"
    assert entries["small", "encoder"]["state"] == "ships with medkt"
    assert all(entry["licence"] and entry["citation"] for entry in entries.values())


def test_verify(capsys: pytest.CaptureFixture[str]) -> None:
    folder = install("sam-vit-b")
    assert medkt_models("verify") == 0
    (folder / "w.pth").write_bytes(b"changed")
    assert medkt_models("verify", "sam-vit-b") == 2
    (folder / "w.pth").unlink()
    capsys.readouterr()
    assert medkt_models("verify", "--json") == 2
    assert json.loads(capsys.readouterr().out) == [
        {
            "model": "sam-vit-b", "recognised": None, "file": "w.pth", "state": "missing", "stated": False,
            "vouched_by": None,
        }
    ]  # fmt: skip
    with pytest.raises(WeightsError, match="medsam is not in"):
        medkt_models("verify", "medsam")


def test_path(capsys: pytest.CaptureFixture[str]) -> None:
    folder = install("sam-vit-b")
    assert medkt_models("path", "sam-vit-b") == 0
    assert capsys.readouterr().out.strip() == str(folder)
    with pytest.raises(WeightsError, match="run `medkt models pull medsam`"):
        medkt_models("path", "medsam")


def test_pull_asks_for_the_licence_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="--accept-licence"):
        medkt_models("pull", "biomedclip")
    assert "research only" in capsys.readouterr().out


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="there is no model called 'biomed'; known encoders: small, biomedclip"):
        medkt_models("pull", "biomed")
    with pytest.raises(UnknownNameError, match="neither a known encoder nor a path"):
        registry.load_encoder("biomed")


def test_export_and_import(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("sam-vit-b")
    install("medsam", b"other")
    bundle = tmp_path / "bundle.zip"
    assert medkt_models("export", "sam-vit-b", "medsam", "-o", str(bundle)) == 0
    with zipfile.ZipFile(bundle) as packed:
        assert b'"here"' not in packed.read("bundle.json")  # of an earlier version, which noted the path of a file
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "elsewhere"))
    assert medkt_models("import", str(bundle), "--accept-unpublished") == 0
    assert (store.folder_of("medsam") / "w.pth").read_bytes() == b"other"
    assert store.installed("sam-vit-b") is not None
    assert medkt_models("verify") == 0


def change_bundle(bundle: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(bundle) as archive:
        members: dict[str, Any] = {entry: archive.read(entry) for entry in archive.namelist()}
    members[name] = content
    with zipfile.ZipFile(bundle, "w") as archive:
        for entry, value in members.items():
            archive.writestr(entry, value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("models/sam-vit-b/w.pth", b"changed", "has the SHA-256"),
        ("bundle.json", b"{", "is no bundle of models, or damaged"),
        ("bundle.json", b'{"format": "x"}', "is a bundle of another kind"),
        (
            "bundle.json",
            b'{"format": "medkt-models", "version": 1, "models": [{"name": "sam-vit-b", "weights": "w.pth", "files": '
            b'{"../w.pth": {"sha256": "", "size": 1, "source": "", "stated": false}}}]}',
            "names a file outside its folder",
        ),
    ],
)
def test_bundles_that_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    place = install("sam-vit-b")
    bundle = tmp_path / "bundle.zip"
    medkt_models("export", "sam-vit-b", "-o", str(bundle))
    change_bundle(bundle, name, content)
    with pytest.raises(WeightsError, match=says):
        medkt_models("import", str(bundle))
    assert (place / "w.pth").read_bytes() == b"weights"
    assert sorted(path.name for path in place.parent.iterdir()) == ["sam-vit-b"]


def forged(tmp_path: Path, name: str = "clip-vit-b-32", **changed: Any) -> Path:
    """A bundle with weights of somebody else's, whose index says that all is as stated."""
    content = b"somebody else's"
    entry = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "source": "",
        "stated": True,
        "signer": "ab",
    }
    model = {"name": name, "weights": "w.pt", "files": {"w.pt": entry}, **changed}
    with zipfile.ZipFile(tmp_path / "forged.zip", "w") as archive:
        archive.writestr("bundle.json", json.dumps({"format": "medkt-models", "version": 1, "models": [model]}))
        archive.writestr(f"models/{name}/w.pt", content)
    return tmp_path / "forged.zip"


def test_a_bundle_does_not_vouch_for_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(forged(tmp_path))
    with pytest.raises(WeightsError, match=r"clip-vit-b-32/w\.pt has the SHA-256 .*, its publisher states 40d36571"):
        medkt_models("import", bundle)
    assert store.installed("clip-vit-b-32") is None
    assert medkt_models("import", bundle, "--accept-unpublished") == 0
    assert "nobody vouches for w.pt" in capsys.readouterr().err
    found = store.installed("clip-vit-b-32")
    assert found is not None
    assert (found.files["w.pt"].stated, found.files["w.pt"].signer) == (False, "")
    assert medkt_models("verify") == 0
    assert "ok       clip-vit-b-32/w.pt: nobody vouches for it" in capsys.readouterr().out


def test_where_no_digest_is_published_nobody_vouches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert medkt_models("import", str(forged(tmp_path, "medsam"))) == 0
    assert "nobody vouches for w.pt" in capsys.readouterr().err


def test_a_bundle_of_the_small_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="brings small, which ships with medkt"):
        medkt_models("import", str(forged(tmp_path, "small")))


def test_a_site_signs_its_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from medkt.concepts.signature import new_key

    public, fingerprint = new_key(tmp_path / "site")
    install("sam-vit-b")
    bundle = tmp_path / "bundle.zip"
    assert medkt_models("export", "sam-vit-b", "-o", str(bundle), "--key", str(tmp_path / "site")) == 0
    monkeypatch.setenv("MEDKT_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(WeightsError, match=f"is signed by an unknown key, fingerprint {fingerprint}"):
        medkt_models("import", str(bundle), "--accept-unpublished")
    assert medkt_models("import", str(bundle), "--trusted", str(public)) == 0
    assert capsys.readouterr().err == ""
    medkt_models("verify")
    assert f"signed by a key that is no longer trusted, key {fingerprint}" in capsys.readouterr().out
    (store.home() / "trust").mkdir()
    public.rename(store.home() / "trust" / "site.pub")
    medkt_models("verify", "--json")
    assert json.loads(capsys.readouterr().out)[0]["vouched_by"] == f"signed by site, key {fingerprint}"
    change_bundle(bundle, "bundle.json", zipfile.ZipFile(bundle).read("bundle.json").replace(b"w.pth", b"v.pth"))
    with pytest.raises(WeightsError, match="the signature does not fit the content"):
        medkt_models("import", str(bundle))


def test_a_signature_of_a_package_is_none_of_a_bundle(tmp_path: Path) -> None:
    from medkt.concepts.signature import BUNDLE, PACKAGE, new_key, require_valid, signature_over

    new_key(tmp_path / "site")
    signature = signature_over(b"content", tmp_path / "site", PACKAGE)
    require_valid(signature, b"content", "a", PACKAGE)
    with pytest.raises(WeightsError, match="does not fit"):
        require_valid(signature, b"content", "a", BUNDLE)


def test_sizes_are_looked_at_before_a_model_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "build", lambda record, weights: pytest.fail("built"))
    (tmp_path / "x.pth").write_bytes(b"12345")
    monkeypatch.setattr("medkt.models.bundle.LARGEST_WEIGHTS", 4)
    with pytest.raises(WeightsError, match=r"x\.pth is larger than"):
        medkt_models("import", "sam-vit-b", str(tmp_path / "x.pth"))
    bundle = forged(tmp_path)
    monkeypatch.setattr("medkt.models.bundle.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 3})())
    with pytest.raises(OutputError, match="unpacks to 0 MB, and 0 MB are free"):
        medkt_models("import", str(bundle))
    monkeypatch.undo()
    change_bundle(bundle, "bundle.json", b" " * (2 << 20))
    with pytest.raises(WeightsError, match="its index has 2097152 bytes, more than 1048576"):
        medkt_models("import", str(bundle))


def test_a_bundle_with_two_indices_is_refused(tmp_path: Path) -> None:
    """One reader would see the first, another the last."""
    bundle = forged(tmp_path)
    with zipfile.ZipFile(bundle, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("bundle.json", b"{}")
    with pytest.raises(WeightsError, match="two of its members have one name; it is not to be trusted"):
        medkt_models("import", str(bundle), "--accept-unpublished")


def test_export_of_what_has_changed(tmp_path: Path) -> None:
    (install("sam-vit-b") / "w.pth").write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"cannot be exported: w\.pth is changed"):
        medkt_models("export", "sam-vit-b", "-o", str(tmp_path / "x.zip"))
    with pytest.raises(WeightsError, match="medsam is not in the store"):
        medkt_models("export", "medsam", "-o", str(tmp_path / "x.zip"))
    assert not (tmp_path / "x.zip").exists()


def test_import_refuses_what_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"vit_b": lambda checkpoint: _build_sam(16, 2, 2, [1], checkpoint)}
    monkeypatch.setattr("medkt.models.sam.sam_model_registry", small)
    torch.save({"stranger": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="holds no segmenter that medkt knows; its entries begin with stranger"):
        medkt_models("import", str(tmp_path / "x.pth"))
    torch.save({"image_encoder.pos_embed": torch.zeros(1, 1, 1, 768)}, tmp_path / "y.pth")
    with pytest.raises(WeightsError, match="does not fit Sam"):
        medkt_models("import", "sam-vit-b", str(tmp_path / "y.pth"))
    assert store.installed("sam-vit-b") is None
    with pytest.raises(InputError, match="does not exist"):
        medkt_models("import", "sam-vit-b", str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match="got 3 arguments"):
        medkt_models("import", "a", "b", "c")
    with pytest.raises(InputError, match="ships with medkt"):
        medkt_models("import", "small", str(tmp_path / "x.pth"))


def test_import_brings_weights_and_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(registry, "build", lambda record, weights: tried.append((record.name, weights.name)))
    (tmp_path / "mine").mkdir()
    mark = "vision_model.model.embeddings.patch_embeddings.projection.weight"
    save_file({mark: torch.zeros(1, 3, 4, 4)}, tmp_path / "mine" / "model.safetensors")
    for name in ("vocab.txt", "unrelated.csv"):
        (tmp_path / "mine" / name).write_text(name)
    assert medkt_models("import", "medclip-swin", str(tmp_path / "mine")) == 0
    found = store.installed("medclip-swin")
    assert tried == [("medclip-swin", "model.safetensors")]
    assert found is not None
    assert found.weights == "model.safetensors"
    assert sorted(found.files) == ["model.safetensors", "vocab.txt"]


def test_a_changed_file_in_the_store_is_not_loaded() -> None:
    (install("sam-vit-b") / "w.pth").write_bytes(b"changed")
    with pytest.raises(WeightsError, match="the file is damaged or another"):
        registry.load("sam-vit-b", "segmenter")
