"""Twelve findings that nobody chose: looks are drawn, three a modality, after every setting of teaching and asking had been fixed.

    python evaluation/kt_phantom/invent.py new > evaluation/kt_phantom/new.yaml
    python evaluation/kt_phantom/invent.py fresh > evaluation/kt_phantom/fresh.yaml     # twelve more, after the next change

A look is drawn as phantoms without a name have theirs (`medkt.examine.looks.draw_look`). It is drawn again where its shape,
brightness and texture are those of a known, held-out or invented finding or of one drawn before (of the new ones too), or where fewer than nine of ten
drawn pictures show it. The caption is the look in words, in the form that `development.yaml` has; the names were written
down before any look was drawn, and mean nothing.
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import yaml
from tasks import Task, development_tasks, new_tasks

from medkt.asking.pictures import SIDE
from medkt.examine.looks import draw_look, is_seen
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, Attributes, DomainName, findings_of

SEEDS = {"new": 83, "fresh": 131}
NAMES = {
    "new": {
        "cxr": ("Wexcombe shade", "pleural orrisoma", "Dunmore fleck"),
        "ct": ("Abernathy node", "septal quarloma", "Fenwick pocket"),
        "mri": ("Halloran body", "pial tessaroma", "Strathmore lobe"),
        "ultrasound": ("Pemberton cap", "ductal voranoma", "Kilbride island"),
    },
    "fresh": {
        "cxr": ("Lindale wisp", "bronchial perrinoma", "Ashcombe drift"),
        "ct": ("Rothwell seed", "lingular teverinoma", "Carrick fold"),
        "mri": ("Endicott grain", "dural sorrelloma", "Marchmont veil"),
        "ultrasound": ("Thornbury knoll", "stromal belloma", "Glenarm shelf"),
    },
}
NOUNS = {"bright": "mass", "very_bright": "mass", "faint": "mass", "dark": "area"}
SHAPED = {
    "wedge": "wedge of {brightness} opacity",
    "crescent": "crescent of {brightness} opacity",
    "linear": "linear {brightness} band",
}
PLACES = {
    "cxr": {"upper": "in the upper lung", "middle": "in the middle lung", "lower": "in the lower lung", "central": "in the centre of the chest",
            "lateral": "at the lateral lung border", "apical": "at the apex of the lung"},
    "ct": {"upper": "in the upper lung", "middle": "in the middle lung", "lower": "in the lower lung", "central": "in the centre of the chest",
           "peripheral": "at the edge of the lung", "posterior": "at the back of the chest"},
    "mri": {"deep": "deep in the brain", "lobar": "in a lobe of the brain", "peripheral": "at the edge of the brain",
            "central": "in the centre of the brain", "periventricular": "beside the ventricles"},
    "ultrasound": {"superficial": "near the skin", "middle": "in the middle of the breast", "deep": "deep in the breast"},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=SEEDS)
    print(as_yaml(parser.parse_args().which), end="")


def as_yaml(which: str) -> str:
    """The file of one of `SEEDS`."""
    head = f"# Drawn by invent.py with seed {SEEDS[which]}, after the settings of teaching and asking had been fixed; no figure was looked at.\n"
    before = development_tasks() if which == "new" else (*development_tasks(), *new_tasks())
    rows = [row for domain in DOMAINS for row in _rows(domain, which, before)]
    return head + yaml.safe_dump({"findings": rows}, sort_keys=False, width=120)


def _rows(domain: DomainName, which: str, before: Sequence[Task]) -> Iterator[dict[str, object]]:
    known = {one.identity for one in findings_of(domain)}
    known |= {task.finding.identity for task in before if task.domain.name == domain}
    rng = np.random.default_rng((SEEDS[which], *domain.encode()))
    for place, name in enumerate(NAMES[which][domain]):
        look = _look(domain, known, rng)
        known.add(look.identity)
        yield {
            "id": f"{which}_{domain}_{'abc'[place]}", "domain": domain, "name": name, "shape": look.shape, "margin": look.margin,
            "intensity": look.intensity, "texture": look.texture, "size": [look.size], "number": look.number, "place": [look.place],
            "caption": caption(domain, look),
        }  # fmt: skip


def _look(domain: DomainName, known: set[tuple[str, str, str]], rng: np.random.Generator) -> Attributes:
    while True:
        look = draw_look(domain, rng)
        if look.identity in known or look.place not in PLACES[domain]:
            continue
        if look.shape not in ("round", "oval", "lobulated", "irregular", *SHAPED):
            continue
        drawn = [DRAWERS[domain].draw_plane("unnamed", rng, side=SIDE, attributes=look) for _ in range(10)]
        if sum(is_seen(domain, look, one.plane, one.mask) for one in drawn) >= 9:
            return look


def caption(domain: DomainName, look: Attributes) -> str:
    """The look in words.

    >>> look = Attributes(shape="wedge", margin="sharp", intensity="very_bright", texture="uniform", size="large", number="single", place="deep")
    >>> caption("mri", look)
    'a single large wedge of very bright opacity with a sharp margin and uniform texture deep in the brain'
    """
    brightness = look.intensity.replace("_", " ")
    thing = SHAPED.get(look.shape, f"{look.shape} {brightness} {NOUNS[look.intensity]}").format(brightness=brightness)
    return f"a single {look.size} {thing} with a {look.margin} margin and {look.texture} texture {PLACES[domain][look.place]}"


if __name__ == "__main__":
    main()
