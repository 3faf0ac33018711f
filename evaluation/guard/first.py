"""The first sixty strangers, on which the guard's limits were set: each a file, and the modality that it is read as."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS

TEXT = (
    "The committee met on Tuesday to discuss the parking budget of the coming year. No decision was taken, and the meeting "
    "was adjourned at half past four. "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A file that is no study of the modality that it is read as.

    Attributes:
        kind: such as "photograph".
        name: what it is.
        path: the file.
        modality: what it is read as.
    """

    kind: str
    name: str
    path: Path
    modality: str


class Keeper:
    """Writes pictures, and deals the modalities out in turn."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, kind: str, name: str, pixels: np.ndarray, modality: str | None = None) -> Stranger:
        """A picture as PNG; values in [0, 1], bytes, or bits."""
        values = np.asarray(pixels)
        if values.dtype != np.uint8:
            values = np.rint(np.clip(values.astype(np.float64), 0, 1) * 255).astype(np.uint8)
        path = self.folder / f"{self.count:02d}_{kind.replace(' ', '_')}_{name}.png"
        Image.fromarray(values).save(path)
        return self.of_file(kind, name, path, modality)

    def of_file(self, kind: str, name: str, path: Path, modality: str | None = None) -> Stranger:
        """A file that lies there already."""
        self.count += 1
        taken = modality or DOMAINS[self.count % len(DOMAINS)]
        return Stranger(kind=kind, name=name, path=path, modality=taken)


def first_strangers(folder: Path, data: Path) -> list[Stranger]:
    """Photographs, noise, drawings, writing, real images of another modality, phantoms of another modality: 60."""
    keeper = Keeper(folder)
    made = [
        *_photographs(keeper), *_noise(keeper), *_drawings(keeper), *_writing(keeper), *_other_reals(keeper, data),
        *_other_phantoms(keeper),
    ]  # fmt: skip
    assert len(made) == 60, len(made)
    return made


def _photographs(keeper: Keeper) -> Iterator[Stranger]:
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        yield keeper.keep("photograph", f"{name}_colour", getattr(skimage.data, name)())
    for name in ("astronaut", "chelsea", "camera", "brick", "grass", "gravel"):
        pixels = getattr(skimage.data, name)()
        yield keeper.keep("photograph", f"{name}_grey", np.asarray(Image.fromarray(pixels).convert("L")))


def _noise(keeper: Keeper) -> Iterator[Stranger]:
    rng, side = np.random.default_rng(5), 224
    yield keeper.keep("noise", "white", 0.5 + 0.2 * rng.standard_normal((side, side)))
    yield keeper.keep("noise", "uniform", rng.random((side, side)))
    yield keeper.keep("noise", "salt", rng.random((side, side)) < 0.1)
    for name, exponent in (("pink", 1.0), ("brown", 1.5)):
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
        frequency[0, 0] = 1
        yield keeper.keep(
            "noise",
            name,
            stretched(np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) / frequency**exponent).real),
        )
    for name, width in (("blurred", 4.0), ("soft", 1.5)):
        yield keeper.keep("noise", name, stretched(gaussian_filter(rng.standard_normal((side, side)), width)))
    yield keeper.keep("noise", "blocks", np.kron(rng.random((28, 28)), np.ones((8, 8))))
    yield keeper.keep("noise", "white_inside", np.pad(rng.random((160, 160)), 48))
    yield keeper.keep("noise", "coloured", rng.random((side, side, 3)))


def stretched(values: np.ndarray) -> np.ndarray:
    """Between the first and the last percentile."""
    low, high = np.percentile(values, (1, 99))
    return np.clip((values - low) / (high - low), 0, 1)


def _drawings(keeper: Keeper) -> Iterator[Stranger]:
    rng = np.random.default_rng(6)
    for name, ground in (
        ("disc", 0),
        ("rings", 0),
        ("polygons", 0),
        ("face", 0),
        ("lines", 255),
        ("bars", 255),
        ("dots", 0),
        ("box", 0),
    ):
        canvas = Image.new("L", (256, 256), ground)
        pen = ImageDraw.Draw(canvas)
        if name == "disc":
            pen.ellipse((60, 60, 190, 190), fill=255)
        elif name == "rings":
            for r in range(10, 120, 18):
                pen.ellipse((128 - r, 128 - r, 128 + r, 128 + r), outline=255, width=3)
        elif name == "polygons":
            for _ in range(6):
                pen.polygon(
                    [tuple(place) for place in rng.integers(0, 256, (4, 2)).tolist()], fill=int(rng.integers(60, 255))
                )
        elif name == "face":
            pen.ellipse((30, 30, 226, 226), outline=255, width=4)
            pen.ellipse((80, 90, 105, 115), fill=255)
            pen.ellipse((150, 90, 175, 115), fill=255)
            pen.arc((70, 80, 186, 190), 20, 160, fill=255, width=4)
        elif name == "lines":
            for k in range(0, 28, 3):
                pen.line((20, 20 + k * 8, 236, 236 - k * 5), fill=0, width=2)
        elif name == "bars":
            for k, height in enumerate(rng.integers(30, 220, 7).tolist()):
                pen.rectangle((20 + k * 30, 256 - height, 44 + k * 30, 240), fill=90)
        elif name == "dots":
            for x, y in rng.integers(10, 246, (25, 2)).tolist():
                pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=255)
        else:
            pen.rectangle((70, 50, 180, 200), outline=200, width=6)
        yield keeper.keep("drawing", name, np.asarray(canvas))


def _writing(keeper: Keeper) -> Iterator[Stranger]:
    for number, (ink, ground, size) in enumerate(
        ((0, 255, 14), (255, 0, 14), (30, 220, 24), (240, 40, 10), (255, 0, 36), (90, 160, 18))
    ):
        yield keeper.keep("writing", f"page{number}", written(ink, ground, size))
    yield keeper.keep("writing", "photographed", np.asarray(skimage.data.text()))
    yield keeper.keep("writing", "scanned", np.asarray(skimage.data.page()))


def written(ink: int, ground: int, size: int) -> np.ndarray:
    """A page of text."""
    canvas = Image.new("L", (400, 300), ground)
    pen, font, width = ImageDraw.Draw(canvas), ImageFont.load_default(size), int(800 / size)
    for line in range(300 // (size + 4)):
        pen.text((6, 6 + line * (size + 4)), (TEXT * 9)[line * width : (line + 1) * width], fill=ink, font=font)
    return np.asarray(canvas)


REALS = {
    "cxr": "cxr/shenzhen/images", "ct": "ct/msd_lung_tumour/images", "mri": "mri/brisc/images",
    "ultrasound": "us/busi/images",
}  # fmt: skip


def of_role(data: Path, folder: str, role: str) -> list[Path]:
    """Images of a folder that have this role, in the order of the manifest."""
    lines = (data / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [data / row[0] for row in rows if row[0].startswith(f"{folder}/") and row[2] == role]


def _other_reals(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    for shown, folder in REALS.items():
        files = of_role(data, folder, "validate")
        for number, taken in enumerate(one for one in DOMAINS if one != shown):
            yield keeper.of_file("other modality", f"{shown}_{number}", files[number], taken)


def _other_phantoms(keeper: Keeper) -> Iterator[Stranger]:
    for shown in DOMAINS:
        for number, taken in enumerate(one for one in DOMAINS if one != shown):
            plane = DRAWERS[shown].draw_plane("", np.random.default_rng((9, number)), side=256).plane
            yield keeper.keep("other phantom", f"{shown}_{number}", plane, taken)
