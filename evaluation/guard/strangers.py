"""What the guard holds back: strangers that must not get a claim, and studies that must.

    python evaluation/guard/strangers.py --data ../shared/data                        # everything, about five minutes of one core
    python evaluation/guard/strangers.py --data ../shared/data --only first,reals     # parts
    python evaluation/guard/strangers.py --data ../shared/data --write evaluation/guard/results/strangers.md

Every study is read from a file, shown and encoded as `medkt segment` does it, and asked for every finding of its modality's
default part of the body; no map is made, for nothing of one enters the answer. "Called seen" counts pairs of study and finding.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from first import REALS, Stranger, first_strangers, of_role
from second import second_strangers
from third import third_strangers
from variants import variants

from medkt.concepts import load_concept
from medkt.domains import domain
from medkt.errors import MedktError
from medkt.guard import default_guard
from medkt.io import read_image
from medkt.models.registry import load_encoder
from medkt.phantom.finding import DOMAINS, findings_of
from medkt.phantom.study import write_study
from medkt.pipeline.answer import StudyAnswers
from medkt.pipeline.look import View, look_at, shown_plane, windows_of
from medkt.pipeline.words import texts_of
from medkt.presence.normals import default_normals
from medkt.saliency.targets import TextFeatureCache, embed_targets, texts_kept
from medkt.segmentation.presence import ThresholdRule
from medkt.segmentation.slicewise import features_of_planes
from medkt.statistics import wilson

PARTS = ("first", "second", "third", "phantoms", "volumes", "reals", "variants", "others")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One study, asked for every finding of a modality.

    Attributes:
        group, name: which study.
        modality: what it was read as.
        asked: how many findings.
        before, after: how many are called seen, without and with the guard.
        stopped: whether the guard holds the study back.
        codes: why, each reason's code.
        said: the first reason.
        error: why it was refused without an answer; "" where it was not.
    """

    group: str
    name: str
    modality: str
    asked: int = 0
    before: int = 0
    after: int = 0
    stopped: bool = False
    codes: tuple[str, ...] = ()
    said: str = ""
    error: str = ""


class Asker:
    """The shipped model and its guard, loaded once."""

    def __init__(self, name: str = "small") -> None:
        self._kept = TextFeatureCache()
        self.encoder = load_encoder(name)
        self.guard = default_guard(self.encoder)
        self.rule, self.normals = ThresholdRule(), default_normals(self.encoder)

    def ask(self, group: str, name: str, path: Path, modality: str, *, window: str | None = None) -> Answered:
        """All findings of the modality's default part of the body, in one file."""
        told = Answered(group=group, name=name, modality=modality)
        try:
            with texts_kept(self._kept):
                return self._asked(told, path, window)
        except MedktError as error:
            return Answered(**{**_fields(told), "error": str(error)[:160]})

    def _asked(self, told: Answered, path: Path, own: str | None) -> Answered:
        image, kind = read_image(path), domain(told.modality)
        concepts = [load_concept(name) for name in kind.findings]
        before = after = 0
        reasons: list = []
        for window in windows_of(kind, concepts) if own is None else (own,):
            looked = look_at(image, kind, View(modality=told.modality), window=window)
            features, _ = features_of_planes(self.encoder, looked.positions, partial(shown_plane, image, looked), None)
            asked = [(one, texts_of(kind, one)) for one in concepts if own or kind.window_for(one) == window]
            targets = embed_targets(self.encoder, [texts for _, texts in asked])
            answering = StudyAnswers(
                rule=self.rule, guard=None, settings=self.rule.settings, encoder=self.encoder, image=image, kind=kind,
                looked=looked, asked=asked, normals=self.normals,
            )  # fmt: skip
            before += sum(one.state == "seen" for one in answering(features, targets))
            for one in replace(answering, guard=self.guard)(features, targets):
                after, reasons = after + (one.state == "seen"), [*reasons, *one.reasons]
        codes = tuple(dict.fromkeys(reason.code for reason in reasons))
        return Answered(
            **{
                **_fields(told),
                "asked": len(concepts),
                "before": before,
                "after": after,
                "stopped": bool(reasons),
                "codes": codes,
                "said": reasons[0].sentence if reasons else "",
            }
        )


def _fields(told: Answered) -> dict:
    return {name: getattr(told, name) for name in ("group", "name", "modality")}


def strangers(asker: Asker, found: Iterable[Stranger]) -> Iterator[Answered]:
    for one in found:
        yield asker.ask(one.kind, one.name, one.path, one.modality)


def phantoms(asker: Asker, folder: Path, studies: int) -> Iterator[Answered]:
    """Fresh planes of every modality: half without a finding, half with any, held-out ones too; as PNG and as DICOM."""
    for modality in DOMAINS:
        every = [one.id for one in findings_of(modality)]
        for number in range(studies):
            finding = "" if number % 2 else every[(number // 2) % len(every)]
            form = "png" if modality in ("ct", "mri") or number % 4 < 2 else "dicom"
            path = write_study(
                folder / f"{modality}{number}", domain=modality, finding=finding, seed=1_510_000 + number, format=form
            )
            yield asker.ask("phantom planes", finding or "normal", path, modality)


def volumes(asker: Asker, folder: Path, studies: int) -> Iterator[Answered]:
    """Fresh CT and MR volumes as NIfTI and DICOM, upright and oblique."""
    for modality in ("ct", "mri"):
        every = [one.id for one in findings_of(modality)]
        for number in range(studies):
            finding = "" if number % 2 else every[(number // 2) % len(every)]
            path = write_study(
                folder / f"v{modality}{number}", domain=modality, finding=finding, seed=1_520_000 + number,
                format="nifti" if number % 3 else "dicom", oblique=number % 5 == 0,
            )  # fmt: skip
            yield asker.ask("phantom volumes", finding or "normal", path, modality)


def reals(asker: Asker, data: Path) -> Iterator[Answered]:
    """Real images of role "validate" that show a modality's own part of the body."""
    folders = [(shown, folder) for shown, folder in REALS.items()]
    folders += [("ultrasound", f"us/{name}/images") for name in ("bus_bra", "bus_uc", "breast_lesions_usg")]
    folders += [("cxr", "cxr/demo")]
    for modality, folder in folders:
        for path in of_role(data, folder, "validate"):
            if "mask" not in path.name:
                yield asker.ask("real images", folder, path, modality)
    for path in sorted((data / "mri/ms_lesions").glob("*/study*.nii.gz")):
        yield asker.ask("real volumes", path.name, path, "mri")


def others(asker: Asker, data: Path) -> Iterator[Answered]:
    """Real images of a modality that show another part of the body, shown without a bar."""
    for modality, folder in (
        ("ct", "ct/haemorrhage/images"),
        ("mri", "mri/hippocampus/images"),
        ("ultrasound", "us/liver/images"),
    ):
        for path in of_role(data, folder, "validate"):
            yield asker.ask("another part of the body", folder, path, modality)


def main() -> int:
    """Ask, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--studies", type=int, default=200, help="fresh phantom planes of each modality")
    parser.add_argument("--volumes", type=int, default=40, help="fresh phantom volumes of CT and of MRI")
    parser.add_argument("--rows", type=Path, help="keep every answer, one JSON a line")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    asker = Asker()
    rows: list[Answered] = []
    sections: list[str] = []
    with tempfile.TemporaryDirectory() as work:
        for part, answers in _parts(asker, Path(work), arguments).items():
            if part in arguments.only.split(","):
                made = list(answers())
                rows += made
                sections += [f"## {TITLES[part]}", "", *table(made, part), ""]
                print("\n".join(sections[-len(table(made, part)) - 3 :]), flush=True)
    if arguments.rows:
        arguments.rows.write_text(
            "".join(json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows), encoding="utf-8"
        )
    if arguments.write:
        head = [
            "# What the guard holds back",
            "",
            asker.guard.facts + ".",
            "Made by `python evaluation/guard/strangers.py`.",
            "",
        ]
        arguments.write.write_text("\n".join([*head, *sections]), encoding="utf-8")
    return 0


TITLES = {
    "first": "The first sixty strangers, on which the limits were set",
    "second": "The second sixty, of other kinds, made after the limits were set (some changed later: docs/concepts/guard.md)",
    "third": "The third sixty, of other kinds again, made when all limits stood and asked once",
    "phantoms": "Fresh phantom planes",
    "volumes": "Fresh phantom volumes",
    "reals": "Real images of role `validate` that show the modality's own part of the body",
    "variants": "The same, shown unusually",
    "others": "Real images of another part of the body (no bar)",
}


def _parts(asker: Asker, work: Path, arguments: argparse.Namespace) -> dict[str, Callable[[], Iterator[Answered]]]:
    data = arguments.data
    return {
        "first": lambda: strangers(asker, first_strangers(work / "first", data)),
        "second": lambda: strangers(asker, second_strangers(work / "second", data)),
        "third": lambda: strangers(asker, third_strangers(work / "third", data)),
        "phantoms": lambda: phantoms(asker, work, arguments.studies),
        "volumes": lambda: volumes(asker, work, arguments.volumes),
        "reals": lambda: reals(asker, data),
        "variants": lambda: variants(asker, work, data),
        "others": lambda: others(asker, data),
    }


def table(rows: Sequence[Answered], part: str) -> list[str]:
    """By kind of stranger, or by modality of what is none."""
    return _of_strangers(rows) if part in ("first", "second", "third") else _of_studies(rows, part)


def _of_strangers(rows: Sequence[Answered]) -> list[str]:
    lines = [
        "| kind | strangers | held back | refused | questions | called seen before | after |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in [*dict.fromkeys(row.group for row in rows), "all"]:
        some = [row for row in rows if kind in (row.group, "all")]
        lines.append(
            f"| {kind} | {len(some)} | {sum(r.stopped for r in some)} | {sum(bool(r.error) for r in some)} | {sum(r.asked for r in some)} "
            f"| {sum(r.before for r in some)} | {sum(r.after for r in some)} |"
        )
    left = [f"{row.group} {row.name} as {row.modality} ({row.after})" for row in rows if row.after]
    through = [f"{row.group} {row.name} as {row.modality}" for row in rows if not row.stopped and not row.error]
    return [
        *lines,
        "",
        f"Called seen still: {', '.join(left) or 'none'}.",
        f"Not held back: {', '.join(through) or 'none'}.",
    ]


def _of_studies(rows: Sequence[Answered], part: str) -> list[str]:
    lines = [
        "| modality | group | studies | held back | share, 95 % | why | refused |",
        "|---|---|---|---|---|---|---|",
    ]
    by_name = part in ("reals", "variants", "others")
    groups = list(dict.fromkeys((row.modality, row.name if by_name else row.group) for row in rows))
    both = [(modality, "all") for modality in dict.fromkeys(row.modality for row in rows)] if by_name else []
    for modality, group in [*groups, *both]:
        some = [
            r
            for r in rows
            if r.modality == modality and group in (r.name if by_name else r.group, "all") and not r.error
        ]
        refused = sum(
            bool(r.error) for r in rows if r.modality == modality and group in (r.name if by_name else r.group, "all")
        )
        stopped = [row for row in some if row.stopped]
        found = wilson(len(stopped), len(some))
        why = ", ".join(dict.fromkeys(code for row in stopped for code in row.codes)) or "-"
        share = f"{len(stopped) / max(1, len(some)):.1%} ({found.low:.1%} to {found.high:.1%})"
        lines.append(f"| {modality} | {group} | {len(some)} | {len(stopped)} | {share} | {why} | {refused} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
