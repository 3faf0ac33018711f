"""Models that the user brings: single files and folders, and bundles for machines without a network.

A bundle is a zip file with `bundle.json`, which holds the SHA-256 of every file in it, and `models/<name>/<file>`.
"""

import errno
import json
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any

from medkt.bounds import parse_json, require_regular
from medkt.concepts.signature import BUNDLE, require_valid, signature_over, signer_in, trusted_keys
from medkt.errors import InputError, MedktError, OutputError, WeightsError
from medkt.io.parts import part_beside
from medkt.io.sha256 import sha256_of
from medkt.models import store
from medkt.models.records import ModelRecord, record_of, records

_INDEX = "bundle.json"
_SIGNATURE = "signature.json"
_LARGEST_INDEX = 1 << 20
LARGEST_WEIGHTS = 16 * 2**30
"""Bytes; the largest model that medkt knows, SAM ViT-H, has 2.6 GB."""
_FORMAT = "medkt-models"
_CHUNK = 1 << 20
_TOKENIZERS = ("tokenizer.json", "vocab.txt")


def is_bundle(path: Path) -> bool:
    """Whether a file is a bundle that `export` made."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return _INDEX in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):  # whoever reads it as weights says what it is
        return False


def bring(record: ModelRecord, path: Path, name: str | None = None) -> store.InstalledModel:
    """Copy a model that the user has into the store, once it has been loaded without an error.

    Args:
        record: the model that it is.
        path: its weights file, with the tokenizer files beside it if it needs them, or the folder of both.
        name: what it shall be called there, where it is not the published model but one of its kind; the record's by default.

    Raises:
        InputError: the model ships with medkt, or the name is no name or another model's.
        WeightsError: the files do not hold this model.
        OutputError: the store cannot be written.
    """
    from medkt.models.recognition import require_model, weights_in  # imports torch, as does the trial below
    from medkt.models.registry import build

    if not record.files:
        raise InputError(f"{record.name} ships with medkt: there is nothing to import")
    name = _own_name(name, record)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    weights = weights_in(path)
    require_regular(weights)
    if weights.stat().st_size > LARGEST_WEIGHTS:
        raise WeightsError(f"{weights} is larger than {LARGEST_WEIGHTS >> 30} GiB; no model that medkt knows is")
    recognised = require_model(record, weights)
    beside = [weights.parent / name for name in _TOKENIZERS] if len(record.files) > 1 else []
    with store.assembling(name) as folder:
        for file in (weights, *(file for file in beside if file.is_file())):
            shutil.copyfile(file, folder / file.name)
        build(record, folder / weights.name)
        files = {file.name: _stored(file, store.A_FILE, record) for file in sorted(folder.iterdir())}
        store.write_manifest(folder, name, weights.name, files, model=record.name, recognised=recognised)
    return store.read_manifest(store.folder_of(name))


def _own_name(name: str | None, record: ModelRecord) -> str:
    if name is None or name == record.name:
        return record.name
    if not store.OWN_NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a model: use small letters, digits, - and _, at most 64")
    if name in (*records("encoder"), *records("segmenter")):
        raise InputError(f"{name!r} is another model than {record.name}: give what you have a name of its own")
    return name


def export(names: Iterable[str], path: Path, key: Path | None = None) -> list[store.InstalledModel]:
    """Write installed models into one bundle, signed where a private key is given.

    Raises:
        WeightsError: one is not in the store, or has changed there.
        OutputError: the bundle cannot be written; nothing is left of it.
    """
    models = [_sound(name) for name in names]
    index = {"format": _FORMAT, "version": 1, "models": [_described(model) for model in models]}
    staging = part_beside(path.parent)  # what an export that was killed has left goes
    try:
        with zipfile.ZipFile(staging, "w", zipfile.ZIP_STORED) as archive:  # weights do not get smaller
            content = json.dumps(index, indent=2, allow_nan=False).encode()
            archive.writestr(_INDEX, content)
            if key is not None:
                archive.writestr(_SIGNATURE, json.dumps(signature_over(content, key, BUNDLE), allow_nan=False))
            for model in models:
                for file in model.files:
                    archive.write(model.folder / file, f"models/{model.name}/{file}")
        staging.chmod(0o644)
        staging.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error}") from error
    finally:
        staging.unlink(missing_ok=True)
    return models


def import_bundle(
    path: Path, *, trusted: Iterable[Path] = (), accept_unpublished: bool = False
) -> list[store.InstalledModel]:  # fmt: skip
    """Put every model of a bundle into the store. What a bundle says of itself vouches for nothing.

    Args:
        path: the bundle.
        trusted: public keys, or folders of them, of sites whose signature vouches for weights.
        accept_unpublished: take weights with another digest than their publisher states, that nobody trusted signed.

    Raises:
        WeightsError: weights that neither their publisher nor a trusted site vouches for; an unfit signature; no bundle, or damaged, or of a model that this version of medkt does not know.
        UnknownNameError: the bundle holds a model that this version of medkt does not know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = _index(archive, path)
            index = parse_json(content)
            if index.get("format") != _FORMAT or index.get("version") != 1:
                raise WeightsError(f"{path} is a bundle of another kind: {index.get('format')} {index.get('version')}")
            signer = _signer(archive, content, path, trusted)
            for entry in index["models"]:
                _require_vouched(entry, path, signer=signer, accept_unpublished=accept_unpublished)
            return [_import_model(archive, entry, path, signer) for entry in index["models"]]
    except MedktError:  # some are ValueErrors or OSErrors too
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
        RuntimeError,
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk, not of a place that the archive names
        raise WeightsError(f"{path} is no bundle of models, or damaged: {error}") from error


def _index(archive: zipfile.ZipFile, path: Path) -> bytes:
    """The bytes of the index, once the sizes that the archive states fit the disk."""
    names = [member.filename for member in archive.infolist()]
    if len(set(names)) != len(names):  # programs differ in which of the two they read
        raise WeightsError(f"{path}: two of its members have one name; it is not to be trusted")
    largest = max(
        (member.file_size for member in archive.infolist() if member.filename in (_INDEX, _SIGNATURE)), default=0
    )
    if largest > _LARGEST_INDEX:
        raise WeightsError(
            f"{path}: its index has {largest} bytes, more than {_LARGEST_INDEX}; it is not to be trusted"
        )
    needed, free = (
        sum(member.file_size for member in archive.infolist()),
        shutil.disk_usage(_existing(store.home())).free,
    )
    if needed > free:
        raise OutputError(f"{path}: unpacks to {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free; make room")
    return archive.read(_INDEX)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())


def _signer(archive: zipfile.ZipFile, content: bytes, path: Path, trusted: Iterable[Path]) -> str:
    """The fingerprint of the trusted key that signed the index; "" where nobody signed.

    Raises:
        WeightsError: the signature does not fit, or is by a key that is not trusted.
    """
    if _SIGNATURE not in archive.namelist():
        return ""
    signature = parse_json(archive.read(_SIGNATURE))
    require_valid(signature, content, str(path), BUNDLE)
    signer = signer_in(signature)
    if signer not in trusted_keys(trusted):
        raise WeightsError(
            f"{path}: is signed by an unknown key, fingerprint {signer}; compare it with the site's by another way, then pass "
            "the site's public key with --trusted"
        )
    return signer


def _require_vouched(entry: dict[str, Any], path: Path, *, signer: str, accept_unpublished: bool) -> None:
    """That the weights are those that their publisher states, where one does, or that a trusted site signed them."""
    record = _record_in(entry)
    if not record.files:
        raise WeightsError(f"{path} brings {record.name}, which ships with medkt")
    stated = {file.name: file.sha256 for file in record.files if file.sha256 and file.member is None}
    for name, file in entry["files"].items():
        published = stated.get(record.files[0].name if name == entry["weights"] else name)
        if published and file["sha256"] not in record.published and not (signer or accept_unpublished):
            raise WeightsError(
                f"{path}: {record.name}/{name} has the SHA-256 {str(file['sha256'])[:64]}, its publisher states {published}, and no "
                "site that you trust signed the bundle; fetch it again, or see --trusted and --accept-unpublished"
            )


def _import_model(archive: zipfile.ZipFile, entry: dict[str, Any], path: Path, signer: str) -> store.InstalledModel:
    record = _record_in(entry)
    own = _own_name(entry["name"], record)
    files = {
        name: store.StoredFile(
            sha256=str(file["sha256"]), size=int(file["size"]), source=store.told_source(str(file["source"])),
            stated=file["sha256"] in record.published, signer=signer,
        )
        for name, file in entry["files"].items()
    }  # fmt: skip
    with store.assembling(own) as folder:
        for name, file in files.items():
            if Path(name).name != name or name in ("", ".", "..", store.MANIFEST):
                raise WeightsError(f"{path} names a file outside its folder: {name!r}")
            digest = _unpack(archive, f"models/{own}/{name}", folder / name)
            if digest != file.sha256:
                raise WeightsError(f"{path}: {own}/{name} has the SHA-256 {digest}, expected {file.sha256}")
        said = {"model": record.name, "recognised": entry.get("recognised", "")}
        store.write_manifest(folder, own, entry["weights"], files, **said)
        store.read_manifest(folder)
    return store.read_manifest(store.folder_of(own))


def _record_in(entry: Mapping[str, Any]) -> ModelRecord:
    """What a bundle says that an entry of it is; bundles of before say its name alone."""
    if not all(isinstance(entry.get(key, ""), str) for key in ("name", "model", "recognised")):
        raise TypeError("a name that is no text")
    return record_of(entry.get("model", entry["name"]))


def _unpack(archive: zipfile.ZipFile, member: str, destination: Path) -> str:
    digest = new_sha256()
    with archive.open(member) as source, destination.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _sound(name: str) -> store.InstalledModel:
    found = store.installed(name if store.is_own_name(name) else record_of(name).name)
    if found is None:
        raise WeightsError(f"{name} is not in the store: pull or import it first")
    if bad := [finding for finding in store.verify(found) if finding.state != "ok"]:
        raise WeightsError(f"{name} cannot be exported: {', '.join(f'{x.file} is {x.state}' for x in bad)}")
    return found


def _described(model: store.InstalledModel) -> dict[str, Any]:
    kept = ("sha256", "size", "source", "stated")  # who signed what it came in says nothing of this bundle
    files = {name: {key: asdict(file)[key] for key in kept} for name, file in model.files.items()}
    for file in files.values():
        file["source"] = store.told_source(file["source"])  # earlier versions noted the path of a file
    kind = {"model": model.model, "recognised": model.recognised}
    return {"name": model.name, **kind, "weights": model.weights, "files": files}


def _stored(file: Path, source: str, record: ModelRecord) -> store.StoredFile:
    digest = sha256_of(file)
    stated = digest in record.published
    return store.StoredFile(sha256=digest, size=file.stat().st_size, source=source, stated=stated)
