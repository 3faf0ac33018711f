"""What the small model knows, learnt anew from its recipe: fresh phantoms, real images of role "train", pictures of nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from medkt.domains import domains
from medkt.guard.known_images import KnownImages
from medkt.guard.looks import layer_for, looks_of
from medkt.models.encoder import DualEncoder
from medkt.phantom import ct, mri
from medkt.phantom.drawers import DRAWERS, DRAWN_BODY
from medkt.phantom.finding import DOMAINS, DomainName, findings_of
from small_model.guard_fit import ROOM, Sample, fit_known
from small_model.real_images import REAL, Pixels, read_real

BODIES = {"ct_haemorrhage": "head", "mri_hippocampus": "temporal lobe"}
"""Of classes of real images that show another part of the body than the phantoms of their domain."""
SEVERAL_SOURCES = ("ultrasound/breast/real",)
ROOM_OF_ONE_SOURCE = 1.25
"""How much farther than its own images one may lie of a kind of which all come from one collection: those of other hospitals do.
Chosen on the four films of `cxr/demo`, of role "validate"."""
_CENTRES = 60
WINDOWS = ("lung", "lung", "lung", "soft", "mediastinum", "abdomen", "bone")
"""In which phantoms of a chest CT are shown at any level; narrower ones show nothing of a lung."""
_STREAM = 31  # of random numbers: no plane of the training set comes from it


def known_of(encoder: DualEncoder, *, data: Path | None, each: int = 400, seed: int = 0) -> KnownImages:
    """What this encoder knows.

    Args:
        encoder: the small one.
        data: the folder of real images; None for phantoms alone.
        each: phantoms of each domain, each of which is shown twice: as it is, and changed a little.
        seed: of the phantoms.
    """
    planes = {f"{one}/{DRAWN_BODY[one]}/drawn": phantoms(one, each, seed) for one in DOMAINS}
    planes |= _reals(data) if data is not None else {}
    planes["//nothing"] = list(nothings(max(64, each), seed))
    layer = layer_for(encoder)
    samples = [_sample(encoder, name, shown, layer, seed) for name, shown in planes.items()]
    return fit_known(samples, encoder=encoder.spec.digest, layer=layer)


def _sample(encoder: DualEncoder, name: str, planes: Sequence[Pixels], layer: int, seed: int) -> Sample:
    modality, body, _ = name.split("/")
    rng = np.random.default_rng((seed, _STREAM, len(planes)))
    times = max(1, min(8, 240 // len(planes)))
    shown = [one for plane in planes for one in (plane, *(varied(plane, rng) for _ in range(times)))]
    return Sample(
        name=name, modality=modality, body=body, looks=looks_of(encoder, shown, layer), centres=_CENTRES,
        room=ROOM if name in SEVERAL_SOURCES else ROOM_OF_ONE_SOURCE if name.endswith("/real") else ROOM,
        images=np.repeat(np.arange(len(planes)), times + 1),
    )  # fmt: skip


def phantoms(domain: DomainName, number: int, seed: int) -> list[Pixels]:
    """Planes without a finding, with one that has a name and with one that has none; of volumes half at any level."""
    return [_phantom(domain, np.random.default_rng((seed, _STREAM, n)), n) for n in range(number)]


def _phantom(domain: DomainName, rng: np.random.Generator, number: int) -> Pixels:
    named = findings_of(domain, held_out=False)
    drawer, kind, side = DRAWERS[domain], rng.random(), int(rng.choice((128, 128, 192, 256)))
    finding = "" if kind < 0.35 else "unnamed" if kind < 0.65 else named[int(rng.integers(len(named)))].id
    attributes = drawer.draw_unnamed_attributes(rng) if finding == "unnamed" else None
    if number % 2 and domain in ("ct", "mri") and finding != "unnamed":
        return _at_any_level(domain, finding, rng, side)
    return np.asarray(drawer.draw_plane(finding, rng, side=side, attributes=attributes).plane, np.float32)


def _at_any_level(domain: DomainName, finding: str, rng: np.random.Generator, side: int) -> Pixels:
    if domain == "ct":
        level = float(rng.uniform(-100, 100))
        return _windowed(ct.make_study(finding, rng).hu_plane(level, side), str(rng.choice(WINDOWS)))
    signal = mri.make_study(finding, rng).plane(float(rng.uniform(-50, 65)), side)
    low, high = np.percentile(signal[signal > 0], (0.5, 99.5))
    return np.asarray(np.clip((signal - low) / max(float(high - low), 1.0), 0, 1), np.float32)


def _windowed(hounsfield: Pixels, name: str) -> Pixels:
    window = domains()["ct"].windows[name]
    return np.asarray(np.clip((hounsfield - window.level) / window.width + 0.5, 0, 1), np.float32)


def _reals(data: Path) -> dict[str, list[Pixels]]:
    made: dict[str, list[Pixels]] = {}
    for one in read_real(data, "train"):
        domain: DomainName = next(d for d in DOMAINS if d == REAL[one.label].domain)
        body = BODIES.get(one.label, DRAWN_BODY[domain])
        made.setdefault(f"{domain}/{body}/real", []).append(one.plane)
    return made


def varied(plane: Pixels, rng: np.random.Generator) -> Pixels:
    """The same study from another place: cut, padded, coarser, other contrast and noise."""
    if rng.random() < 0.5:
        plane = _cut(plane, rng.uniform(0, 0.14, 4))
    if rng.random() < 0.3:
        rows, columns = plane.shape
        top, bottom, left, right = rng.uniform(0, 0.25, 4)
        plane = np.pad(plane, ((int(top * rows), int(bottom * rows)), (int(left * columns), int(right * columns))))
    if rng.random() < 0.3:
        plane = _coarser(plane, rng.uniform(0.35, 0.8))
    if rng.random() < 0.6:
        plane = np.clip(plane, 0, 1) ** rng.uniform(0.7, 1.4)
    if rng.random() < 0.4:
        plane = np.clip((plane - 0.5) * rng.uniform(0.8, 1.25) + 0.5 + rng.uniform(-0.06, 0.06), 0, 1)
    if rng.random() < 0.2:
        plane = np.clip(plane + rng.uniform(0, 0.03) * rng.standard_normal(plane.shape), 0, 1)
    return np.ascontiguousarray(plane, np.float32)


def _cut(plane: Pixels, parts: np.ndarray) -> Pixels:
    rows, columns = plane.shape
    top, bottom, left, right = parts
    return plane[int(top * rows) : rows - int(bottom * rows), int(left * columns) : columns - int(right * columns)]


def _coarser(plane: Pixels, part: float) -> Pixels:
    rows, columns = (max(32, int(side * part)) for side in plane.shape)
    return np.asarray(Image.fromarray(plane).resize((columns, rows), Image.Resampling.BILINEAR, reducing_gap=3.0))


def nothings(number: int, seed: int) -> Iterator[Pixels]:
    """Pictures that show nothing of anybody: noise of several kinds, drawings, writing, and scenes of things before things."""
    makers = (_noise, _coloured_noise, _drawing, _strokes, _letters, _blocks, _scene, _scene)
    for n in range(number):
        rng = np.random.default_rng((seed, _STREAM, 1, n))
        made = makers[n % len(makers)](rng, int(rng.integers(96, 257)))
        yield np.ascontiguousarray(np.clip(1 - made if rng.random() < 0.3 else made, 0, 1), np.float32)


def _noise(rng: np.random.Generator, side: int) -> Pixels:
    if rng.random() < 0.3:
        return np.asarray(rng.random((side, side)) < rng.uniform(0.03, 0.5), np.float32)
    return np.asarray(rng.uniform(0.2, 0.8) + rng.uniform(0.08, 0.4) * rng.standard_normal((side, side)), np.float32)


def _coloured_noise(rng: np.random.Generator, side: int) -> Pixels:
    """Noise whose power falls with frequency by some exponent, so that it has blobs of every size."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(rng.standard_normal((side, side))) / frequency ** rng.uniform(0.4, 2.0)
    values = np.fft.ifft2(spectrum).real
    low, high = np.percentile(values, (1, 99))
    return np.asarray((values - low) / (high - low), np.float32)


def _drawing(rng: np.random.Generator, side: int) -> Pixels:
    canvas = Image.new("L", (side, side), int(rng.choice((0, 0, 40, 255))))
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 12))):
        (x0, x1), (y0, y1) = (sorted(rng.integers(0, side, 2).tolist()) for _ in range(2))
        grey, width = int(rng.integers(0, 256)), int(rng.integers(1, 8))
        shape = int(rng.integers(4))
        if shape == 0:
            pen.ellipse((x0, y0, x1, y1), fill=grey if rng.random() < 0.6 else None, outline=grey, width=width)
        elif shape == 1:
            pen.rectangle((x0, y0, x1, y1), fill=grey if rng.random() < 0.5 else None, outline=grey, width=width)
        elif shape == 2:
            pen.line((x0, y0, x1, y1), fill=grey, width=width)
        else:
            pen.polygon([tuple(place) for place in rng.integers(0, side, (4, 2)).tolist()], fill=grey)
    return np.asarray(canvas, np.float32) / 255


def _strokes(rng: np.random.Generator, side: int) -> Pixels:
    canvas = Image.new("L", (side, side), 0)
    pen, size = ImageDraw.Draw(canvas), int(rng.integers(5, 22))
    for top in range(2, side - size, int(size * 1.4)):
        left = 3
        while left < side - size and rng.random() < 0.97:
            for _ in range(3):
                a, b = (rng.integers(0, size, 2) * (0.6, 1.0) + (left, top) for _ in range(2))
                pen.line((*a, *b), fill=int(rng.integers(160, 256)), width=max(1, size // 8))
            left += int(size * rng.choice((0.7, 0.7, 0.7, 1.4)))
    return np.asarray(canvas, np.float32) / 255


def _letters(rng: np.random.Generator, side: int) -> Pixels:
    """Lines of letters on a ground that light falls on."""
    canvas = Image.new("L", (2 * side, int(rng.uniform(1, 2) * side)), int(rng.integers(0, 120)))
    pen, size = ImageDraw.Draw(canvas), int(rng.integers(9, 40))
    font, ink = ImageFont.load_default(size), int(rng.integers(150, 256))
    for top in range(4, canvas.height, int(size * 1.3)):
        pen.text((5, top), "".join(rng.choice(list("abcdefghilmnoprstu   ,."), 4 * side // size)), fill=ink, font=font)
    return _lit(np.asarray(canvas, np.float32) / 255, rng)


def _scene(rng: np.random.Generator, side: int) -> Pixels:
    """Things before things: discs and boxes of all sizes that cover each other (the "dead leaves" of Matheron, which have the
    edges, the flat parts and the spectrum of photographs), each with a grain of its own.
    """
    canvas = Image.new("L", (side, side), int(rng.integers(0, 256)))
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(12, 400))):
        reach = side * 0.02 / float(rng.uniform(0.03, 1)) ** 0.8
        x, y = rng.uniform(0, side, 2)
        box, grey = (x - reach, y - reach * rng.uniform(0.4, 1), x + reach, y + reach), int(rng.integers(0, 256))
        (pen.ellipse if rng.random() < 0.6 else pen.rectangle)(box, fill=grey)
    values = np.asarray(canvas, np.float32) / 255
    grain = gaussian_filter(rng.standard_normal((side, side)), rng.uniform(0.5, 3))
    return _lit(gaussian_filter(values, rng.uniform(0, 2)) + rng.uniform(0, 0.15) * grain / grain.std(), rng)


def _lit(values: Pixels, rng: np.random.Generator) -> Pixels:
    """With light from one side."""
    down, across = (np.linspace(0, rng.uniform(-0.5, 0.5), n) for n in values.shape)
    return np.asarray(values * rng.uniform(0.6, 1) + (down[:, None] + across[None]) * rng.uniform(0, 1), np.float32)


def _blocks(rng: np.random.Generator, side: int) -> Pixels:
    cell = int(rng.integers(4, 33))
    values = (
        rng.random((side // cell + 1, side // cell + 1))
        if rng.random() < 0.6
        else np.indices((side // cell + 1,) * 2).sum(0) % 2
    )
    return np.asarray(np.kron(values, np.ones((cell, cell)))[:side, :side], np.float32)
