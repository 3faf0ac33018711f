"""A taught concept as a MONAI bundle: a folder that MONAI's own runner takes studies through.

    configs/inference.json   from a folder of NIfTI studies to masks beside an `answers.json`
    configs/metadata.json    what goes in and out, and with which versions
    docs/README.md           how it is run, and the concept's card
    models/NAME.medkt        the concept, byte for byte

The model that the concept was taught to is no part of it: medkt loads it by its name, as `medkt segment` does. So it has no
`network_def`; the whole line from a study to its masks is one transform.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.concepts import Package, read_package
from medkt.domains import domain
from medkt.errors import OutputError, SettingsError
from medkt.io.atomic import write_atomically
from medkt.io.parts import part_beside

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
VERSION = "0.1.0"
"""Of a bundle, as this module lays one out."""
_NEEDED = ("medkt", "nibabel")
_ANSWERED = ("finding", "words", "presence", "score")


def write_bundle(package: str | Path, folder: str | Path, *, modality: str = "") -> Path:
    """Write a bundle around a `.medkt` file, complete or not at all.

    It is run in its folder, or from Python with `bundle_root`; `dataset_dir`, `output_dir`, `base` and `device` may be set:

        python -m monai.bundle run --config_file configs/inference.json --dataset_dir studies
        monai.bundle.run(config_file="NAME/configs/inference.json", bundle_root="NAME", dataset_dir="studies")

    Args:
        package: of one or several taught concepts.
        folder: the bundle's; must not be there yet.
        modality: what the studies are; the concepts say it where they have a modality.

    Returns:
        The folder.

    Raises:
        SettingsError: the concepts say no modality, or several, and none is given.
        OutputError: the folder is there already, or cannot be written.
        MedktError: as `medkt.read_package`.
    """
    source, target = Path(package), Path(folder)
    taught = read_package(source)
    kind = domain(modality or _modality_of(taught, source))
    if target.exists():
        raise OutputError(f"{target}: is there already; choose another folder for the bundle")
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent}: no such folder; make it first")
    texts = {
        "configs/inference.json": _json(_inference(taught, source.name, kind.name)),
        "configs/metadata.json": _json(_metadata(taught, kind.title)),
        "docs/README.md": _readme(taught, kind.title),
    }
    hidden = part_beside(target.parent)
    try:
        for name, text in texts.items():
            (hidden / name).parent.mkdir(parents=True, exist_ok=True)
            (hidden / name).write_text(text, encoding="utf-8")
        (hidden / "models").mkdir()
        shutil.copyfile(source, hidden / "models" / source.name)
        os.rename(hidden, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); check space and permission") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return target


def write_answers(
    studies: Iterable[Mapping[str, Any]], path: str | Path, *, key: str = "image_mask"
) -> list[dict[str, Any]]:
    """Write what was found in each study, as JSON; a mask alone does not tell "not seen" from "no claim".

    Args:
        studies: dictionaries of `SegmentFromTextd`, each worked through in its turn.
        path: of the file; its folder is made.
        key: of their masks.

    Raises:
        OutputError: it cannot be written.
    """
    answers = []
    for study in studies:
        said = study[key].meta
        findings = [
            dict(zip(_ANSWERED, one, strict=True)) for one in zip(*(said[name] for name in _ANSWERED), strict=True)
        ]
        name = Path(str(said.get("filename_or_obj", ""))).name
        answers.append({"study": name, "findings": findings, "warnings": said["warnings"].splitlines()})
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, lambda part: part.write_text(_json(answers), encoding="utf-8"))
    return answers


def _modality_of(package: Package, source: Path) -> str:
    said = sorted({concept.modality for concept in package.concepts})
    if len(said) != 1 or not said[0]:
        raise SettingsError(
            f"{source}: its concepts say {' and '.join(filter(None, said)) or 'no modality'}; give modality="
        )
    return said[0]


def _inference(package: Package, file: str, modality: str) -> dict[str, Any]:
    return {
        "imports": ["$from pathlib import Path", "$from medkt.monai import write_answers"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/studies'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "auto",
        "base": package.base.name,
        "modality": modality,
        "package": f"$@bundle_root + '/models/{file}'",
        "model": {"_target_": "medkt.Pipeline.load", "model": "@base", "device": "@device"},
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "reader": "NibabelReader"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {
                    "_target_": "medkt.monai.SegmentFromTextd", "keys": "image", "concepts": ["@package"],
                    "modality": "@modality", "model": "@model",
                },
            ],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': str(path)} for path in sorted(Path(@dataset_dir).glob('*.nii*'))]",
            "transform": "@preprocessing",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {
                    "_target_": "SaveImaged", "keys": "image_mask", "output_dir": "@output_dir", "output_postfix": "mask",
                    "output_dtype": "$np.uint8", "resample": False, "separate_folder": False, "print_log": False,
                }
            ],
        },
        "run": ["$write_answers(map(@postprocessing, @dataset), @output_dir + '/answers.json')"],
    }  # fmt: skip


def _metadata(package: Package, modality: str) -> dict[str, Any]:
    """By MONAI's schema; a volume's or a picture's shape is free."""
    ids = [concept.id for concept in package.concepts]
    names = ", ".join(concept.name for concept in package.concepts)
    free = {"spatial_shape": ["*", "*", "*"], "is_patch_data": False}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "changelog": {VERSION: f"written by medkt {__version__} from the package {package.digest}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {name: __version__ if name == "medkt" else version(name) for name in _NEEDED},
        "name": names,
        "task": f"Segmentation of findings named in words: {names} ({modality})",
        "description": f"{names}, described in words to {package.base.name} ({package.base.digest}); masks where it is seen.",
        "authors": ", ".join(dict.fromkeys(concept.author for concept in package.concepts if concept.author)) or "not said",
        "copyright": ", ".join(dict.fromkeys(concept.licence for concept in package.concepts if concept.licence)) or "not said",
        "intended_use": NOT_A_MEDICAL_DEVICE,
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image", "format": "magnitude", "modality": modality, "num_channels": 1, "dtype": "float32",
                    "value_range": [], "channel_def": {"0": "image"}, **free,
                }
            },
            "outputs": {
                "pred": {
                    "type": "image", "format": "segmentation", "num_channels": len(ids), "dtype": "uint8", "value_range": [0, 1],
                    "channel_def": {str(place): one for place, one in enumerate(ids)}, **free,
                }
            },
        },
    }  # fmt: skip


def _readme(package: Package, modality: str) -> str:
    names = ", ".join(concept.name for concept in package.concepts)
    cards = "\n\n".join(learnt.card for learnt in package.learnt if learnt.card)
    return f"""# {names}

A bundle of MONAI for {names} on {modality} studies. {NOT_A_MEDICAL_DEVICE}

It needs medkt {__version__} and the model `{package.base.name}`; of another model it is refused. In this folder:

    python -m monai.bundle run --config_file configs/inference.json --dataset_dir STUDIES --output_dir MASKS

`STUDIES` holds NIfTI files. `MASKS/answers.json` says of each whether the finding is seen: a mask is empty where it is not, and also
where nothing is claimed.

{cards}
"""


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
