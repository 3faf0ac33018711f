"""The third sixty strangers: kinds that neither of the first two sets holds, made when all limits stood, and asked once.

Sound, curves, maps, boards, lit solids, grown patterns, test objects, two studies in one picture, and pictures that medkt itself makes.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from first import REALS, Keeper, Stranger, of_role, stretched
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, laplace
from scipy.signal import spectrogram
from skimage.data import shepp_logan_phantom

from medkt.phantom.finding import DOMAINS

SIDE = 256


def third_strangers(folder: Path, data: Path) -> list[Stranger]:
    """60 of them."""
    keeper = Keeper(folder)
    rng = np.random.default_rng(97)
    made = [
        *_sound(keeper, rng), *_curves(keeper, rng), *_maps(keeper, rng), *_boards(keeper, rng), *_solids(keeper, rng),
        *_grown(keeper, rng), *_test_objects(keeper), *_halves(keeper, data), *_answers(keeper, data),
    ]  # fmt: skip
    assert len(made) == 60, len(made)
    return made


def _sound(keeper: Keeper, rng: np.random.Generator) -> Iterator[Stranger]:
    """Spectrograms: of rising tones, of steps, of clicks, of a voice's harmonics, of hiss with tones, of two birds."""
    time = np.arange(48_000) / 16_000
    voice = sum(np.sin(2 * np.pi * (140 + 20 * np.sin(3 * time)) * k * time) / k for k in range(1, 12))
    clicks = np.zeros_like(time)
    clicks[rng.integers(0, len(time), 40)] = 20
    birds = np.sin(2 * np.pi * (2500 * time + 300 * np.sin(9 * time))) * (np.sin(5 * time) > 0)
    tones = np.sin(2 * np.pi * np.repeat(rng.integers(300, 4000, 12), 4000) * time)
    for name, wave in (
        ("rising", np.sin(2 * np.pi * (200 * time + 900 * time**2))), ("steps", tones), ("clicks", clicks), ("voice", voice),
        ("hiss", tones + 0.8 * rng.standard_normal(len(time))), ("birds", birds),
    ):  # fmt: skip
        power = spectrogram(wave + 1e-3 * rng.standard_normal(len(wave)), nperseg=512, noverlap=320)[2]
        yield keeper.keep("sound", name, stretched(np.log(power + 1e-9))[::-1])


def _curves(keeper: Keeper, rng: np.random.Generator) -> Iterator[Stranger]:
    """Strips as monitors print them: beats, breaths, a tremor, brain waves, pressure, a flat line."""
    x = np.linspace(0, 8, 480)
    beat = np.exp(-(((x % 0.9) - 0.3) ** 2) / 0.0006) - 0.25 * np.exp(-(((x % 0.9) - 0.36) ** 2) / 0.0008)
    for name, wave, dark in (
        ("beats", beat, False), ("breaths", np.sin(2 * x), True), ("tremor", np.sin(37 * x) * np.sin(0.7 * x), False),
        ("waves", gaussian_filter(rng.standard_normal(480), 2) * 2, True), ("pressure", np.abs(np.sin(3 * x)) ** 3, False),
        ("flat", 0.02 * rng.standard_normal(480), True),
    ):  # fmt: skip
        canvas = Image.new("L", (480, 240), 15 if dark else 245)
        pen = ImageDraw.Draw(canvas)
        for k in range(0, 480, 24):
            pen.line((k, 0, k, 240), fill=50 if dark else 205)
            pen.line((0, k, 480, k), fill=50 if dark else 205)
        for row in (70, 170):
            pen.line([(k, row - 45 * float(value)) for k, value in enumerate(wave)], fill=230 if dark else 10, width=2)
        yield keeper.keep("curve", name, np.asarray(canvas))


def _maps(keeper: Keeper, rng: np.random.Generator) -> Iterator[Stranger]:
    """Streets, contour lines, a coast, rain over land, light of towns at night, fields from above."""
    height = sum(gaussian_filter(rng.standard_normal((SIDE, SIDE)), width) * width for width in (4, 12, 40))
    streets = Image.new("L", (SIDE, SIDE), 235)
    pen = ImageDraw.Draw(streets)
    for _ in range(40):
        a, b = rng.integers(-20, SIDE + 20, (2, 2))
        pen.line(
            (*a, b[0], a[1]) if rng.random() < 0.7 else (*a, *b),
            fill=int(rng.integers(120, 255)),
            width=int(rng.integers(2, 9)),
        )
    yield keeper.keep("map", "streets", np.asarray(streets))
    yield keeper.keep("map", "contours", np.where((stretched(height) * 16) % 1 < 0.12, 0.2, 0.9))
    yield keeper.keep("map", "coast", np.where(height > 0.4, stretched(height) * 0.5 + 0.4, 0.1))
    rain = np.clip(gaussian_filter(rng.standard_normal((SIDE, SIDE)), 10) * 18, 0, 1)
    yield keeper.keep("map", "rain", np.where(height > 0.4, 0.35, 0.2) + 0.6 * rain)
    towns = np.zeros((SIDE, SIDE))
    towns[tuple(rng.integers(0, SIDE, (2, 260)))] = rng.random(260) * 60
    yield keeper.keep("map", "towns at night", gaussian_filter(towns, 1.6) + 0.03)
    fields = Image.new("L", (SIDE, SIDE), 90)
    pen = ImageDraw.Draw(fields)
    for row in range(0, SIDE, 32):
        left = 0
        while left < SIDE:
            width = int(rng.integers(18, 80))
            pen.rectangle((left, row, left + width, row + 32), fill=int(rng.integers(60, 200)), outline=40)
            left += width
    yield keeper.keep("map", "fields", np.asarray(fields) / 255 + 0.03 * rng.standard_normal((SIDE, SIDE)))


def _boards(keeper: Keeper, rng: np.random.Generator) -> Iterator[Stranger]:
    """A maze, staves of notes, a chess position, dominoes, a crossword, a jigsaw, beads, a keyboard."""
    maze = np.kron(rng.random((32, 32)) < 0.35, np.ones((8, 8))) * 0.8 + 0.1
    yield keeper.keep("board", "maze", maze + 0.02 * rng.standard_normal(maze.shape))
    for name in ("staves", "chess", "dominoes", "crossword", "jigsaw", "beads", "keyboard"):
        canvas = Image.new("L", (SIDE, SIDE), 230)
        pen = ImageDraw.Draw(canvas)
        if name == "staves":
            for top in range(20, SIDE, 60):
                for line in range(5):
                    pen.line((8, top + 7 * line, SIDE - 8, top + 7 * line), fill=30)
                for left in range(20, SIDE - 20, 17):
                    y = top + 3.5 * float(rng.integers(0, 9))
                    pen.ellipse((left, y - 3, left + 9, y + 4), fill=10)
                    pen.line((left + 9, y, left + 9, y - 24), fill=10, width=2)
        elif name in ("chess", "crossword"):
            for k in range(64):
                row, column = divmod(k, 8)
                dark = (row + column) % 2 if name == "chess" else rng.random() < 0.25
                box = (column * 32, row * 32, column * 32 + 31, row * 32 + 31)
                pen.rectangle(box, fill=90 if dark else 220, outline=60)
                if name == "chess" and rng.random() < 0.3:
                    pen.ellipse(
                        (box[0] + 7, box[1] + 7, box[2] - 7, box[3] - 7), fill=int(rng.choice((15, 250))), outline=0
                    )
        elif name in ("dominoes", "keyboard"):
            for k in range(42):
                row, column = divmod(k, 6)
                box = (column * 42 + 4, row * 36 + 4, column * 42 + 40, row * 36 + 34)
                pen.rounded_rectangle(box, 5, fill=int(rng.integers(180, 250)), outline=20, width=2)
                for _ in range(int(rng.integers(0, 7)) if name == "dominoes" else 0):
                    x, y = rng.integers((box[0] + 4, box[1] + 4), (box[2] - 8, box[3] - 8))
                    pen.ellipse((x, y, x + 5, y + 5), fill=10)
        elif name == "jigsaw":
            for k in range(0, SIDE, 42):
                pen.line([(k + 5 * np.sin(y / 9), y) for y in range(SIDE)], fill=40, width=2)
                pen.line([(x, k + 5 * np.sin(x / 9)) for x in range(SIDE)], fill=40, width=2)
        else:
            for _ in range(140):
                x, y = rng.integers(0, SIDE, 2)
                pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=int(rng.integers(40, 240)), outline=20)
        yield keeper.keep("board", name, np.asarray(canvas))


def _solids(keeper: Keeper, rng: np.random.Generator) -> Iterator[Stranger]:
    """Solids lit from one side: a ball, a torus, dunes, a vase, boulders, cloth, a stair, a heap of balls."""
    y, x = (np.indices((SIDE, SIDE)) - SIDE / 2) / (SIDE / 2)
    radius = np.hypot(x, y)
    rough = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 6) * 2
    heap = np.max([
        np.sqrt(np.maximum(0, r**2 - (x - a) ** 2 - (y - b) ** 2))
        for a, b, r in zip(*rng.uniform(-0.8, 0.8, (2, 24)), rng.uniform(0.1, 0.35, 24), strict=True)
    ], axis=0)  # fmt: skip
    for name, height in (
        ("ball", np.sqrt(np.maximum(0, 0.6 - radius**2))), ("torus", np.sqrt(np.maximum(0, 0.04 - (radius - 0.6) ** 2))),
        ("dunes", 0.06 * np.sin(14 * x + 3 * np.sin(4 * y))), ("vase", np.sqrt(np.maximum(0, (0.4 + 0.15 * np.sin(5 * y)) ** 2 - x**2))),
        ("boulders", heap + 0.05 * rough), ("cloth", 0.1 * np.sin(9 * x + 2 * y) * np.cos(3 * y) + 0.02 * rough),
        ("stair", np.floor(4 * (x + 1)) / 8), ("heap", heap),
    ):  # fmt: skip
        down, across = np.gradient(height * SIDE / 2)
        light = (0.5 - 0.6 * across - 0.5 * down + 0.6) / np.sqrt(1 + across**2 + down**2)
        yield keeper.keep("solid", name, np.where(height > 0.001, np.clip(0.15 + 0.6 * light, 0, 1), 0.06))


def _grown(keeper: Keeper, rng: np.random.Generator) -> Iterator[Stranger]:
    """Patterns that grow: spots and worms of a reaction, a fingerprint, a lightning, frost, foam."""
    for name, feed, kill in (("spots", 0.035, 0.065), ("worms", 0.05, 0.063)):
        u, v = np.ones((128, 128)), np.zeros((128, 128))
        v[tuple(rng.integers(5, 123, (2, 60)))] = 1
        v = gaussian_filter(v, 2) * 4
        for _ in range(2500):
            swap = u * v * v
            u += 0.16 * laplace(u, mode="wrap") - swap + feed * (1 - u)
            v += 0.08 * laplace(v, mode="wrap") + swap - (feed + kill) * v
        yield keeper.keep("grown", name, stretched(np.kron(v, np.ones((2, 2)))))
    bent = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 40) * 900
    rows, columns = np.indices((SIDE, SIDE))
    yield keeper.keep("grown", "fingerprint", 0.5 + 0.5 * np.sin(np.hypot(rows - 150, columns - 128) * 0.8 + bent))
    bolt = Image.new("L", (SIDE, SIDE), 10)
    pen = ImageDraw.Draw(bolt)
    for _ in range(9):
        place = np.array([128.0, 0.0])
        while place[1] < 250:
            onward = place + np.array([rng.normal(0, 9), rng.uniform(3, 14)])
            pen.line((*place, *onward), fill=int(rng.integers(140, 255)), width=int(rng.integers(1, 4)))
            place = onward
    yield keeper.keep("grown", "lightning", gaussian_filter(np.asarray(bolt) / 255, 0.8))
    frost = gaussian_filter(np.abs(np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIDE, SIDE))) * (np.hypot(
        *np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))) < 0.1)).real), 1)  # fmt: skip
    yield keeper.keep("grown", "frost", stretched(-np.log(frost + 1e-3)))
    seeds = rng.uniform(0, SIDE, (90, 2))
    two = np.sort(np.hypot(rows[..., None] - seeds[:, 0], columns[..., None] - seeds[:, 1]), axis=-1)[..., :2]
    yield keeper.keep("grown", "foam", 0.15 + 0.8 * np.exp(-(two[..., 1] - two[..., 0]) / 2))


def _test_objects(keeper: Keeper) -> Iterator[Stranger]:
    """What machines are tested with: each as the modality that it is made for, and so the nearest to a study of all."""
    rows, columns = np.indices((SIDE, SIDE))
    radius = np.hypot(rows - 128, columns - 128)
    noise = 0.03 * np.random.default_rng(98).standard_normal((SIDE, SIDE))
    yield keeper.keep("test object", "Shepp and Logan", stretched(shepp_logan_phantom()), "mri")
    yield keeper.keep("test object", "Shepp and Logan", stretched(shepp_logan_phantom()) * 0.7, "ct")
    yield keeper.keep("test object", "water", np.where(radius < 100, 0.5, 0.02) + noise, "ct")
    inserts = np.where(radius < 105, 0.45, 0.02)
    for k in range(8):
        y, x = 128 + 65 * np.sin(k * np.pi / 4), 128 + 65 * np.cos(k * np.pi / 4)
        inserts = np.where(np.hypot(rows - y, columns - x) < 11, 0.1 + 0.11 * k, inserts)
    yield keeper.keep("test object", "inserts", inserts + noise, "ct")
    grid = np.where((rows % 22 < 2) | (columns % 22 < 2), 0.1, 0.7) * (radius < 110)
    yield keeper.keep("test object", "grid", grid + np.abs(noise), "mri")
    pairs = np.where(columns % np.maximum(2, 26 - rows // 24 * 2) < np.maximum(1, 13 - rows // 24), 0.85, 0.15)
    yield keeper.keep("test object", "line pairs", pairs, "cxr")
    yield keeper.keep("test object", "step wedge", np.repeat(np.linspace(0.05, 0.95, 16), 16)[None] + noise, "cxr")
    speckle = np.abs(gaussian_filter(np.random.default_rng(99).standard_normal((2, SIDE, SIDE)), (0, 1, 2))).sum(axis=0)
    for k in range(5):
        speckle = np.where(np.hypot(rows - 30 - 48 * k, columns - 128) < 4, 1.2, speckle)
    yield keeper.keep("test object", "wires in speckle", stretched(speckle), "ultrasound")


def _halves(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    """Two studies of two modalities side by side, read as the left one's."""
    shown = {
        name: np.asarray(Image.open(of_role(data, REALS[name], "validate")[2]).convert("L").resize((SIDE, SIDE)))
        for name in DOMAINS
    }
    for left, right in (
        ("cxr", "ultrasound"), ("ct", "cxr"), ("mri", "ultrasound"), ("ultrasound", "ct"), ("cxr", "mri"), ("mri", "ct"),
    ):  # fmt: skip
        yield keeper.keep(
            "two halves",
            f"{left} and {right}",
            np.concatenate([shown[left][:, :128], shown[right][:, 128:]], axis=1),
            left,
        )


def _answers(keeper: Keeper, data: Path) -> Iterator[Stranger]:
    """Pictures that medkt makes of studies: the study with an outline and a legend in it, a map in grey, a page of panels."""
    for name in DOMAINS:
        picture = Image.open(of_role(data, REALS[name], "validate")[1]).convert("L").resize((SIDE, SIDE))
        rows, columns = np.indices((SIDE, SIDE))
        map_ = np.exp(-((rows - 110) ** 2 + (columns - 150) ** 2) / 2500)
        yield keeper.keep("answer", f"{name} map", 0.1 + 0.85 * map_, name)
        if name in ("mri", "ultrasound"):
            panels = np.concatenate([np.asarray(picture) / 255, map_, (map_ > 0.5).astype(float)], axis=1)
            yield keeper.keep("answer", f"{name} panels", panels, name)
