"""Inverted images kept by what made them, so that nothing is inverted twice and a broken-off run goes on.

One safetensors file holds the images of one (weights, text, settings, seed); its name is a digest of these. A file is
complete or absent, is checked against its own digest when read, and is made again where it fails that.
"""

import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from medkt.bounds import parse_json
from medkt.errors import InputError, OutputError
from medkt.inversion.fit import Matcher
from medkt.inversion.invert import InvertedImages, invert, require_texts
from medkt.inversion.local import local_invert
from medkt.inversion.local_settings import LocalSettings
from medkt.inversion.noise import text_digest
from medkt.inversion.settings import InversionSettings
from medkt.io.atomic import write_atomically
from medkt.io.sha256 import sha256_of_json
from medkt.models.encoder import DualEncoder
from medkt.models.module import device_of
from medkt.models.store import home
from medkt.models.weights import tensors_digest, weights_digest
from medkt.progress import Progress

ALGORITHM = 1
"""Raised whenever the same settings and seed would give other images."""
log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`MEDKT_CACHE` if set, else `inversions` in the folder of everything that medkt keeps."""
    given = os.environ.get("MEDKT_CACHE")
    return Path(given).expanduser() if given else home() / "inversions"


def invert_cached(
    encoder: DualEncoder | Matcher,
    texts: Sequence[str],
    settings: InversionSettings | LocalSettings | None = None,
    *,
    images: int = 10,
    seed: int = 0,
    start: Tensor | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> InvertedImages:
    """As `invert` or, by the settings given, `local_invert`, but what is in the cache is read, and each text is kept as soon as it is done.

    Each text is inverted in a batch of its own, so that its images are the same, bit for bit, whatever was there before.

    Args:
        encoder: as for `invert`; its weights are part of an entry's name, as they are now.
        texts: one or more.
        settings: None is `InversionSettings()`; with `LocalSettings` the images are made by `local_invert`.
        images: of each text.
        seed: as for `invert`.
        start: as for `invert`; part of an entry's name. Local inversions need it.
        folder: of the cache; None is `cache_folder()`.
        progress: told (stage, steps done, steps in all) over all texts.

    Raises:
        OutputError: the cache cannot be written.
        Otherwise as `invert`.
    """
    began = time.perf_counter()
    settings = (settings or InversionSettings()).on(device_of(encoder))
    require_texts(texts, images, 0)
    weights = weights_digest(encoder.module)
    found = []
    for index, text in enumerate(texts):
        own = _start_of(start, index, len(texts))
        key = entry_key(encoder.spec.name, weights, text, settings, images=images, seed=seed, start=own)
        path = _path_of(key, folder)
        kept = _read(path, key, text, settings, seed)
        if kept is None:
            told = _part_of(progress, index, len(texts))
            kept = _made(encoder, text, settings, images=images, seed=seed, start=own, progress=told)
            _write(path, key, kept)
        elif progress is not None:
            progress("from the cache", (index + 1) * settings.steps, len(texts) * settings.steps)
        found.append(kept)
    return _joined(found, device_of(encoder), time.perf_counter() - began)


def _made(
    encoder: DualEncoder | Matcher,
    text: str,
    settings: InversionSettings | LocalSettings,
    *,
    images: int,
    seed: int,
    start: Tensor | None,
    progress: Progress | None,
) -> InvertedImages:
    if isinstance(settings, InversionSettings):
        return invert(encoder, [text], settings, images=images, seed=seed, start=start, progress=progress)
    if start is None or not isinstance(encoder, DualEncoder):
        raise InputError("local inversion needs normal studies to start from, and an encoder with two towers")
    return local_invert(encoder, [text], settings, start=start, seed=seed, progress=progress)


def cached(
    encoder: DualEncoder | Matcher,
    texts: Sequence[str],
    settings: InversionSettings | LocalSettings,
    *,
    images: int,
    seed: int = 0,
    start: Tensor | None = None,
    folder: Path | None = None,
) -> tuple[bool, ...]:
    """Whether the images of each text are in the cache; arguments as for `invert_cached`. Nothing is read of an entry."""
    settings, weights = settings.on(device_of(encoder)), weights_digest(encoder.module)
    keys = [
        entry_key(
            encoder.spec.name, weights, text, settings, images=images, seed=seed, start=_start_of(start, index, len(texts))
        )
        for index, text in enumerate(texts)
    ]  # fmt: skip
    return tuple(_path_of(key, folder).is_file() for key in keys)


def _start_of(start: Tensor | None, index: int, texts: int) -> Tensor | None:
    return None if start is None else start[index : index + 1] if len(start) == texts else start


def _path_of(key: dict[str, object], folder: Path | None) -> Path:
    return (folder or cache_folder()) / f"{sha256_of_json(key)}.safetensors"


def entry_key(
    name: str,
    weights: str,
    text: str,
    settings: InversionSettings | LocalSettings,
    *,
    images: int,
    seed: int,
    start: Tensor | None = None,
) -> dict[str, object]:
    """Everything that a text's images depend on; the text itself only by its digest.

    The number of images belongs to it: a batch of another size is rounded differently in the last digits.
    """
    return {
        "algorithm": ALGORITHM,
        "encoder": name,
        "weights": weights,
        "text": text_digest(text),
        "settings": asdict(settings),
        "images": images,
        "seed": seed,
        "start": None if start is None else tensors_digest({"start": start}),
    }


def _read(
    path: Path, key: dict[str, object], text: str, settings: InversionSettings | LocalSettings, seed: int
) -> InvertedImages | None:
    """The images of an entry; None if it is absent or damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s: the cached images cannot be read (%s) and are made again", path, error.strerror)
        return None
    try:
        tensors = load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        if header["digest"] != tensors_digest(tensors) or json.loads(header["key"]) != json.loads(
            json.dumps(key, allow_nan=False)
        ):
            raise ValueError("its digest is another")
        return InvertedImages(
            texts=(text,),
            pixels=tensors["pixels"],
            similarity=tensors["similarity"],
            curves=tensors["curves"],
            seconds=float(header["seconds"]),
            settings=settings,
            seed=seed,
        )
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: the cached images are damaged (%s) and are made again", path, error)
        return None


def _write(path: Path, key: dict[str, object], made: InvertedImages) -> None:
    tensors = {"pixels": made.pixels.cpu(), "similarity": made.similarity, "curves": made.curves}
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    metadata = {
        "key": json.dumps(key, allow_nan=False),
        "digest": tensors_digest(tensors),
        "seconds": str(made.seconds),
    }
    content = save(tensors, metadata)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the cache {path.parent} cannot be made ({error.strerror}); set MEDKT_CACHE elsewhere"
        ) from error
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def _part_of(progress: Progress | None, index: int, count: int) -> Progress | None:
    if progress is None:
        return None

    def tick(stage: str, done: int, total: int) -> None:
        progress(stage, index * total + done, count * total)

    return tick


def _joined(found: list[InvertedImages], device: torch.device, seconds: float) -> InvertedImages:
    return replace(
        found[0],
        texts=tuple(text for one in found for text in one.texts),
        pixels=torch.cat([one.pixels.to(device) for one in found]),
        similarity=torch.cat([one.similarity for one in found]),
        curves=torch.cat([one.curves for one in found]),
        seconds=seconds,
    )
