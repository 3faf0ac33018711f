"""What is to be learned, and the phantoms that say whether it was: test images that nothing was trained or chosen on."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor
from torch.nn import functional

from medkt.asking.pictures import SIDE
from medkt.concepts import Caption, Concept, load_concept
from medkt.domains import Domain, domain
from medkt.models.encoder import DualEncoder
from medkt.models.framing import normalise
from medkt.models.small import load_small
from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import DOMAINS, DomainName, Finding, findings, findings_of

HERE = Path(__file__).resolve().parent
TEST_SEED, REAL_SEED = 41, 43  # phantoms to be judged by; labelled phantoms that are learned from
SETS = ("held", "invented", "new", "fresh")
"""Findings: held out of the small model's training; invented, on which settings are chosen; invented after they were fixed; invented
after the ways that tell a normal study apart had been fixed, too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One finding to be learned among the known ones of its domain."""

    finding: Finding
    concept: Concept
    domain: Domain
    known: tuple[Concept, ...]

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """For each known finding, then for the concept: the bare name and the domain's templates with it."""
        return tuple(names_of(one, self.domain) for one in (*self.known, self.concept))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tests:
    """Normalised phantoms of one task; `labels` are positions in `Task.names`."""

    pixels: Tensor
    labels: Tensor


def held_out_tasks() -> tuple[Task, ...]:
    """The eight findings that the small model never met."""
    return tuple(_task(f, load_concept(f.id)) for d in DOMAINS for f in findings_of(d, held_out=True))


def development_tasks() -> tuple[Task, ...]:
    """Sixteen invented ones, for choosing settings."""
    return _invented("development.yaml")


def new_tasks() -> tuple[Task, ...]:
    """Twelve more, drawn after the settings of teaching had been fixed; none before that."""
    return _invented("new.yaml") if (HERE / "new.yaml").exists() else ()


def fresh_tasks() -> tuple[Task, ...]:
    """Twelve more, drawn after the way of asking that a package takes had been fixed; none before that."""
    return _invented("fresh.yaml") if (HERE / "fresh.yaml").exists() else ()


@cache
def tasks_of(name: str) -> tuple[Task, ...]:
    """The findings of one of `SETS`."""
    makers = {"held": held_out_tasks, "invented": development_tasks, "new": new_tasks, "fresh": fresh_tasks}
    if name not in makers:
        raise SystemExit(f"--findings: no set {name!r}; known: {', '.join(SETS)}")
    return makers[name]()


def _invented(file: str) -> tuple[Task, ...]:
    tasks = []
    for row in yaml.safe_load((HERE / file).read_text(encoding="utf-8"))["findings"]:
        said = row.pop("caption")
        finding = Finding(**{**row, "size": tuple(row["size"]), "place": tuple(row["place"])})
        captions = tuple(
            Caption(text=text, roles=("inversion", "finetune", "prompt"))
            for text in ([said] if isinstance(said, str) else said)
        )
        tasks.append(
            _task(finding, Concept(id=finding.id, name=finding.name, captions=captions, modality=row["domain"]))
        )
    return tuple(tasks)


def names_of(concept: Concept, kind: Domain) -> tuple[str, ...]:
    """The bare name and the templates with it; no description."""
    return (concept.name, *(t.format(finding=concept.name) for t in kind.words_for(concept).templates))


def tests_of(task: Task, *, each: int, each_known: int) -> Tests:
    """Phantoms of the finding and of every known one."""
    planes, labels = [], []
    for label, one in enumerate((*task.known, task.concept)):
        count = each if one is task.concept else each_known
        planes += draw(task.finding if one is task.concept else one.id, task.domain.name, range(count), TEST_SEED)
        labels += [label] * count
    return Tests(pixels=pixels_of(planes), labels=torch.tensor(labels))


def real_images(task: Task, count: int, seed: int) -> Tensor:
    """Labelled phantoms of the finding to learn from, (images, 3, side, side) in [0, 1]."""
    planes = draw(task.finding, task.domain.name, range(seed * 1000, seed * 1000 + count), REAL_SEED)
    return torch.from_numpy(np.stack(planes))[:, None].expand(-1, 3, -1, -1).contiguous()


def draw(finding: Finding | str, name: str, numbers: range, seed: int) -> list[np.ndarray]:
    """Planes of one finding, float32 in [0, 1], on 256 grey levels."""
    planes = []
    for n in numbers:
        key = finding if isinstance(finding, str) else finding.id
        rng = np.random.default_rng((seed, *key.encode(), n))
        if key in findings():
            drawn = DRAWERS[_domain(name)].draw_plane(key, rng, side=SIDE)
        else:
            drawn = DRAWERS[_domain(name)].draw_plane("unnamed", rng, side=SIDE, attributes=finding.draw(rng))
        planes.append(np.rint(drawn.plane * 255).astype(np.float32) / 255)
    return planes


def pixels_of(planes: list[np.ndarray]) -> Tensor:
    """Planes as the small model takes them."""
    return normalise(torch.from_numpy(np.stack(planes))[:, None].expand(-1, 3, -1, -1), load_small().spec)


@torch.no_grad()
def unit_texts(encoder: DualEncoder, groups: tuple[tuple[str, ...], ...]) -> Tensor:
    """One unit vector a group: the mean of its texts' unit vectors."""
    rows = [
        functional.normalize(encoder.encode_text(encoder.tokenize(list(texts))), dim=-1).mean(0) for texts in groups
    ]
    return functional.normalize(torch.stack(rows), dim=-1)


def _task(finding: Finding, concept: Concept) -> Task:
    known = tuple(load_concept(f.id) for f in findings_of(finding.domain, held_out=False))
    return Task(finding=finding, concept=concept, domain=domain(finding.domain), known=known)


def _domain(name: str) -> DomainName:
    return next(d for d in DOMAINS if d == name)
