"""What the small model understands of a sentence: word swaps, and two lesions of which one is described.

    python evaluation/small_model/words.py words                     # 120 pairs a row, by one cosine and by phrases
    python evaluation/small_model/words.py classes                   # findings told apart, by one cosine and by phrases
    python evaluation/small_model/words.py level                     # which cosine divides what is there from what is not
    python evaluation/small_model/words.py choose                    # the choosing half, for the default of the map
    python evaluation/small_model/words.py report                    # the reporting half, every map
    python evaluation/small_model/words.py besides --data FOLDER     # real lesions (BUSI), dependence on the words
    python evaluation/small_model/words.py tables                    # results/words.md and results/two_lesions.md

Lines are kept in `results/` as they are measured; a second run goes on where the first ended, and `--kinds` or `--maps` divide the
work among several. With `--weights FOLDER` another
encoder is asked about the same pictures, and `tables --names new=FOLDER` sets it beside the shipped one, paired.

How the default of `small` is chosen, written down before anything was measured. On the choosing half each of
`two_lesions.CANDIDATES` has a score: the share of questions whose map lies on the right lesion by mean, plus the mean DSC on the own
lesion less that on the other. The one with the best score becomes the default if (1) its DSC of single lesions, known and held-out
together, is not lower than the present default's by more than 0.01 in the mean of paired differences, and (2) the 95 % interval of
its score's paired difference from the present default's lies above 0. A candidate that fails gives way to the next best; if none is
left the default stays. What is reported is the other half.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from medkt.concepts.phrases import phrases_of
from medkt.examine import KINDS, ROWS, draw_pairs, margins, phrase_margins
from medkt.models.small import load_small, load_small_segmenter
from medkt.models.small.dual_encoder import WEIGHTS
from medkt.phantom.descriptions import canonical_description
from medkt.phantom.finding import DOMAINS, find, findings_of
from medkt.saliency.explain import prepare_plane
from medkt.saliency.phrases import SHARPNESS, phrase_scores
from medkt.saliency.targets import texts_kept
from medkt.segmentation.sam import SamSegmenter
from small_model.besides import measure_real, measure_specificity
from small_model.kept import Kept
from small_model.tables import draw_fresh
from small_model.two_lesions import CANDIDATES, MAPS, LookingOnce, Models, gates_kept, measure_single, measure_two
from small_model.word_pages import two_lesions_page, words_page

RESULTS = Path(__file__).resolve().parent / "results"
BY_PHRASES = " by phrases"
CLASSES_EACH, CLASSES_SEED = 10, 20_000
LEVEL_SEED = 99_001
"""Of the pictures that the level is set on: none of the table's."""


def main() -> None:
    """Measure, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("words", "classes", "level", "choose", "report", "besides", "tables"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="a folder of an encoder's files")
    parser.add_argument(
        "--names", nargs="*", default=[], metavar="NAME=FOLDER", help="tables: encoders beside the shipped"
    )
    parser.add_argument("--pairs", type=int, default=120, help="words: of each row")
    parser.add_argument("--each", type=int, help="pictures of each kind and domain (8 to choose, 17 to report)")
    parser.add_argument("--singles", type=int, help="single lesions of each finding (2 by default)")
    parser.add_argument("--maps", nargs="*", choices=tuple(MAPS), help="only these")
    parser.add_argument("--kinds", nargs="*", choices=(*KINDS, "single"), default=(*KINDS, "single"), help="only these")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MEDKT_DATA", "../shared/data")))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    words, lesions = (Kept(arguments.results / name) for name in ("words.jsonl", "two_lesions.jsonl"))
    if arguments.what == "tables":
        _tables(words, lesions, arguments)
    elif arguments.what == "words":
        _words(words, arguments)
    elif arguments.what == "classes":
        _classes(words, arguments)
    elif arguments.what == "level":
        _level(arguments)
    else:
        _lesions(lesions, arguments)


def _words(kept: Kept, arguments: argparse.Namespace) -> None:
    encoder = load_small(folder=arguments.weights)
    for name, ask in (
        (_short(encoder.spec.digest), margins),
        (_short(encoder.spec.digest) + BY_PHRASES, phrase_margins),
    ):
        for row in ROWS:
            if sum(str(one["key"]).startswith(f"{row}/") for one in kept.of(encoder=name)) >= arguments.pairs:
                continue
            pairs = [one for one in draw_pairs(row, each=arguments.pairs) if not kept.has(encoder=name, key=one.key)]
            kept.add([
                {"encoder": name, "key": pair.key, "margin": round(float(margin), 6)}
                for pair, margin in zip(pairs, ask(encoder, pairs), strict=True)
            ])  # fmt: skip
            print(name, row, flush=True)


def _classes(kept: Kept, arguments: argparse.Namespace) -> None:
    """Which of a domain's findings a picture shows, by bare name and by one description."""
    encoder = load_small(folder=arguments.weights)
    digest = _short(encoder.spec.digest)
    for domain in DOMAINS:
        found = findings_of(domain)
        fresh = draw_fresh(domain, each=CLASSES_EACH, seed=CLASSES_SEED)
        for asked, texts in (
            ("by name", [one.name for one in found]),
            ("by description", [canonical_description(one) for one in found]),
        ):
            for ask, sharpness in (("", 0.0), (BY_PHRASES, SHARPNESS)):
                scores = torch.cat(
                    [phrase_scores(encoder, one, texts, sharpness=sharpness) for one in torch.split(fresh.pixels, 8)]
                )
                kept.add(
                    list(_class_rows(digest + ask, domain, asked, fresh.labels, [one.id for one in found], scores))
                )
        print(domain, flush=True)


def _class_rows(
    encoder: str, domain: str, asked: str, labels: Sequence[str], ids: Sequence[str], scores: torch.Tensor
) -> Iterator[dict[str, object]]:
    for place, label in enumerate(labels):
        if label:
            kind = "held out" if find(label).held_out else "known"
            right = ids[int(scores[place].argmax())] == label
            key = f"class, {kind}, {asked}/{domain}/{label}/{place}"
            yield {"encoder": encoder, "key": key, "margin": 1.0 if right else -1.0}


def _level(arguments: argparse.Namespace) -> None:
    """The cosine by phrases at which most phrases of other drawn pictures are told right, and how many that are."""
    encoder = load_small(folder=arguments.weights)
    found = []
    for pair in draw_pairs("negation", each=240, seed=LEVEL_SEED):
        (one,) = (one for text in (pair.right, pair.wrong) for one in phrases_of(text) if one.denied)
        there = not phrases_of(pair.right)[0].denied
        pixels = prepare_plane(encoder, pair.plane).pixels[None]
        found.append((float(phrase_scores(encoder, pixels, (one.text,))), there))
    right = {level: sum((score > level) == there for score, there in found) for level, _ in found}
    most = [level for level, count in sorted(right.items()) if count == max(right.values())]
    print(f"level {most[len(most) // 2]:.3f}: {max(right.values())} of {len(found)} right")


def _lesions(kept: Kept, arguments: argparse.Namespace) -> None:
    encoder = load_small(folder=arguments.weights)
    segmenter = LookingOnce(SamSegmenter(load_small_segmenter(), name="small"))
    models = Models(encoder=encoder, segmenter=segmenter, name=_short(encoder.spec.digest))
    if arguments.what == "besides":
        maps = arguments.maps or ("default", "default, feature noise")
        with texts_kept(), gates_kept():
            measure_real(models, kept, maps, arguments.data)
            measure_specificity(models, kept, maps)
        return
    choosing = arguments.what == "choose"
    half, each, singles = ("choosing", 8, 2) if choosing else ("reporting", 17, 2)
    maps = arguments.maps or tuple(CANDIDATES if choosing else MAPS)
    with texts_kept(), gates_kept():
        for kind in (kind for kind in KINDS if kind in arguments.kinds):
            measure_two(models, kept, half, maps, kind, each=arguments.each or each)
        if "single" in arguments.kinds:
            measure_single(models, kept, half, maps, each=arguments.singles or singles)


def _tables(words: Kept, lesions: Kept, arguments: argparse.Namespace) -> None:
    shipped = _short(load_small().spec.digest)
    names = {"shipped": shipped}
    for given in arguments.names:
        name, _, folder = given.partition("=")
        names[name] = _short(load_small(folder=Path(folder)).spec.digest)
    for page, text in (
        ("words.md", words_page(words, names | {"by phrases": shipped + BY_PHRASES}, _commit())),
        ("two_lesions.md", two_lesions_page(lesions, names, _commit())),
    ):
        (arguments.results / page).write_text(text, encoding="utf-8")
        print(text)


def _short(digest: str) -> str:
    return digest[:12]


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=RESULTS.parent, capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


if __name__ == "__main__":
    main()
