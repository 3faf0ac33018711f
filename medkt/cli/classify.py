"""`medkt classify`: which of several findings, named in words, fits a study best."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from medkt.cli.fill import add_options, filled
from medkt.cli.published import SETTINGS_ONLY, guard_words, say_settings
from medkt.cli.terminal import Terminal, exit_of_studies, say_demonstration, say_failed_study, say_notes
from medkt.requests.classify import ClassifiedStudy, ClassifyRequest, classify_studies, standing_of_classification

if TYPE_CHECKING:
    from medkt.pipeline import Classification
    from medkt.pipeline.classification import ConceptScore


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser, ClassifyRequest)
    parser.add_argument("--json", action="store_true", help="one JSON line a study on stdout")
    parser.add_argument("--dry-run", action="store_true", help=SETTINGS_ONLY)


def run(arguments: argparse.Namespace) -> int:
    """Score each study; 4 where some failed and others did not, else the code of the failure."""
    request = filled(ClassifyRequest, arguments)
    if arguments.dry_run:
        request, stands = standing_of_classification(request)
        return say_settings(stands, as_json=arguments.json, guard=guard_words(request))
    studies = classify_studies(request, listener=_Told(arguments))
    return exit_of_studies([one.failure for one in studies if one.failure is not None], len(studies))


class _Told(Terminal):
    """Tells of each study when it has ended."""

    def study_ended(self, study: ClassifiedStudy) -> None:
        if study.failure is not None:
            say_failed_study(study.path, study.failure, as_json=self._json)
        elif study.result is not None and self._json:
            record = {**record_of(study.result), "as_published": study.as_published or None}
            print(json.dumps({"status": "done", "input_path": str(study.path), **record}, allow_nan=False))
        elif study.result is not None:
            _say(study, study.result)


def record_of(result: "Classification") -> dict[str, Any]:
    """What `--json` prints of a study: scores, words, digests; no path but the one that the user gave."""
    import torch

    from medkt.about import NOT_A_MEDICAL_DEVICE, __version__, demonstration_of
    from medkt.records import as_plain

    return {
        "medkt": __version__,
        "notice": NOT_A_MEDICAL_DEVICE,
        "demonstration": demonstration_of(result.encoder.name) or None,
        "domain": result.domain.name,
        "input": {
            "digest": result.image.provenance.digest,
            "modality": result.image.modality,
            "completeness": as_plain(result.image.provenance.completeness),
        },
        "scores": [
            {
                "concept": None if one.concept is None else one.concept.id,
                "name": one.name,
                "learnt": one.learnt,
                "probability": round(one.probability, 6),
                "cosine": round(one.cosine, 6),
                "plane": one.planes[one.best],
                "prompts": list(one.texts),
                "words_notes": list(one.words_notes),
                "no_claim": as_plain(one.no_claim),
                "planes": [
                    {"index": index, "probability": round(share, 6), "cosine": round(cosine, 6)}
                    for index, share, cosine in zip(
                        one.planes, one.probabilities.tolist(), one.cosines.tolist(), strict=True
                    )
                ],
            }
            for one in result.scores
        ],
        "no_claim": as_plain(result.no_claim),
        "guard": result.guard,
        "encoder": as_plain(result.encoder),
        "settings": as_plain(result.settings),
        "threads": torch.get_num_threads(),
        "warnings": list(result.warnings),
    }


def _silent(result: "Classification", score: "ConceptScore") -> str:
    """Why one of several says nothing; where all do it stands above them."""
    if result.no_claim or not score.no_claim:
        return ""
    return f"  no claim, and not in the others' shares: {'; '.join(one.sentence for one in score.no_claim)}"


def _say(study: ClassifiedStudy, result: "Classification") -> None:
    from medkt.io.guard import one_line

    names = [one_line(one.name, 60) for one in result.scores]
    volume = len(result.scores[0].planes) > 1
    width = max(len(name) for name in (*names, "finding")) + 2
    print(f"{study.path}: {result.domain.title}, {result.encoder.name}")
    if result.no_claim:
        print(f"  no claim: {'; '.join(one.sentence for one in result.no_claim)}")
    print(f"  {'finding':<{width}}{'share':>7}{'cosine':>9}{'   plane' if volume else ''}".rstrip())
    for name, one in zip(names, result.scores, strict=True):
        where = f"{one.planes[one.best]:>8}" if volume else ""
        learnt = "  learnt" if one.learnt else ""
        print(f"  {name:<{width}}{one.probability:>7.3f}{one.cosine:>9.3f}{where}{learnt}{_silent(result, one)}")
    say_demonstration(result.encoder.name)
    say_notes([*result.warnings, *([study.as_published["words"]] if study.as_published else [])])
