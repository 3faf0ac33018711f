"""Several learnt concepts in one file, kept apart, with a table of how much they get in each other's way.

The changes of the weights stand side by side, each under its concept; laying them over a model is the matter of
`medkt.transfer`. Two changes that point the same way or against each other cannot both be had by adding them up: the
cosine between them says how much (task vectors, Ilharco et al. 2023, Editing models with task arithmetic, section 5).
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medkt.bounds import several_of
from medkt.concepts.changes import Changes, changes_of, dot
from medkt.concepts.package import Package, PackagedConcept, read_package, write
from medkt.errors import InputError, WeightsError


def compose(paths: Iterable[str | Path], output: str | Path) -> Package:
    """Put the concepts of several packages into one, unsigned, and store the table of interference.

    Args:
        paths: at least two `.medkt` files of one base model, no concept twice.
        output: the `.medkt` file to write.

    Raises:
        InputError: fewer than two files, or one concept in two of them.
        WeightsError: the files belong to different base models.
        UnreadableError, UnsupportedError, ...: a file is not sound, as `read_package`.
        OutputError: the file cannot be written.
    """
    files = several_of(paths)
    if len(files) < 2:
        raise InputError(f"compose takes at least two packages, got {len(files)}")
    packages = [read_package(path) for path in files]
    seen: dict[str, str] = {}
    for path, package in zip(files, packages, strict=True):
        if package.base.digest != packages[0].base.digest:
            one, other = packages[0].base, package.base
            raise WeightsError(
                f"{files[0]} was learnt for {one.name} ({one.digest[:12]}...) and {path} for {other.name} "
                f"({other.digest[:12]}...); put together what was learnt for one model"
            )
        for concept in package.concepts:
            if concept.id in seen:
                raise InputError(f"{path}: {concept.id} is in {seen[concept.id]} already; leave one out")
            seen[concept.id] = str(path)
    learnt = tuple(one for package in packages for one in package.learnt)
    table = {**interference(learnt), "parts": [_part(package) for package in packages]}
    return write(output, Package(learnt=learnt, base=packages[0].base, interference=table))


def interference(learnt: Sequence[PackagedConcept]) -> dict[str, Any]:
    """How the changes of the weights lie to each other.

    Gives:
        concepts: their ids, in the order of rows and columns.
        norm: the Euclidean length of each change.
        cosine: rows of cosines, over the weights that either changes; 0 where one changes nothing.
        shared: rows of shares: of the one's squared length, how much lies in tensors that the other changes too.
    """
    changes = [changes_of(one) for one in learnt]
    norms = [math.sqrt(dot(one, one)) for one in changes]
    cosine = [
        [1.0 if i == j else _cosine(changes[i], changes[j], norms[i], norms[j]) for j in range(len(changes))]
        for i in range(len(changes))
    ]
    return {
        "concepts": [one.concept.id for one in learnt],
        "norm": [float(f"{norm:.6g}") for norm in norms],
        "cosine": cosine,
        "shared": [[_shared(one, other) for other in changes] for one in changes],
    }


def _cosine(one: Changes, other: Changes, norm: float, other_norm: float) -> float:
    return round(dot(one, other) / (norm * other_norm), 6) if norm and other_norm else 0.0


def _shared(one: Changes, other: Changes) -> float:
    whole = dot(one, one)
    common = {name: one[name] for name in one if name in other}
    return round(dot(common, common) / whole, 6) if whole else 0.0


def _part(package: Package) -> dict[str, Any]:
    signer = package.signature.get("public_key", "")
    return {"concepts": [concept.id for concept in package.concepts], "manifest": package.digest, "public_key": signer}
