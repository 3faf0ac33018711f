"""The second sixty strangers, of other kinds than the first: made after the guard's limits were set; three limits were
changed after it had been seen (docs/concepts/guard.md).
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import nibabel
import numpy as np
import skimage.data
from first import REALS, Keeper, Stranger, of_role, stretched
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter

from medkt.phantom.finding import DOMAINS
from medkt.phantom.study import write_study

mpl.use("Agg")


def second_strangers(folder: Path, data: Path) -> list[Stranger]:
    """Other photographs, patterns, plots, screens, destroyed studies, collages, other bodies, volumes of something else: 60."""
    keeper = Keeper(folder)
    made = [
        *_photographs(keeper), *_patterns(keeper), *_plots(keeper), *_screens(keeper), *_destroyed(keeper, data),
        *_collages(keeper, data), *_others(keeper, data), *_volumes(keeper, data),
    ]  # fmt: skip
    assert len(made) == 60, len(made)
    return made


def _photographs(keeper: Keeper) -> Iterator[Stranger]:
    for name in ("hubble_deep_field", "retina", "immunohistochemistry"):
        yield keeper.keep("other photograph", name, getattr(skimage.data, name)()[:900, :900])
    for name in ("moon", "coins", "clock", "cell"):
        yield keeper.keep(
            "other photograph", name, np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("L"))
        )
    for name in ("hubble_deep_field", "retina"):
        yield keeper.keep(
            "other photograph", f"{name}_grey", np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("L"))
        )
    motorcycle = skimage.data.stereo_motorcycle()[0]
    yield keeper.keep("other photograph", "motorcycle_grey", np.asarray(Image.fromarray(motorcycle).convert("L")))
    for number in (3, 60):  # a face, enlarged from 25 pixels
        face = Image.fromarray(np.rint(skimage.data.lfw_subset()[number] * 255).astype(np.uint8))
        yield keeper.keep(
            "other photograph", f"face{number}", np.asarray(face.resize((200, 200), Image.Resampling.BICUBIC))
        )


def _patterns(keeper: Keeper) -> Iterator[Stranger]:
    rng, side = np.random.default_rng(71), 256
    rows, columns = np.indices((side, side)) / side
    yield keeper.keep("pattern", "grating", 0.5 + 0.5 * np.sin(60 * columns + 8 * rows))
    yield keeper.keep("pattern", "moire", (0.5 + 0.5 * np.sin(400 * ((rows - 0.5) ** 2 + (columns - 0.5) ** 2))))
    yield keeper.keep("pattern", "gradient", rows * 0.7 + columns * 0.3)
    yield keeper.keep("pattern", "radial_gradient", 1 - np.hypot(rows - 0.5, columns - 0.5) * 1.6)
    seeds = np.ones((side, side), bool)
    seeds[tuple(rng.integers(0, side, (2, 60)))] = False
    yield keeper.keep("pattern", "cells", stretched(distance_transform_edt(seeds)))
    spiral = np.sin(12 * np.log(np.hypot(rows - 0.5, columns - 0.5) + 0.02) + 5 * np.arctan2(rows - 0.5, columns - 0.5))
    yield keeper.keep("pattern", "spiral", gaussian_filter(spiral, 1.5) * 0.4 + 0.5)
    yield keeper.keep("pattern", "fractal", _mandelbrot(side))
    life = rng.random((64, 64)) < 0.3
    for _ in range(30):
        around = sum(
            np.roll(life, shift, (0, 1)).astype(int)
            for shift in ((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
        )
        life = (around == 3) | (life & (around == 2))
    yield keeper.keep("pattern", "automaton", np.kron(life, np.ones((4, 4))))
    yield keeper.keep("pattern", "code", np.kron(rng.random((29, 29)) < 0.5, np.ones((8, 8))))
    clouds = sum(gaussian_filter(rng.standard_normal((side, side)), width) * width for width in (2, 8, 32))
    yield keeper.keep("pattern", "terraces", np.floor(stretched(clouds) * 20) / 20)


def _mandelbrot(side: int) -> np.ndarray:
    place = np.linspace(-2.2, 0.8, side)[None] + 1j * np.linspace(-1.4, 1.4, side)[:, None]
    z, count = np.zeros_like(place), np.zeros((side, side))
    for _ in range(40):
        inside = np.abs(z) < 4
        z[inside] = z[inside] ** 2 + place[inside]
        count += inside
    return count / 40


def _plots(keeper: Keeper) -> Iterator[Stranger]:
    from matplotlib import pyplot as plt

    rng = np.random.default_rng(72)
    field = gaussian_filter(rng.standard_normal((60, 60)), 5)
    for name in ("lines", "scatter", "heat", "heat_grey", "contours", "boxes", "pie", "dark_lines"):
        figure, axes = plt.subplots(figsize=(3.2, 2.6), dpi=100, facecolor="black" if name == "dark_lines" else "white")
        if name in ("lines", "dark_lines"):
            axes.set_facecolor(figure.get_facecolor())
            axes.plot(rng.standard_normal((80, 3)).cumsum(axis=0))
        elif name == "scatter":
            axes.scatter(*rng.standard_normal((2, 200)), s=9)
        elif name.startswith("heat"):
            axes.imshow(field, cmap="gray" if name == "heat_grey" else "viridis")
        elif name == "contours":
            axes.contourf(field, 12, cmap="gray")
        elif name == "boxes":
            axes.boxplot(rng.standard_normal((40, 5)))
        else:
            axes.pie([3, 4, 5, 2])
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        plt.close(figure)
        yield keeper.keep("plot", name, pixels)


def _screens(keeper: Keeper) -> Iterator[Stranger]:
    font = ImageFont.load_default(13)
    for name, ground, panel, ink in (
        ("light", 245, 225, 20),
        ("dark", 25, 45, 220),
        ("blue", 180, 210, 40),
        ("worklist", 5, 15, 200),
    ):
        canvas = Image.new("L", (640, 480), ground)
        pen = ImageDraw.Draw(canvas)
        pen.rectangle((0, 0, 640, 28), fill=panel)
        pen.text((8, 6), "File  Edit  View  Window  Help", fill=ink, font=font)
        pen.rectangle((0, 28, 160, 480), fill=panel)
        for row in range(12):
            pen.text((10, 42 + row * 30), f"Folder {row * 7 % 13}", fill=ink, font=font)
            pen.line((170, 60 + row * 30, 630, 60 + row * 30), fill=panel)
            pen.text((180, 42 + row * 30), f"item {row:03d}      {row * 137 % 990} kB     done", fill=ink, font=font)
        yield keeper.keep("screen", name, np.asarray(canvas))


def _real(data: Path, modality: str, number: int) -> np.ndarray:
    return np.asarray(Image.open(of_role(data, REALS[modality], "validate")[number]).convert("L"))


def _destroyed(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    """Studies of the very modality of which nothing is left: phases, rows or tiles in another order."""
    rng = np.random.default_rng(73)
    for modality in DOMAINS:
        grey = _real(data, modality, 4).astype(np.float64)
        phases = np.angle(np.fft.fft2(rng.standard_normal(grey.shape)))
        yield keeper.keep(
            "destroyed study",
            f"{modality}_phases",
            stretched(np.fft.ifft2(np.abs(np.fft.fft2(grey)) * np.exp(1j * phases)).real),
            modality,
        )
        yield keeper.keep("destroyed study", f"{modality}_tiles", _tiles(grey, rng), modality)
    for modality in ("cxr", "mri"):
        grey = _real(data, modality, 5)
        yield keeper.keep("destroyed study", f"{modality}_rows", grey[rng.permutation(len(grey))], modality)


def _tiles(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = min(grey.shape) // 8
    tiles = [grey[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(8) for c in range(8)]
    order = rng.permutation(64)
    return np.concatenate(
        [np.concatenate([tiles[k] for k in order[r * 8 : r * 8 + 8]], axis=1) for r in range(8)]
    ).astype(np.uint8)


def _collages(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    """Sheets of several studies, and a study in a page of writing."""
    for modality in DOMAINS:
        cells = [np.asarray(Image.fromarray(_real(data, modality, k)).resize((96, 96))) for k in range(6)]
        sheet = np.concatenate([np.concatenate(cells[row * 3 : row * 3 + 3], axis=1) for row in range(2)])
        yield keeper.keep("collage", f"{modality}_sheet", sheet, modality)


def _others(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    """Real images that are of no modality's default part of the body, or of another modality in files of their own."""
    yield keeper.of_file("other body", "thigh MR", data / "volumes/sts/dicom/STS_002/MR_T1/image", "mri")
    yield keeper.of_file("other body", "microscopy", data / "dicom/highdicom/sm_image_grayscale.dcm", "ultrasound")
    yield keeper.of_file("other body", "microscopy", data / "dicom/highdicom/frame_rgb.jpeg", "cxr")
    yield keeper.of_file("other body", "head CT", of_role(data, "ct/haemorrhage/images", "validate")[3], "cxr")
    yield keeper.of_file("other body", "temporal lobe", of_role(data, "mri/hippocampus/images", "validate")[0], "ct")
    yield keeper.of_file("other body", "liver", of_role(data, "us/liver/images", "validate")[0], "mri")


def _volumes(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    rng = np.random.default_rng(74)
    noise = rng.normal(-200, 400, (64, 64, 16)).astype(np.int16)
    smooth = (gaussian_filter(rng.standard_normal((64, 64, 16)), 3) * 4000).astype(np.int16)
    photograph = np.asarray(Image.fromarray(skimage.data.chelsea()).convert("L").resize((96, 96))).astype(np.int16)
    ball = (np.linalg.norm(np.indices((64, 64, 16)).T / [8, 1, 1] - [1, 32, 32], axis=-1).T < 22) * np.int16(
        1000
    ) - np.int16(1000)
    for name, values, modality in (
        ("noise", noise, "ct"), ("blobs", smooth, "mri"), ("photograph", np.repeat(photograph[..., None], 12, axis=2) * 8, "mri"),
        ("ball", ball.astype(np.int16), "ct"),
    ):  # fmt: skip
        path = keeper.folder / f"volume_{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(values, np.diag([3.0, 3.0, 8.0, 1.0])), path)
        yield keeper.of_file("volume", name, path, modality)
    for shown, taken in (("ct", "mri"), ("mri", "ct")):
        path = write_study(keeper.folder / f"volume_{shown}", domain=shown, finding="", seed=75, format="nifti")
        yield keeper.of_file("volume", f"{shown} phantom", path, taken)
