"""Does the answer depend on how a study is stored? Three fine volumes in other orders, four modalities as DICOM and NIfTI.

    python evaluation/storage_order.py            # prints the tables; a run that stopped goes on where it was
    python evaluation/storage_order.py --write    # and records evaluation/results/storage_order.md

Volumes are turned by nibabel, and their masks compared in nibabel's canonical order. NIfTI is made by dcm2niix (of the
test tools). Where that loses the pixel size (ultrasound regions), it is written back into its header by hand, and said so.
Everything runs by default settings, on one core, in about a quarter of an hour.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

import medkt
from medkt.io import read_mask, write_nifti_mask, write_saliency_nifti
from medkt.metrics import dice
from medkt.phantom.study import write_study
from medkt.pipeline import ModelFacts, Pipeline, StudyResult, View
from medkt.segmentation.sam import SamSegmenter

RESULT = Path(__file__).resolve().parent / "results" / "storage_order.md"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ORDERS = [
    list(zip(axes, signs, strict=True))
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
EIGHT = ORDERS[::6]  # one in six, of every permutation
FINE = {
    "FLAIR-like phantom, 0.9 mm": ("mri", "mri_glioma", (15, 150, 140), 48),
    "CT phantom, 0.9 mm": ("ct", "ct_nodule", (14, 380, 390), 8),
}
REAL = (
    "T1 with contrast, 1.0 x 0.98 mm, 20 slices of a real head (niivue-images, MR_Gd), gate off",
    DATA / "nifti/niivue_images/MR_Gd.nii.gz",
    "mri",
    8,
)
STUDIES = {"cxr": "cxr_nodule", "ct": "ct_nodule", "mri": "mri_glioma", "ultrasound": "us_cyst"}
WORDS = {"mri": "mri_glioma", "ct": "ct_nodule"}


def main(argv: Sequence[str] | None = None) -> None:
    """Make both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "medkt_storage_order")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--dcm2niix", default=str(Path(sys.executable).parent / "dcm2niix"))
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    small = Pipeline.load("small", device="cpu")
    tables = [_orders_table(small, asked.work), _formats_table(small, asked.work, asked.dcm2niix)]
    text = "\n\n".join([HEAD, *tables, TAIL]) + "\n"
    print(text)
    if asked.write:
        RESULT.write_text(text, encoding="utf-8")


HEAD = """# One study in several orders and formats

Made by `python evaluation/storage_order.py --write`, on one core. Dice of 1.0000 means that the masks are equal, voxel for voxel in the
world; "scores equal" and "maps equal" mean bit for bit."""
TAIL = """The real SAM is the class of `segment_anything` with generated weights: its masks mean nothing and must be equal all the same. DSC, NSD
and IoU are against the phantom's own mask, brought into each file's order by nibabel. NIfTI is dcm2niix's; of DX and US it states neither
sform nor qform. Of US it also drops the pixel size, which stands in the ultrasound region alone and was written back into its pixdim: without
it masks are equal, and NSD and sizes are those of pixels of 1 mm."""


# ---- orders


def _orders_table(pipeline: Pipeline, work: Path) -> str:
    rows = ["| volume | voxels | orders | planes looked at | mask | smallest Dice | scores equal | maps equal |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for name, path, domain, number in _volumes(work):
        turns = ORDERS if number == 48 else EIGHT
        found = []
        for place, turn in enumerate(turns):
            make = partial(_in_order, pipeline, path, turn, domain, work)
            found.append(_kept(work / f"{path.parent.name}_{place}.json", make))
        first = _mask(found[0])
        least = min(
            dice(reference=first, prediction=_mask(one)) if first.any() else float(not _mask(one).any())
            for one in found
        )
        equal = ["yes" if len({one[key] for one in found}) == 1 else "no" for key in ("scores", "maps")]
        shape, planes = " x ".join(map(str, found[0]["shape"])), found[0]["planes"]
        volumes = f"{min(one['ml'] for one in found):.2f} to {max(one['ml'] for one in found):.2f} mL"
        rows.append(
            f"| {name} | {shape} | {len(found)} | {planes} | {volumes} | {least:.4f} | {equal[0]} | {equal[1]} |"
        )
    return "\n".join(rows)


def _volumes(work: Path) -> Iterator[tuple[str, Path, str, int]]:
    for name, (domain, finding, shape, number) in FINE.items():
        folder = work / f"fine_{domain}"
        if not (folder / "image.nii.gz").is_file():
            write_study(
                folder, domain=domain, finding=finding, seed=7, format="nifti", shape=shape, spacing_mm=(0.9,) * 3
            )  # type: ignore[arg-type]
        yield name, folder / "image.nii.gz", domain, number
    name, whole, domain, number = REAL
    if whole.is_file():
        part = work / "real" / "image.nii.gz"
        part.parent.mkdir(exist_ok=True)
        nib.save(nib.load(whole).slicer[:, :, 70:90], part)
        yield name, part, domain, number


def _in_order(pipeline: Pipeline, path: Path, turn: Any, domain: str, work: Path) -> dict[str, Any]:
    stored = nib.load(path).as_reoriented(np.array(turn))
    file = work / f"turned_{path.parent.name}.nii"
    nib.save(nib.Nifti1Image(np.asarray(stored.dataobj), stored.affine), file)
    if path.parent.name == "real":  # nothing of it is known to be there, and two empty masks are equal too easily
        presence = replace(pipeline.settings.presence, gate=False)
        pipeline = replace(pipeline, settings=replace(pipeline.settings, presence=presence))
    result = pipeline.segment(medkt.read_image(file), [WORDS[domain]], view=View(modality=domain))
    finding = result.findings[0]
    mask, maps = _canonical(result.mask(finding), result, work), _canonical(result.saliency(finding), result, work)
    return {
        "shape": list(mask.shape), "planes": len(finding.looked.positions), "scores": _digest(finding.found.presence.scores),
        "maps": _digest(maps), "ml": result.mask(finding).values.sum() * abs(np.linalg.det(stored.affine[:3, :3])) / 1000,
        "mask": np.packbits(mask).tobytes().hex(),
    }  # fmt: skip


def _canonical(placed: Any, result: StudyResult, work: Path) -> Any:
    write = write_nifti_mask if placed.values.dtype == bool else write_saliency_nifti
    written = nib.as_closest_canonical(
        nib.load(write(placed, result.image, work / f"written_{result.domain.name}.nii"))
    )
    return np.asarray(written.dataobj).copy()


def _mask(found: dict[str, Any]) -> Any:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(found["mask"]), np.uint8))
    return bits[: np.prod(found["shape"])].astype(bool)


def _digest(values: Any) -> str:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _kept(file: Path, make: Any) -> dict[str, Any]:
    if not file.is_file():
        file.write_text(json.dumps(make()), encoding="utf-8")
        print(f"  {file.stem}", file=sys.stderr)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


# ---- formats


def _formats_table(small: Pipeline, work: Path, dcm2niix: str) -> str:
    rows = [
        "| study | segmenter | masks | scores and maps equal | DSC | NSD at 2 mm | IoU |",
        "|---|---|---|---|---|---|---|",
    ]
    facts = ModelFacts(name="generated", digest="", licence="none")
    generated = replace(small, segmenter=SamSegmenter(_sam(), name="generated"), segmenter_facts=facts)
    for domain, finding in STUDIES.items():
        dicom, nifti = _both(domain, finding, work, dcm2niix)
        for name, pipeline in (("small", small), ("SAM, generated", generated)):
            one, other = (_scored(pipeline, path, truth, finding, domain) for path, truth in (dicom, nifti))
            masks = [_canonical(made.mask(made.findings[0]), made, work) for made in (one, other)]
            maps = [_canonical(made.saliency(made.findings[0]), made, work) for made in (one, other)]
            scores = [made.findings[0].found.presence.scores for made in (one, other)]
            equal = np.array_equal(*maps) and np.array_equal(*scores)
            numbers = [made.findings[0].case.numbers for made in (one, other)]  # type: ignore[union-attr]
            said = [
                f"{a:.6f}" if a == b else f"{a:.6f}, {b:.6f}"
                for a, b in ((numbers[0][key], numbers[1][key]) for key in ("dsc", "nsd@2mm", "iou"))
            ]
            same = f"equal, {int(masks[0].sum())} voxels" if np.array_equal(*masks) else "differ"
            rows.append(f"| {domain}, {finding} | {name} | {same} | {'yes' if equal else 'no'} | {' | '.join(said)} |")
    return "\n".join(rows)


def _both(domain: Any, finding: str, work: Path, dcm2niix: str) -> Any:
    """(input, reference) as DICOM and as NIfTI."""
    folder = work / f"study_{domain}"
    dicom = folder / ("series" if domain in ("ct", "mri") else "image.dcm")
    if not dicom.exists():
        write_study(folder, domain=domain, finding=finding, seed=3, format="dicom")
    nifti = folder / "made" / "converted.nii"
    nifti.parent.mkdir(exist_ok=True)
    command = [dcm2niix, "-b", "n", "-f", nifti.stem, "-o", str(nifti.parent), "-w", "1"]
    given = folder / "given"
    given.mkdir(exist_ok=True)
    for file in sorted(dicom.iterdir()) if dicom.is_dir() else [dicom]:
        (given / file.name).write_bytes(file.read_bytes())
    subprocess.run([*command, str(given)], check=True, capture_output=True)
    _restore_spacing(nifti, medkt.read_image(dicom))
    truth = nifti.parent / "reference.nii"
    _as_stored_like(folder / "reference.nii.gz", nifti, truth)
    return (dicom, folder / "reference.nii.gz"), (nifti, truth)


def _restore_spacing(file: Path, source: Any) -> None:
    stored = nib.load(file)
    if int(stored.header["sform_code"]) or int(stored.header["qform_code"]):
        return
    header = stored.header.copy()
    header["pixdim"][1:3] = source.geometry.spacing[2], source.geometry.spacing[1]
    nib.save(nib.Nifti1Image(np.asarray(stored.dataobj).copy(), None, header), file)


def _as_stored_like(reference: Path, image: Path, to: Path) -> None:
    """The reference's voxels turned into the order of the image, with the image's own header."""
    truth, stored = nib.load(reference), nib.load(image)
    turn = nib.orientations.ornt_transform(nib.io_orientation(truth.affine), nib.io_orientation(stored.affine))
    voxels = np.asarray(truth.as_reoriented(turn).dataobj).astype(np.uint8).reshape(stored.shape)
    header = stored.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    nib.save(nib.Nifti1Image(voxels, None, header), to)


def _scored(pipeline: Pipeline, path: Path, truth: Path, finding: str, domain: str) -> StudyResult:
    image = medkt.read_image(path)
    result = pipeline.segment(image, [finding], view=View(modality=domain))
    read_mask(truth, like=image)
    return pipeline.score(result, truth)


def _sam() -> Sam:
    torch.manual_seed(0)
    width, side = 32, 128
    encoder = ImageEncoderViT(
        img_size=side, patch_size=16, embed_dim=width, depth=2, num_heads=2, out_chans=width, window_size=4,
        use_rel_pos=True,
    )  # fmt: skip
    prompts = PromptEncoder(
        embed_dim=width, image_embedding_size=(side // 16,) * 2, input_image_size=(side, side), mask_in_chans=4
    )
    decoder = MaskDecoder(
        num_multimask_outputs=3, transformer=TwoWayTransformer(depth=2, embedding_dim=width, mlp_dim=64, num_heads=2),
        transformer_dim=width, iou_head_depth=2, iou_head_hidden_dim=32,
    )  # fmt: skip
    return Sam(image_encoder=encoder, prompt_encoder=prompts, mask_decoder=decoder).eval()


if __name__ == "__main__":
    main()
