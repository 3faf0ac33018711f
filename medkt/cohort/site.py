"""The calibrations of one site for a run: each worker reads them once, so that every study is decided by the same."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from medkt.calibration import Calibration, ScoringKey, find_calibration, scoring_key
from medkt.concepts import Concept
from medkt.domains import domains
from medkt.errors import SettingsError, UnsupportedError
from medkt.pipeline import Pipeline, View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteRules:
    """What a site has for the concepts, the model and the settings of a run.

    Attributes:
        site: its name.
        rules: the calibrations, by what they are good for.
    """

    site: str
    rules: Mapping[ScoringKey, Calibration]

    @classmethod
    def read(cls, site: str, pipeline: Pipeline, concepts: Iterable[Concept], view: View) -> "SiteRules":
        """Read what there is for each concept, in its own modality or, where none is said, in every one.

        Raises:
            SettingsError: there is none for a concept, or the site's name cannot be that of a folder.
            InputError: a file is damaged.
        """
        found: dict[ScoringKey, Calibration] = {}
        for concept in concepts:
            known = view.modality or concept.modality
            own = dict(_rules(site, pipeline, concept, view))
            if not any(not known or key.modality == known for key in own):
                raise SettingsError(_lacking(site, concept.id, known, pipeline.encoder.spec.name))
            found |= own
        return cls(site=site, rules=found)

    def find(self, key: ScoringKey) -> Calibration:
        """The calibration of a study's key.

        Raises:
            UnsupportedError: there is none; the study is of another modality than those that the site has.
        """
        if key not in self.rules:
            raise UnsupportedError(_lacking(self.site, key.concept, key.modality, key.model))
        return self.rules[key]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each calibration, by concept and modality."""
        return {
            f"{key.concept} ({key.modality})": _digest(rule) for key, rule in sorted(self.rules.items(), key=_place)
        }


def _rules(site: str, pipeline: Pipeline, concept: Concept, view: View) -> Iterable[tuple[ScoringKey, Calibration]]:
    for kind in domains().values():
        key = scoring_key(pipeline.encoder, concept, kind, settings=pipeline.settings.presence, view=view)
        rule = find_calibration(key, site=site)
        if rule is not None:
            yield key, rule


def _place(entry: tuple[ScoringKey, Calibration]) -> tuple[str, str]:
    return entry[0].concept, entry[0].modality


def _digest(rule: Calibration) -> str:
    return hashlib.sha256(json.dumps(asdict(rule), sort_keys=True, allow_nan=False).encode()).hexdigest()


def _lacking(site: str, concept: str, modality: str, model: str) -> str:
    what = f"{concept} ({modality})" if modality else concept
    return (
        f"--site {site}: no calibration for {what} with the model {model} and these settings; make one with `medkt calibrate "
        f"{concept} -m NORMALS.csv --site {site}` and the same --model, --preset, --settings, --set, --window, --axis and "
        "--step-mm, or leave --site out"
    )
