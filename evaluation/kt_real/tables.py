"""Tables and a plot of what `run.py` measured on real images.

    python evaluation/kt_real/tables.py evaluation/kt_real/results

Intervals are 95 % bootstraps over images (planes of one volume stay together), an image's seeds averaged first, drawn
within the class and within the others: they speak of other images like these, not of other findings.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "kt_phantom"))

from classes import CHOSEN, Chosen
from numpy.typing import NDArray

Rows = list[dict[str, object]]
CONDITIONS = (
    "base", "base, described", "fast", "noise images", "zero loss", "other words", "shuffled words", "real 1", "real 3",
    "real 10",
)  # fmt: skip
RESAMPLES = 4_000
SEGMENTATION = ("seen", "dsc", "iou", "nsd@2px")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """One condition on one class, its seeds averaged.

    Attributes:
        right, right_known: of each image of the class, and of each other one, the share of seeds with a right answer.
        taken: of each other image, the share of seeds that gave it the new name.
        above: for each image of the class and each other one, the share of seeds that put the first higher; ties half.
        groups, groups_known: whose volume or image each is.
        phantoms: accuracy on phantoms of known findings.
        seeds: how many.
    """

    right: NDArray[np.float64]
    right_known: NDArray[np.float64]
    taken: NDArray[np.float64]
    above: NDArray[np.float64]
    groups: NDArray[np.int64]
    groups_known: NDArray[np.int64]
    phantoms: float
    seeds: int

    def drawn(self) -> dict[str, NDArray[np.float64]]:
        """Accuracy, known, taken and AUC: as they are (first), then of every resample. The same draws for every condition."""
        rng = np.random.default_rng(0)
        made: dict[str, list[float]] = {name: [] for name in ("accuracy", "known", "taken", "auc")}
        for n in range(RESAMPLES + 1):
            mine = _draw(self.groups, rng) if n else np.arange(len(self.groups))
            others = _draw(self.groups_known, rng) if n else np.arange(len(self.groups_known))
            made["accuracy"].append(self.right[mine].mean())
            made["known"].append(self.right_known[others].mean())
            made["taken"].append(self.taken[others].mean())
            made["auc"].append(self.above[np.ix_(mine, others)].mean())
        return {name: np.array(values) for name, values in made.items()}


def main() -> None:
    folder = Path(sys.argv[1])
    rows: Rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    drawn: dict[tuple[str, str], dict[str, NDArray[np.float64]]] = {}
    classes = [_of_class(rows, chosen, drawn) for chosen in CHOSEN]
    parts = [_head(rows), _summary(drawn), *classes, _segmentation(rows)]
    (folder / "tables.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    _plot(drawn, folder / "real.png")
    print("\n\n".join(parts))


def _head(rows: Rows) -> str:
    seeds = {c: len({r["seed"] for r in rows if r["condition"] == c}) for c in CONDITIONS}
    return (
        "# Knowledge transfer on real images\n\n"
        "`python evaluation/kt_real/run.py` with the shipped small model and medkt's default settings, which were chosen on "
        "invented phantom findings and not on these images; what the conditions are is said there. All images asked about "
        "have the role `validate` in ../shared/data: none was trained on, by base or learning; the base's own card reports "
        "on most of them. Accuracy: images of the class whose nearest name, among all names of the domain, is the new one. "
        "Known: images of the other classes that get a name that is right for them. Taken: those of them that get the new "
        "name. AUC: of the cosine with the bare name, the class against the others. Phantoms: accuracy on phantoms of known "
        "findings. 95 % intervals over images, too narrow where there are fewer than 20; changes are against the base, image by "
        "image. "
        f"Seeds: {', '.join(f'{c}: {n}' for c, n in seeds.items() if n)}."
    )


def _summary(drawn: dict[tuple[str, str], dict[str, NDArray[np.float64]]]) -> str:
    """Every class in one row each, without intervals."""
    shown = [c for c in CONDITIONS if any(condition == c for _, condition in drawn)]
    out = ["## All classes: accuracy / AUC / taken", "", f"| class | {' | '.join(shown)} |"]
    out.append(f"|---|{'---|' * len(shown)}")
    for chosen in CHOSEN:
        found = [drawn.get((chosen.concept, c)) for c in shown]
        cells = [
            "" if one is None else " / ".join(f"{one[n][0]:.2f}" for n in ("accuracy", "auc", "taken")) for one in found
        ]
        out.append(f"| {chosen.concept} ({chosen.kind}) | {' | '.join(cells)} |")
    return "\n".join(out)


def _of_class(rows: Rows, chosen: Chosen, drawn: dict[tuple[str, str], dict[str, NDArray[np.float64]]]) -> str:
    there = [c for c in CONDITIONS if any(r["finding"] == chosen.concept and r["condition"] == c for r in rows)]
    asked = {c: _asked(rows, chosen, c) for c in there}
    base = asked["base"]
    drawn |= {(chosen.concept, c): one.drawn() for c, one in asked.items()}
    before = drawn[chosen.concept, "base"]
    out = [
        f"## {chosen.concept}: {chosen.kind}",
        "",
        f"{chosen.why} {len(base.right)} images of it and {len(base.right_known)} others.",
        "",
        "| condition | accuracy | change, points | AUC | change of AUC | known, points | taken | phantoms, points |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for condition in there:
        now = drawn[chosen.concept, condition]
        change = {name: now[name] - before[name] for name in now}
        cells = [_said(now["accuracy"]), _said(100 * change["accuracy"], 0), _said(now["auc"])]
        cells += [_said(change["auc"]), _said(100 * change["known"], 0), f"{now['taken'][0]:.2f}"]
        cells.append(f"{100 * (asked[condition].phantoms - base.phantoms):+.1f}")
        if condition == "base":
            cells[1], cells[3], cells[6] = "", "", f"({base.phantoms:.2f})"
            cells[4] = f"({_said(now['known'])})"
        out.append(f"| {condition} | {' | '.join(cells)} |")
    return "\n".join([*out, "", _answers(rows, chosen)])


def _answers(rows: Rows, chosen: Chosen) -> str:
    """What the images of the class are called, before and after."""
    said = []
    for condition in ("base", "fast", "real 10"):
        found = [r for r in rows if r["finding"] == chosen.concept and r["condition"] == condition]
        counts = Counter(
            answer
            for row in found
            for answer, label in zip(_list(row, "answers"), _list(row, "labels"), strict=True)
            if label == chosen.label
        )
        total = sum(counts.values())
        words = ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in counts.most_common(4))
        said.append(f"{condition}: {words}" if total else f"{condition}: not run")
    return "Called: " + "; ".join(said) + "."


def _segmentation(rows: Rows) -> str:
    out = [
        "## Segmentation by bare name",
        "",
        "`medkt segment` with the name alone, default settings, gate on, not seen counted as 0; seed 0; NSD at 2 pixels. "
        "Means with 95 % intervals over images; no class of the radiographs has outlines.",
        "",
        f"| class | images | condition | {' | '.join(SEGMENTATION)} | change of DSC |",
        f"|---|---|---|{'---|' * (len(SEGMENTATION) + 1)}",
    ]
    for row in (r for r in rows if r.get("segmented")):
        (base,) = (r for r in rows if r["finding"] == row["finding"] and r["condition"] == "base")
        values = {name: np.array([one[name] for one in _list(row, "segmented")]) for name in SEGMENTATION}
        before = np.array([one["dsc"] for one in _list(base, "segmented")])
        cells = [_said(_means(values[name])) for name in SEGMENTATION]
        change = "" if row is base else _said(_means(values["dsc"] - before))
        out.append(f"| {row['finding']} | {len(before)} | {row['condition']} | {' | '.join(cells)} | {change} |")
    return "\n".join(out)


def _plot(drawn: dict[tuple[str, str], dict[str, NDArray[np.float64]]], path: Path) -> None:
    """Accuracy and AUC of every class and condition."""
    figure, axes = plt.subplots(2, len(CHOSEN), figsize=(12, 5.5), layout="constrained", sharey="row", squeeze=False)
    for column, chosen in enumerate(CHOSEN):
        there = [c for c in CONDITIONS if (chosen.concept, c) in drawn]
        for row, name in enumerate(("accuracy", "auc")):
            axis = axes[row, column]
            for place, condition in enumerate(there):
                middle, low, high = _interval(drawn[chosen.concept, condition][name])
                colour = {"fast": "#b3261e"}.get(condition, "#333" if condition.startswith("real") else "#888")
                arms = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
                axis.errorbar(place, middle, yerr=arms, fmt="o", color=colour, capsize=3)
            axis.axhline(drawn[chosen.concept, "base"][name][0], color="#3367d6", lw=0.8, ls=":")
            axis.set_ylim(-0.03, 1.03)
            axis.set_xticks(range(len(there)), there if row else [""] * len(there), rotation=60, ha="right", fontsize=8)
        axes[0, column].set_title(f"{chosen.concept}\n({chosen.kind})", fontsize=9)
    axes[0, 0].set_ylabel("accuracy by bare name")
    axes[1, 0].set_ylabel("AUC of the bare name")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _asked(rows: Rows, chosen: Chosen, condition: str) -> Asked:
    found = [r for r in rows if r["finding"] == chosen.concept and r["condition"] == condition]
    mine = np.array([label == chosen.label for label in _list(found[0], "labels")])
    groups = np.unique([path.split("#")[0] for path in _list(found[0], "images")], return_inverse=True)[1]
    right, taken, cosine = (np.array([_list(r, n) for r in found], float) for n in ("right", "called_new", "cosine"))
    gap = cosine[:, mine][:, :, None] - cosine[:, ~mine][:, None, :]
    return Asked(
        right=right[:, mine].mean(0), right_known=right[:, ~mine].mean(0), taken=taken[:, ~mine].mean(0),
        above=((gap > 0) + 0.5 * (gap == 0)).mean(0), groups=groups[mine], groups_known=groups[~mine],
        phantoms=float(np.mean([float(str(r["phantoms"])) for r in found])), seeds=len(found),
    )  # fmt: skip


def _draw(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions of as many groups, drawn with replacement."""
    names = np.unique(groups)
    return np.concatenate([np.flatnonzero(groups == one) for one in rng.choice(names, len(names))])


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    return np.concatenate([[values.mean()], values[drawn].mean(1)])


def _interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def _said(values: NDArray[np.float64], digits: int = 2) -> str:
    middle, low, high = (round(one, digits) + 0.0 for one in _interval(values))  # no -0.00
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _list(row: dict[str, object], name: str) -> list:  # type: ignore[type-arg]
    found = row[name]
    if not isinstance(found, list):
        raise TypeError(f"{name} of {row['finding']}, {row['condition']} is no list")
    return found


if __name__ == "__main__":
    main()
