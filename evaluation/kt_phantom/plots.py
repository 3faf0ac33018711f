"""Plots of what `run.py` measured.

python evaluation/kt_phantom/plots.py                               # areas.png and labelled.png in evaluation/kt_phantom/results
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from tables import LABELLED, TITLES, Row, asked, first_of, of, over_findings, read
from tasks import HERE, SETS

AGAINST = {"auc_others": "AUC of the lead against others", "auc_normals": "AUC of the lead against normals"}
COLOURS = {"base": "#3367d6", "local": "#b3261e", "fast": "#7b5ea7"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=HERE / "results")
    folder = parser.parse_args().folder
    rows = read(folder / "rows.jsonl")
    areas(rows, folder / "areas.png")
    labelled(of(rows, set="held"), folder / "labelled.png")


def areas(rows: Sequence[Row], path: Path) -> None:
    """Both areas of every condition and way, set by set; bars are intervals over findings."""
    sets = [name for name in SETS if of(rows, set=name)]
    heights = [len(asked(of(rows, set=name))) for name in sets]
    figure, axes = plt.subplots(
        len(sets), 2, figsize=(11, 0.6 + 0.24 * sum(heights) + 0.9 * len(sets)), squeeze=False, layout="constrained",
        gridspec_kw={"height_ratios": heights},
    )  # fmt: skip
    for line, name in zip(axes, sets, strict=True):
        own = of(rows, set=name)
        for axis, measure in zip(line, AGAINST, strict=True):
            _dots(axis, own, measure)
            axis.set_title(f"{TITLES[name]}: {AGAINST[measure]}", fontsize=9)
        line[1].set_yticklabels([])
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _dots(axis: Axes, rows: Sequence[Row], measure: str) -> None:
    shown = asked(rows)
    for place, (condition, way) in enumerate(shown):
        found = over_findings(of(rows, condition=condition, way=way), first_of(measure))
        colour = COLOURS.get(condition, "#222" if condition.startswith(LABELLED) else "#999")
        axis.plot([found.low, found.high], [place, place], color=colour, lw=1.5)
        axis.plot(found.estimate, place, "o", color=colour, ms=4)
    axis.axvline(0.5, color="#888", lw=0.8, ls=":")
    axis.axvline(0.95, color="#3a3", lw=0.8, ls=":")
    axis.set_yticks(range(len(shown)), [f"{condition}, by {way}" for condition, way in shown], fontsize=7)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_xlim(0.0, 1.02)


def labelled(rows: Sequence[Row], path: Path) -> None:
    """How many labelled images a description is worth: what the lead ranks, and accuracy, asked by name and by the virtual text.

    All of the findings that were taught with every number of images: a mean over others would be no comparison.
    """
    counts = sorted(
        {int(row["condition"].removeprefix(LABELLED)) for row in rows if row["condition"].startswith(LABELLED)}
    )
    if len(counts) < 2:  # a point is no curve
        return
    rows, findings = _of_all(rows, counts)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    figure.suptitle(f"{len(findings)} findings: {', '.join(findings)}", fontsize=9)
    titles = {**AGAINST, "accuracy": "accuracy at a lead above 0"}
    for axis, (measure, title) in zip(axes, titles.items(), strict=True):
        for way, style in (("name", "-"), ("virtual", "--")):
            found = [over_findings(of(rows, condition=f"{LABELLED}{n}", way=way), first_of(measure)) for n in counts]
            axis.plot(counts, [one.estimate for one in found], f"o{style}", color="#222", label=f"labelled, by {way}")
            if way == "name":
                axis.fill_between(
                    counts, [one.low for one in found], [one.high for one in found], color="#222", alpha=0.1
                )
        for condition, way, style in (
            ("local", "name", "-"),
            ("local", "virtual", "--"),
            ("base", "virtual among all", ":"),
        ):
            own = of(rows, condition=condition, way=way)
            if own and not (measure == "accuracy" and "all" in way):  # with a bank a lead of 0 has no meaning
                value = over_findings(own, first_of(measure)).estimate
                axis.axhline(value, color=COLOURS[condition], ls=style, label=f"{condition}, by {way}: {value:.2f}")
        axis.set_xscale("log")
        axis.set_xticks(counts, [str(n) for n in counts])
        axis.set_xlabel("labelled phantoms learned from")
        axis.set_title(title, fontsize=10)
        axis.set_ylim(top=1.02)
        axis.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _of_all(rows: Sequence[Row], counts: Sequence[int]) -> tuple[list[Row], list[str]]:
    """The rows of findings that were taught with each of these numbers of images, and which they are."""
    taught = [{row["finding"] for row in of(rows, condition=f"{LABELLED}{n}")} for n in counts]
    common = sorted(set.intersection(*taught))
    return [row for row in rows if row["finding"] in common], common


if __name__ == "__main__":
    main()
