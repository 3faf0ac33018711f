"""A layout of one's own: `a.png` beside `a.outline.png`."""

from pathlib import Path

from medkt.datasets.case import Case
from medkt.datasets.manifest import Manifest
from medkt.errors import InputError


def build(root: str | Path, *, concept: str = "", modality: str = "mammography") -> Manifest:
    """One case an outline."""
    outlines = sorted(Path(root).glob("*.outline.png"))
    if not outlines:
        raise InputError(f"{root}: no file ends in .outline.png; is it the right folder?")
    cases = tuple(
        Case(
            case_id=one.name.removesuffix(".outline.png"), image=one.with_name(one.name.replace(".outline", "")),
            references=(one,), reference_kind="mask", concept=concept, modality=modality, split="test",
        )
        for one in outlines
    )  # fmt: skip
    return Manifest(cases=cases, name=Path(root).name)
