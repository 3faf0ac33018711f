"""Phantom findings in words: every word for an attribute, and the test captions of a finding, which say all of its attributes and no name.

The reports that the embedded model is trained on are made of the same words, in other frames, by its recipe.
"""

from collections.abc import Mapping, Sequence

from medkt.phantom.finding import DomainName, Finding

MODALITY: Mapping[DomainName, tuple[str, ...]] = {
    "cxr": ("chest radiograph", "chest x-ray", "frontal chest film", "frontal chest radiograph", "radiograph of the chest",
            "cxr"),
    "ct": ("chest ct", "ct of the chest", "axial ct slice", "thoracic ct", "computed tomography of the chest", "ct scan"),
    "mri": ("brain mri", "mri of the brain", "axial brain mr image", "magnetic resonance image of the head", "head mri",
            "mr slice of the brain"),
    "ultrasound": ("breast ultrasound", "ultrasound of the breast", "breast sonogram", "sonography of the breast",
                   "breast us image", "ultrasound scan"),
}  # fmt: skip

# Each word of an attribute as (adjectives before the noun, clauses after it).
_Words = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
SHAPE: _Words = {
    "round": (("round", "rounded", "circular", "spherical"), ("of round shape", "with a circular outline")),
    "oval": (("oval", "ovoid", "elliptical", "egg-shaped"), ("of oval shape", "with an elliptical outline")),
    "lobulated": (("lobulated", "multilobulated", "lobular"),
                  ("of lobulated shape", "with a lobulated outline", "with several rounded lobes")),
    "irregular": (("irregular", "irregularly shaped", "misshapen"),
                  ("of irregular shape", "with an irregular outline")),
    "wedge": (("wedge-shaped", "triangular", "pyramidal"),
              ("shaped like a wedge", "of triangular shape", "with its base outward and its tip inward")),
    "crescent": (("crescent-shaped", "crescentic", "sickle-shaped"),
                 ("shaped like a crescent", "of crescentic shape")),
    "linear": (("linear", "band-like", "elongated"), ("shaped like a band", "of linear shape", "forming a line")),
    "layered": (("layered", "layering", "pooled"), ("with a fluid level", "collecting at the lowest point",
                "forming a layer")),
    "organ": (("enlarged organ-shaped", "organ-shaped"), ("in the shape of an enlarged organ",
              "as an organ larger than normal")),
}  # fmt: skip
MARGIN: _Words = {
    "sharp": (("sharply marginated", "well-defined", "well-circumscribed", "sharply defined", "clearly outlined"),
              ("with sharp margins", "with a well-defined border", "with a clear edge", "with smooth sharp borders")),
    "hazy": (("ill-defined", "hazy", "poorly marginated", "blurred", "indistinct"),
             ("with hazy margins", "with an ill-defined border", "with blurred edges", "with indistinct margins")),
    "spiculated": (("spiculated", "spiky", "stellate"),
                   ("with spiculated margins", "with spikes radiating from its edge", "with a star-like border",
                    "with radiating strands")),
}  # fmt: skip
TEXTURE: _Words = {
    "uniform": (("homogeneous", "uniform", "evenly filled"),
                ("of uniform texture", "homogeneous throughout its interior", "with an even interior")),
    "mottled": (("heterogeneous", "mottled", "patchy"),
                ("of mottled texture", "with a heterogeneous interior", "with a blotchy interior")),
    "hollow": (("hollow", "shell-like"),
               ("with a hollow centre", "with an empty centre", "with a wall around a hollow core",
                "with a rim and a hollow interior")),
    "septated": (("septated", "compartmented", "multiseptated"),
                 ("with internal septa", "divided by thin walls", "with inner partitions")),
    "stippled": (("stippled", "speckled", "dotted"),
                 ("with stippled dots inside", "with speckled bright dots", "of stippled texture")),
    "streaked": (("streaked", "striped", "striated"),
                 ("with streaks inside", "with parallel stripes", "of streaked texture")),
}  # fmt: skip
SIZE: _Words = {
    "tiny": (("tiny", "minute", "punctate", "pinpoint"), ("of tiny size", "only a few millimetres across")),
    "small": (("small", "little", "small-sized"), ("of small size",)),
    "medium": (("medium-sized", "moderate-sized", "mid-sized"), ("of medium size", "of moderate size")),
    "large": (("large", "big", "extensive", "sizeable"), ("of large size", "of great extent")),
}
_BRIGHT = ("bright", "white", "light")
_DARK = ("dark", "black")
_VERY_BRIGHT = ("very bright", "intensely white", "extremely bright")
_FAINT = ("faint", "slightly bright", "subtle", "pale")
INTENSITY: Mapping[DomainName, Mapping[str, tuple[str, ...]]] = {
    "cxr": {"bright": (*_BRIGHT, "dense", "opaque", "radiopaque"), "dark": (*_DARK, "lucent", "radiolucent"),
            "very_bright": (*_VERY_BRIGHT, "calcified", "metal-dense"), "faint": (*_FAINT, "faintly opaque")},
    "ct": {"bright": (*_BRIGHT, "dense", "hyperdense", "soft-tissue-dense"), "dark": (*_DARK, "hypodense", "lucent"),
           "very_bright": (*_VERY_BRIGHT, "calcified", "markedly hyperdense"), "faint": (*_FAINT, "faintly dense")},
    "mri": {"bright": (*_BRIGHT, "hyperintense", "high-signal"), "dark": (*_DARK, "hypointense", "low-signal"),
            "very_bright": (*_VERY_BRIGHT, "markedly hyperintense"), "faint": (*_FAINT, "mildly hyperintense")},
    "ultrasound": {"bright": (*_BRIGHT, "hyperechoic", "echogenic"), "dark": (*_DARK, "anechoic", "echo-free"),
                   "very_bright": (*_VERY_BRIGHT, "calcified", "strongly echogenic"),
                   "faint": ("faint", "grey", "hypoechoic", "subtle", "slightly darker")},
}  # fmt: skip
NUMBER: Mapping[str, tuple[str, ...]] = {
    "single": ("a", "a", "a", "one", "a single", "a solitary", "an isolated"),
    "several": ("several", "a few", "two to four", "some", "multiple"),
    "many": ("many", "numerous", "countless", "innumerable", "a great number of"),
}
PLACE: Mapping[DomainName, Mapping[str, tuple[str, ...]]] = {
    "cxr": {
        "upper": ("in the upper zone", "in the upper lung field", "in the upper part of the lung"),
        "middle": ("in the middle zone", "in the mid lung field", "in the middle part of the lung"),
        "lower": ("in the lower zone", "in the lower lung field", "at the base of the lung"),
        "lateral": ("at the lateral chest wall", "in the lateral lung", "along the outer edge of the lung"),
        "apical": ("at the apex of the lung", "in the apical region"),
        "central": ("in the centre of the chest", "in the central region"),
        "throughout": ("throughout both lungs", "scattered over both lungs", "diffusely in the lungs"),
    },
    "ct": {
        "upper": ("in the upper part of the lung", "in the upper zone", "at an upper level of the lung"),
        "middle": ("in the middle part of the lung", "in the middle zone", "at a middle level of the lung"),
        "lower": ("in the lower part of the lung", "in the lower zone", "at a lower level of the lung"),
        "central": ("in the central region", "near the mediastinum", "in the centre of the chest"),
        "peripheral": ("in the peripheral lung", "near the pleura", "in the periphery"),
        "posterior": ("posteriorly", "at the back of the chest", "in the posterior region"),
        "throughout": ("throughout both lungs", "scattered over both lungs", "diffusely in the lungs"),
    },
    "mri": {
        "deep": ("deep in the brain", "in the deep grey and white matter", "in a deep location"),
        "lobar": ("in a lobe of the brain", "in a lobar location", "in the lobar white matter"),
        "peripheral": ("at the periphery of the brain", "at the surface of the brain", "in a peripheral location"),
        "periventricular": ("beside the ventricles", "in the periventricular white matter", "around the ventricles"),
        "central": ("in the centre of the brain", "in the central region", "at the midline"),
    },
    "ultrasound": {
        "superficial": ("just below the skin", "in the superficial layer", "near the transducer"),
        "middle": ("in the middle layer", "at middle depth", "in the middle of the breast"),
        "deep": ("in the deep layer", "deep in the breast", "near the chest wall"),
    },
}
SIDE: Mapping[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "left-sided", "in the left half"),
    "right": ("on the right", "on the right side", "right-sided", "in the right half"),
    "both": ("on both sides", "bilaterally", "on the left and the right"),
}

HELD_BACK_FRAMES = ("an example of {d} in a {m}", "in this {m} one notes {d}", "a patient's {m} depicting {d}",
                    "observe {d} in the {m}", "the examination, a {m}, contains {d}")  # fmt: skip
"""Frames of test captions only: no training report has one of them."""


def canonical_description(finding: Finding) -> str:
    """The first of `canonical_descriptions`."""
    return canonical_descriptions(finding)[0]


def canonical_descriptions(finding: Finding) -> tuple[str, ...]:
    """Test captions of a finding, held out or not: all its attributes but no name, in sentence frames that training
    never uses.

    Example:
        >>> canonical_description(find("cxr_cavity")).startswith("an example of a ")
        True
    """
    made = []
    for index, frame in enumerate(HELD_BACK_FRAMES):
        phrase = _canonical_phrase(finding, index)
        made.append(frame.format(m=MODALITY[finding.domain][index % 2], d=phrase))
    return tuple(made)


def _canonical_phrase(finding: Finding, index: int) -> str:
    """All attributes in a fixed order; the index picks among the words."""

    def pick(words: Sequence[str]) -> str:
        return words[index % len(words)]

    size = " or ".join(pick(SIZE[s][0]) for s in finding.size)
    adjectives = [size, pick(INTENSITY[finding.domain][finding.intensity]), pick(SHAPE[finding.shape][0])]
    tail = [pick(MARGIN[finding.margin][1]), pick(TEXTURE[finding.texture][1])]
    if len(finding.place) == 1:
        tail.append(pick(PLACE[finding.domain][finding.place[0]]))
    plural = finding.number != "single"
    count = "a" if not plural else pick(NUMBER[finding.number])
    if count == "a" and adjectives[0][0] in "aeiou":
        count = "an"
    return f"{count} {', '.join(adjectives)} {'lesions' if plural else 'lesion'} {' '.join(tail)}"
