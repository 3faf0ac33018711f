"""COCO annotations: polygons and run lengths of a JSON file as masks (cocodataset.org/#format-data)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medkt.bounds.texts import LARGEST_RECORD, parse_json, read_text
from medkt.datasets.polygon import fill_even_odd
from medkt.datasets.rle import alternating_runs_to_mask, runs_from_characters
from medkt.errors import InputError, UnreadableError
from medkt.shapes import MaskPlane

FARTHEST = 1e6  # pixels: no corner of an outline is further out; it is also no NaN
HALF = 0.5  # COCO counts from the corner of the first pixel, we from its centre


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoFile:
    """What a COCO file says: images and categories by number, and for each image its annotations."""

    images: Mapping[int, Mapping[str, Any]]
    categories: Mapping[int, str]
    annotations: Mapping[int, tuple[Mapping[str, Any], ...]]


@lru_cache(maxsize=4)
def read_coco(path: Path) -> CocoFile:
    """The file, read once a process and checked.

    Raises:
        UnreadableError: no JSON. InputError: a part is missing, an id stands twice, an annotation is of no known image.
    """
    try:
        raw = parse_json(read_text(path, largest=LARGEST_RECORD), str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such annotation file", code="outline") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnreadableError(f"{path}: is no JSON ({error}); export the annotations again", code="outline") from error
    for part in ("images", "annotations", "categories"):
        if not isinstance(raw, dict) or not isinstance(raw.get(part), list):
            raise InputError(
                f"{path}: no list {part!r}; a COCO file has images, annotations and categories", code="outline"
            )
    images = _by_id(raw["images"], ("file_name", "width", "height"), f"{path}, images")
    for number, entry in images.items():
        if not isinstance(entry["file_name"], str):
            raise InputError(f"{path}: file_name of image {number} is no text; name the picture", code="outline")
    categories = {
        number: str(item["name"])
        for number, item in _by_id(raw["categories"], ("name",), f"{path}, categories").items()
    }
    _by_id(raw["annotations"], ("image_id", "category_id", "segmentation"), f"{path}, annotations")
    drawn: dict[int, tuple[Mapping[str, Any], ...]] = {}
    for item in raw["annotations"]:
        for key, known in (("image_id", images), ("category_id", categories)):
            if item[key] not in known:
                raise InputError(
                    f"{path}, annotation {item['id']}: {key} {item[key]} stands in no entry; restore it", code="outline"
                )
        drawn[item["image_id"]] = (*drawn.get(item["image_id"], ()), item)
    return CocoFile(images=images, categories=categories, annotations=drawn)


def coco_mask(path: Path, key: str, *, rows: int, columns: int) -> MaskPlane:
    """The union of an image's annotations, (rows, columns) bool; `key` is "image id" or "image id:category id".

    Raises:
        InputError: no such image, another size than the file says, or an outline that is none.
    """
    image_id, category = _parts(key, path)
    known = read_coco(path)
    if image_id not in known.images:
        raise InputError(f"{path}: no image with id {image_id}; the key is an id of the list images", code="outline")
    entry = known.images[image_id]
    if (entry["height"], entry["width"]) != (rows, columns):
        raise InputError(
            f"{path}, image {image_id}: {entry['height']}x{entry['width']} rows and columns there, the image has "
            f"{rows}x{columns}; was it resized?",
            code="outline",
        )
    mask = np.zeros((rows, columns), dtype=bool)
    for item in known.annotations.get(image_id, ()):
        if category is None or item["category_id"] == category:
            mask |= _outline(item, f"{path}, annotation {item['id']}", rows, columns)
    return mask


def _outline(item: Mapping[str, Any], shown: str, rows: int, columns: int) -> MaskPlane:
    drawn = item["segmentation"]
    mask = np.zeros((rows, columns), dtype=bool)
    if isinstance(drawn, dict):
        if list(drawn.get("size", ())) != [rows, columns]:
            raise InputError(
                f"{shown}: run lengths of size {drawn.get('size')}, the image is {[rows, columns]}", code="outline"
            )
        counts = drawn.get("counts")
        try:
            lengths = runs_from_characters(counts) if isinstance(counts, str) else [int(one) for one in counts or ()]
            return alternating_runs_to_mask(lengths, rows=rows, columns=columns)
        except (InputError, TypeError, ValueError) as error:
            raise InputError(f"{shown}: {error}", code="outline") from error
    if not isinstance(drawn, list):
        raise InputError(f"{shown}: the segmentation is neither polygons nor run lengths", code="outline")
    for numbers in drawn:  # parts of one object: their union
        if not isinstance(numbers, list) or len(numbers) < 6 or len(numbers) % 2:
            raise InputError(f"{shown}: a polygon is at least three x, y pairs; export it again", code="outline")
        if not all(type(one) in (int, float) and abs(one) < FARTHEST for one in numbers):
            raise InputError(f"{shown}: a polygon with a corner that is no number; export it again", code="outline")
        points = np.asarray(numbers, dtype=np.float64).reshape(-1, 2) - HALF
        mask |= fill_even_odd([points], rows=rows, columns=columns)
    return mask


def _by_id(entries: list[Any], needed: tuple[str, ...], shown: str) -> dict[int, Mapping[str, Any]]:
    found: dict[int, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries):
        missing = [key for key in ("id", *needed) if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise InputError(f"{shown}[{number}]: no {missing[0]!r}; expected id, {', '.join(needed)}", code="outline")
        wordy = [key for key in ("id", "image_id", "category_id") if key in entry and type(entry[key]) is not int]
        if wordy:
            raise InputError(f"{shown}[{number}]: {wordy[0]} is no whole number; export it again", code="outline")
        if entry["id"] in found:
            raise InputError(f"{shown}[{number}]: id {entry['id']} stands twice; give each its own", code="outline")
        found[entry["id"]] = entry
    return found


def _parts(key: str, path: Path) -> tuple[int, int | None]:
    parts = key.split(":")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"{path}: reference_key {key!r} is no 'image id' or 'image id:category id'", code="outline")
    return int(parts[0]), int(parts[1]) if len(parts) == 2 else None
