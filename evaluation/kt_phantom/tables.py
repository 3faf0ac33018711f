"""Tables and plots of what `run.py` measured.

    python evaluation/kt_phantom/tables.py evaluation/kt_phantom/results

Means are over findings and seeds; the column "findings" says over how many. Intervals are BCa bootstraps over findings (a
finding's seeds stay together), so they speak of another finding of this kind, not of another seed. Tests against the base
are sign flips over findings.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from medkt.statistics import bootstrap_interval, flip_signs

FURTHER = ("base, by description", "packaged", "noise starts", "whole way")
CONTROLS = (
    "noise images", "normal studies", "zero loss", "random change", "no name", "other words", "shuffled words",
)  # fmt: skip
Rows = list[dict[str, object]]


def main() -> None:
    folder = Path(sys.argv[1])
    lines = [line for path in sorted(folder.glob("rows*.jsonl")) for line in path.read_text().splitlines()]
    rows: Rows = [json.loads(line) for line in lines]
    conditions = _ordered(rows)
    text = "\n\n".join([_head(rows), _summary(rows, conditions), _by_finding(rows), _segmentation(rows)]) + "\n"
    (folder / "tables.md").write_text(text, encoding="utf-8")
    _labels_plot(rows, folder / "labels.png")
    _trade_off(rows, folder / "trade_off.png")
    print(text)


def _head(rows: Rows) -> str:
    seeds = {c: sorted({len(own) for own in _by(rows, c).values()}) for c in _ordered(rows)}
    counted = ", ".join(f"{c}: {' or '.join(map(str, n))}" for c, n in seeds.items())
    return (
        "# Knowledge transfer on findings that the small model never met\n\n"
        "`python evaluation/kt_phantom/run.py`; what the conditions are is said there. Accuracy: by bare name among the "
        "known findings of the domain and the new one. Known: change, in points, of the accuracy on phantoms of the known "
        "findings, with the new name among the choices. Settings were chosen on the invented findings of "
        "`development.yaml`, not on these. All eight had been measured with earlier settings before those, and that some "
        "of them learned badly is why findings that differ from a known one in one trait were invented; two (Hampton hump, "
        "hamartoma) were looked at while the augmentation was being chosen.\n\n"
        f"Seeds: {counted}."
    )


def _summary(rows: Rows, conditions: list[str]) -> str:
    out = [
        "## All findings",
        "",
        "| condition | findings | accuracy by bare name | change of known findings, points | p against base |",
        "|---|---|---|---|---|",
    ]
    base = _by(rows, "base")
    for condition in conditions:
        found = _by(rows, condition)
        accuracy = _interval([(f, v["accuracy"]) for f, vs in found.items() for v in vs])
        known = _interval([(f, 100 * (v["known"] - base[f][0]["known"])) for f, vs in found.items() for v in vs])
        gains = np.array([np.mean([v["accuracy"] for v in vs]) - base[f][0]["accuracy"] for f, vs in found.items()])
        p = "" if condition == "base" else f"{flip_signs(gains).p_value:.3f}"
        out.append(f"| {condition} | {len(found)} | {_said(accuracy, 2)} | {_said(known, 1)} | {p} |")
    return "\n".join(out)


def _by_finding(rows: Rows) -> str:
    out = [
        "## By finding",
        "",
        "| finding | base | fast | known, points | noise | real 100 | share of real 100 |",
        "|---|---|---|---|---|---|---|",
    ]
    base = _by(rows, "base")
    parts = {c: _by(rows, c) for c in ("fast", "noise images", "real 100")}
    for finding in base:
        mean = {c: np.mean([v["accuracy"] for v in p[finding]]) if finding in p else np.nan for c, p in parts.items()}
        before = base[finding][0]["accuracy"]
        known = 100 * np.mean([v["known"] - base[finding][0]["known"] for v in parts["fast"][finding]])
        share = mean["fast"] / mean["real 100"]
        out.append(
            f"| {finding} | {before:.2f} | {mean['fast']:.2f} | {known:+.1f} | {mean['noise images']:.2f} | "
            f"{mean['real 100']:.2f} | {100 * share:.0f} % |"
        )
    return "\n".join(out)


def _segmentation(rows: Rows) -> str:
    base = _by(rows, "base", "segmented")
    out = [
        "## Segmentation by bare name", "",
        "`medkt segment` with the name alone, presence gate on, not seen counted as 0; phantom images of 256 x 256 pixels of 1 mm. "
        "The change is of each image against the base; p is of a sign flip over findings.",
        "", "| condition | seeds | seen | DSC | IoU | NSD at 2 mm | change of DSC | p |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for condition in _ordered(rows):
        found = _by(rows, condition, "segmented")
        if set(found) != set(base):
            continue  # measured for some of the findings only
        cells = [
            _said(_interval([(f, s[metric]) for f, vs in found.items() for v in vs for s in v["segmented"]]), 2)
            for metric in ("seen", "dsc", "iou", "nsd@2mm")
        ]
        change = [
            (f, s["dsc"] - b["dsc"])
            for f, vs in found.items()
            for v in vs
            for s, b in zip(v["segmented"], base[f][0]["segmented"], strict=True)
        ]
        by_finding = np.array([np.mean([d for g, d in change if g == f]) for f in found])
        said = ["", ""]
        if condition != "base":
            said = [_said(_interval(change), 2), f"{flip_signs(by_finding).p_value:.3f}"]
        seeds = " or ".join(map(str, sorted({len(own) for own in found.values()})))
        out.append(f"| {condition} | {seeds} | {' | '.join(cells)} | {' | '.join(said)} |")
    return "\n".join(out)


def _labels_plot(rows: Rows, path: Path) -> None:
    """How many labelled images a paragraph is worth."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    counts = sorted(int(str(c).split()[1]) for c in {r["condition"] for r in rows} if str(c).startswith("real "))
    found = [_interval([(f, v["accuracy"]) for f, vs in _by(rows, f"real {n}").items() for v in vs]) for n in counts]
    middle = [x[0] for x in found]
    axis.errorbar(
        counts,
        middle,
        yerr=_arms(found),
        marker="o",
        capsize=3,
        color="#333",
        label="N labelled images, same fine-tuning",
    )
    for condition, colour in (("fast", "#b3261e"), ("noise images", "#888"), ("base", "#3367d6")):
        mean, low, high = _interval([(f, v["accuracy"]) for f, vs in _by(rows, condition).items() for v in vs])
        axis.axhline(mean, color=colour, label=f"{'a description' if condition == 'fast' else condition}: {mean:.2f}")
        if condition == "fast":
            axis.axhspan(low, high, color=colour, alpha=0.12)
    axis.set_xscale("log")
    axis.set_xticks(counts, [str(n) for n in counts])
    axis.set_xlabel("labelled phantom images")
    axis.set_ylabel("accuracy by bare name")
    axis.set_ylim(0, 1.02)
    axis.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _trade_off(rows: Rows, path: Path) -> None:
    """What is gained against what is forgotten, one point a condition."""
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    base = _by(rows, "base")
    labels: dict[tuple[float, float], list[str]] = {}
    for condition in _ordered(rows):
        found = _by(rows, condition)
        if len(found) < len(base):
            continue  # a mean over some of the findings has no place beside means over all
        gain = np.mean([np.mean([v["accuracy"] for v in vs]) for vs in found.values()])
        cost = 100 * np.mean([np.mean([v["known"] for v in vs]) - base[f][0]["known"] for f, vs in found.items()])
        colour = "#b3261e" if condition == "fast" else "#333" if condition.startswith("real") else "#888"
        axis.plot(cost, gain, "o", color=colour, zorder=3 if condition == "fast" else 2)
        near = [p for p in labels if abs(p[0] - cost) < 0.7 and abs(p[1] - gain) < 0.025]  # one label for them all
        labels.setdefault(near[0] if near else (float(cost), float(gain)), []).append(condition)
    for (cost, gain), conditions in labels.items():
        where, side = ((-6, 3), "right") if cost > -5 else ((0, 6), "center")
        axis.annotate(
            ", ".join(conditions).replace(", real ", ", "),
            (cost, gain),
            fontsize=7,
            xytext=where,
            textcoords="offset points",
            ha=side,
        )
    axis.set_ylim(top=1.06)
    axis.axvline(-1.5, color="#3367d6", lw=0.8, ls=":")
    axis.axhline(0.9, color="#3367d6", lw=0.8, ls=":")
    axis.set_xlabel("change of the accuracy on known findings, points")
    axis.set_ylabel("accuracy by bare name")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _by(rows: Rows, condition: str, needs: str = "accuracy") -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for row in rows:
        if row["condition"] == condition and needs in row:
            found[str(row["finding"])].append(row)  # type: ignore[arg-type]
    return found


def _ordered(rows: Rows) -> list[str]:
    there = list(dict.fromkeys(str(row["condition"]) for row in rows))
    first = [c for c in ("base", "fast", *FURTHER) if c in there]
    real = sorted((c for c in there if c.startswith("real ")), key=lambda c: int(c.split()[1]))
    paper = [c for c in there if c.startswith("kt-paper")]
    return [*first, *paper, *(c for c in CONTROLS if c in there), *real]


def _interval(values: list[tuple[str, float]]) -> tuple[float, float, float]:
    by_finding: dict[str, list[float]] = defaultdict(list)
    for finding, value in values:
        by_finding[finding].append(value)
    means = np.array([np.mean(own) for own in by_finding.values()])  # every finding counts alike, whatever its seeds
    found = bootstrap_interval(means, np.array(list(by_finding)))
    return found.estimate, found.low, found.high


def _arms(found: list[tuple[float, float, float]]) -> list[list[float]]:
    return [[m - low for m, low, _ in found], [high - m for m, _, high in found]]


def _said(interval: tuple[float, float, float], digits: int) -> str:
    mean, low, high = interval
    return f"{mean:.{digits}f}" if np.isnan(low) else f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
