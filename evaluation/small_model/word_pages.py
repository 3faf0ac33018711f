"""The pages of `words.py`: shares and means with intervals, and differences over the same pictures."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from medkt.examine import ROWS, difference, share, won
from medkt.examine.swaps import SEED, SIDE
from medkt.examine.told import SAID
from medkt.phantom.finding import DOMAINS
from medkt.statistics import Interval, bootstrap_interval
from small_model.kept import Kept
from small_model.two_lesions import CANDIDATES, MAPS, SEEDS
from small_model.two_lesions import SIDE as LESIONS_SIDE

Row = dict[str, float]
MOST_LOST = 0.01  # of the DSC of single lesions, that a better map may cost
DECIDED = (
    "Decided: **the default keeps unit noise**. Noise of the features misses the rule by a hair, for what it costs single lesions, and real\n"
    "breast lesions, at which the rule does not look, lose by it (below). `--set saliency.method.noise=feature` asks for it."
)


def words_page(kept: Kept, names: Mapping[str, str], commit: str) -> str:
    """Shares of pairs whose right sentence is nearer, by row and encoder."""
    wins = {name: _wins(kept, encoder) for name, encoder in names.items()}
    lines = [
        "# Word swaps: which sentence is of this picture?",
        "",
        f"Written by `python evaluation/small_model/words.py tables` at {commit}. Two sentences that differ in one thing, and a drawn",
        "picture that decides between them; the share of pairs whose right sentence has the higher cosine. Guessing gets 0.50.",
        "Intervals are Wilson's, 95 %. The frames of the sentences and the pictures are none of training's; `medkt/examine/swaps.py`",
        f"says how each row is drawn. Seed {SEED}, pictures of {SIDE} pixels.",
        "By phrases: the same weights, the sentence read phrase by phrase, each where in the picture it fits (`medkt/saliency/phrases.py`);",
        "what is denied counts the other way round, about a level that was set on other pictures (`words.py level`). The sharpness of",
        "that look was set on other pictures too. Differences: 95 %, bootstrap over the same pictures.",
        "",
        *(f"- {name}: encoder `{encoder}`" for name, encoder in names.items()),
        "",
    ]
    others = list(names)[1:]
    head = ["what is swapped", *names, *(f"{name} - shipped" for name in others)]
    lines += _table(head, (_words_row(row, wins, others) for row in ROWS))
    classes = sorted({key.partition("/")[0] for key in wins["shipped"] if key.startswith("class, ")})
    lines += [
        "",
        "Which of all findings of its domain a picture shows (`words.py classes`, another seed), by bare name or one description:",
        "",
    ]
    head[0] = "asked"
    lines += _table(head, (_words_row(row, wins, others) for row in classes))
    lines += ["", "Shipped, by domain:", ""]
    lines += _table(["", *DOMAINS], (_by_domain(row, wins["shipped"]) for row in ROWS))
    return "\n".join(lines) + "\n"


def _wins(kept: Kept, encoder: str) -> dict[str, float]:
    rows = list(kept.of(encoder=encoder))
    values = won(np.array([row["margin"] for row in rows], np.float64))
    return {str(row["key"]): float(value) for row, value in zip(rows, values, strict=True)}


def _starting(wins: Mapping[str, float], start: str) -> dict[str, float]:
    return {key: value for key, value in wins.items() if key.startswith(start)}


def _words_row(row: str, wins: Mapping[str, Mapping[str, float]], others: Sequence[str]) -> list[str]:
    own = {name: _starting(found, f"{row}/") for name, found in wins.items()}
    cells = [f"{_cell(share(np.array(list(one.values()))), 2)}, n={len(one)}" if one else "-" for one in own.values()]
    apart = [_less_shipped(own["shipped"], own[name]) for name in others]
    return [SAID.get(row, row), *cells, *apart]


def _less_shipped(shipped: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Over the pictures that both were asked about; how many, where that is not all."""
    both = [key for key in shipped if key in other]
    if not both:
        return "-"
    cell = _cell(difference(*({key: one[key] for key in both} for one in (shipped, other))), 2, sign=True)
    return cell if len(both) == len(shipped) else f"{cell}, n={len(both)}"


def _by_domain(row: str, wins: Mapping[str, float]) -> list[str]:
    found = [list(_starting(wins, f"{row}/{domain}/").values()) for domain in DOMAINS]
    return [row, *(f"{np.mean(one):.2f} (n={len(one)})" if one else "-" for one in found)]


def two_lesions_page(kept: Kept, names: Mapping[str, str], commit: str) -> str:
    """Every map on the reporting half, the choice on the choosing half, and encoders beside each other."""
    shipped = names["shipped"]
    lines = [
        "# Two lesions in one picture, one of them described",
        "",
        f"Written by `python evaluation/small_model/words.py tables` at {commit}. Each picture is asked two questions, one a lesion.",
        "Right by mean: the map's mean is larger in the own mask than in the other; by maximum: its largest value lies on the own",
        "lesion or less than a token beside it (guessing gets less than a half). DSC is of the mask that the line makes of the map, with the",
        "lesion that was asked for and with the other. Single lesions are other pictures, asked for by their concept. Presence is not",
        "decided; M2IB alone has ten steps and three noise samples. Intervals: 95 %, bootstrap over pictures.",
        "Seeds: "
        + ", ".join(f"{half} half {seed}" for half, seed in SEEDS.items())
        + f"; pictures of {LESIONS_SIDE} pixels.",
        "",
        *(f"- {name}: encoder `{encoder}`" for name, encoder in names.items()),
    ]
    for name, encoder in names.items():
        lines += ["", f"## Maps of the {name} encoder, reporting half", "", *_maps_table(kept, encoder, "reporting")]
        lines += ["", f"Right by mean / by maximum, by kind ({name}):", "", *_kinds_table(kept, encoder)]
        lines += [
            "",
            f"Less the default, over the same pictures ({name}):",
            "",
            *_differences(kept, encoder, "reporting"),
        ]
    lines += ["", "## Which default, on the choosing half", "", *_choice(kept, shipped)]
    lines += ["", DECIDED, "", *_besides(kept, shipped)]
    for name in list(names)[1:]:
        lines += ["", f"## {name} less shipped, over the same pictures", "", *_encoders(kept, shipped, names[name])]
    return "\n".join(lines) + "\n"


FIGURES: Mapping[str, Callable[[Row], float]] = {
    "right by mean": lambda row: row["mean"],
    "right by maximum": lambda row: row["maximum"],
    "DSC own": lambda row: row["own"],
    "DSC other": lambda row: row["other"],
    "mask nearer to own": lambda row: float(row["own"] > row["other"]),
}
SCORE = "score"


def _two(kept: Kept, encoder: str, half: str, map_: str, kind: str = "") -> dict[tuple[str, float], Row]:
    rows = kept.of(encoder=encoder, half=half, map=map_)
    return {(row["key"], row["question"]): row for row in rows if "own" in row and row["key"].startswith(kind)}  # type: ignore[attr-defined, misc]


def _single(kept: Kept, encoder: str, half: str, map_: str, kind: str = "single ") -> dict[tuple[str, float], Row]:
    rows = kept.of(encoder=encoder, half=half, map=map_)
    return {(row["key"], 0.0): row for row in rows if "dsc" in row and row["key"].startswith(kind)}  # type: ignore[attr-defined, misc]


def _over(rows: Mapping[tuple[str, float], Row], figure: Callable[[Row], float]) -> Interval:
    """The mean and its interval over pictures."""
    return bootstrap_interval(np.array([figure(row) for row in rows.values()]), np.array([key for key, _ in rows]))


def _apart(
    one: Mapping[tuple[str, float], Row], other: Mapping[tuple[str, float], Row], figure: Callable[[Row], float]
) -> Interval:
    """The second less the first, over what both were asked."""
    both = sorted(set(one) & set(other))
    return bootstrap_interval(
        np.array([figure(other[key]) - figure(one[key]) for key in both]), np.array([key for key, _ in both])
    )


def _score(row: Row) -> float:
    return row["mean"] + row["own"] - row["other"]


def _dsc(row: Row) -> float:
    return row["dsc"]


def _measured(kept: Kept, encoder: str, half: str) -> list[str]:
    return [name for name in MAPS if _two(kept, encoder, half, name)]


def _maps_table(kept: Kept, encoder: str, half: str) -> Iterator[str]:
    def cells(map_: str) -> list[str]:
        rows = _two(kept, encoder, half, map_)
        found = [_cell(_over(rows, figure)) for figure in FIGURES.values()]
        singles = [_single(kept, encoder, half, map_, f"single {kind}/") for kind in ("known", "held-out")]
        alone = [f"{_cell(_over(one, _dsc))}, n={len(one)}" if one else "-" for one in singles]
        return [map_, f"{len({key for key, _ in rows})} / {len(rows)}", *found, *alone]

    head = ["map", "pictures / questions", *FIGURES, "single, known: DSC", "single, held out: DSC"]
    yield from _table(head, (cells(name) for name in _measured(kept, encoder, half)))


def _kinds_table(kept: Kept, encoder: str) -> Iterator[str]:
    groups = {
        "free": ("free/", None),
        "known": ("known/", None),
        "held out asked for": ("held-out/", 0),
        "known beside it": ("held-out/", 1),
    }

    def cells(map_: str) -> list[str]:
        found = []
        for kind, question in groups.values():
            rows = _two(kept, encoder, "reporting", map_, kind)
            rows = {key: row for key, row in rows.items() if question in (None, key[1])}
            mean, most = (np.mean([figure(row) for row in rows.values()]) for figure in list(FIGURES.values())[:2])
            found.append(f"{mean:.2f} / {most:.2f} (n={len(rows)})")
        return [map_, *found]

    yield from _table(["map", *groups], (cells(name) for name in _measured(kept, encoder, "reporting")))


def _differences(kept: Kept, encoder: str, half: str) -> Iterator[str]:
    own = _two(kept, encoder, half, "default")

    def cells(map_: str) -> list[str]:
        rows = _two(kept, encoder, half, map_)
        figures = [FIGURES["right by mean"], FIGURES["right by maximum"], lambda row: row["own"] - row["other"]]
        alone = [
            _apart(_single(kept, encoder, half, "default", kind), _single(kept, encoder, half, map_, kind), _dsc)
            for kind in ("single known/", "single held-out/")
        ]
        found = [*(_apart(own, rows, figure) for figure in figures), *alone]
        return [map_, str(len(set(own) & set(rows))), *(_cell(one, sign=True) for one in found)]

    head = [
        "map",
        "questions",
        "right by mean",
        "right by maximum",
        "DSC own - other",
        "single, known: DSC",
        "single, held out: DSC",
    ]
    yield from _table(head, (cells(name) for name in _measured(kept, encoder, half) if name != "default"))


def _choice(kept: Kept, encoder: str) -> Iterator[str]:
    half = "choosing"
    own, alone = _two(kept, encoder, half, "default"), _single(kept, encoder, half, "default")
    gains, costs, scores = {}, {}, {}
    for name in CANDIDATES:
        rows = _two(kept, encoder, half, name)
        if rows:
            scores[name] = _over(rows, _score)
            gains[name] = _apart(own, rows, _score)
            costs[name] = _apart(alone, _single(kept, encoder, half, name), _dsc)
    yield from (
        "The score is the share right by mean, plus DSC on the own lesion less DSC on the other. The rule stands at the head of",
        f"`words.py`: the best score, whose gain has its interval above 0 and which costs single lesions at most {MOST_LOST}.",
        "",
    )
    head = [
        "candidate",
        "pictures",
        "score",
        "gain over the default",
        "single lesions: DSC less the default's",
        "passes",
    ]
    passed = [
        name for name in scores if name != "default" and gains[name].low > 0 and costs[name].estimate >= -MOST_LOST
    ]
    yield from _table(head, (
        [name, str(len({key for key, _ in _two(kept, encoder, half, name)})), _cell(one), _cell(gains[name], sign=True),
         f"{_cell(costs[name], sign=True)}, n={len(set(alone) & set(_single(kept, encoder, half, name)))}", "-" if name == "default" else "yes" if name in passed else "no"]
        for name, one in scores.items()
    ))  # fmt: skip
    best = max(passed, key=lambda name: scores[name].estimate, default="")
    yield ""
    yield f"By the rule: **{best}**." if best else "None passes: the default stays as it is."


def _besides(kept: Kept, encoder: str) -> Iterator[str]:
    """Real lesions and the dependence on the words, and each less the default's over the same pictures."""
    names = {"dsc": "BUSI: DSC", "gated": "BUSI: DSC, what is not seen counts 0", "index": "specificity"}
    found = {
        map_: {name: {(row["key"], 0.0): row for row in kept.of(encoder=encoder, map=map_) if name in row and row["half"] in ("BUSI", "specificity")} for name in names}
        for map_ in CANDIDATES
    }  # fmt: skip

    def cells(map_: str) -> list[str]:
        own = [_over(rows, lambda row, name=name: row[name]) for name, rows in found[map_].items()]  # type: ignore[arg-type, misc]
        apart = [
            _apart(found["default"][name], rows, lambda row, name=name: row[name])  # type: ignore[arg-type, misc]
            for name, rows in found[map_].items()
        ]
        low = [float(row["index"]) < 0.05 for row in found[map_]["index"].values()]  # type: ignore[arg-type]
        said = [
            _cell(one) if map_ == "default" else f"{_cell(one)}; {_cell(two, sign=True)}"
            for one, two in zip(own, apart, strict=True)
        ]
        return [map_, *said, f"{np.mean(low):.2f}" if low else "-"]

    measured = [map_ for map_ in CANDIDATES if found[map_]["dsc"]]
    if not measured:
        return
    pictures = [len(found["default"][name]) for name in ("dsc", "index")]
    yield f"Besides: {pictures[0]} real breast lesions that no training saw (BUSI, role `validate`), and {pictures[1]} single lesions whose map is"
    yield "compared with those of nonsense and of the normal caption (specificity: 1 less the largest correlation). After the semicolon: less the"
    yield "default, over the same pictures."
    yield ""
    yield from _table(["map", *names.values(), "specificity below 0.05"], (cells(map_) for map_ in measured))


def _encoders(kept: Kept, first: str, second: str) -> Iterator[str]:
    def cells(map_: str) -> list[str]:
        both = [_two(kept, one, "reporting", map_) for one in (first, second)]
        alone = [
            _apart(_single(kept, first, "reporting", map_, kind), _single(kept, second, "reporting", map_, kind), _dsc)
            for kind in ("single known/", "single held-out/")
        ]
        found = [_apart(both[0], both[1], figure) for figure in FIGURES.values()]
        return [map_, str(len(set(both[0]) & set(both[1]))), *(_cell(one, sign=True) for one in (*found, *alone))]

    head = ["map", "questions", *FIGURES, "single, known: DSC", "single, held out: DSC"]
    yield from _table(head, (cells(name) for name in _measured(kept, second, "reporting")))


def _cell(found: Interval, digits: int = 3, *, sign: bool = False) -> str:
    if np.isnan(found.estimate):
        return "-"
    estimate, low, high = (
        f"{value:{'+' if sign else ''}.{digits}f}" for value in (found.estimate, found.low, found.high)
    )
    return f"{estimate} ({low} to {high})"


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
