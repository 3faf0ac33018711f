"""The calibrations of one site for a run: each worker reads them once, so that every study is decided by the same."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from medkt.calibration import Calibration, ScoringKey, find_calibration, lacking, scoring_key
from medkt.concepts import Concept
from medkt.domains import domains
from medkt.errors import SettingsError, UnsupportedError
from medkt.io.sha256 import sha256_of_json
from medkt.pipeline import Pipeline, View
from medkt.transfer.packages import AdaptedEncoder


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
            keys = _keys(pipeline, concept, view)
            own = {key: rule for key in keys if (rule := find_calibration(key, site=site)) is not None}
            if not any(not known or key.modality == known for key in own):
                raise SettingsError(lacking(replace(keys[0], modality=known), site=site))
            found |= own
        return cls(site=site, rules=found)

    def find(self, key: ScoringKey) -> Calibration:
        """The calibration of a study's key.

        Raises:
            UnsupportedError: there is none; the study is of another modality than those that the site has.
        """
        if key not in self.rules:
            raise UnsupportedError(lacking(key, site=self.site), code="no-calibration")
        return self.rules[key]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each calibration, by concept and modality."""
        return {
            f"{key.concept} ({key.modality})": sha256_of_json(asdict(rule))
            for key, rule in sorted(self.rules.items(), key=_place)
        }


def _keys(pipeline: Pipeline, concept: Concept, view: View) -> tuple[ScoringKey, ...]:
    """One for each modality; of the encoder that was taught the concept, where one was."""
    taught = pipeline.taught or AdaptedEncoder.of(pipeline.encoder)
    with taught.encoder(taught.route(concept.id)) as encoder:
        return tuple(
            scoring_key(
                encoder,
                concept,
                kind,
                settings=pipeline.settings.presence,
                view=view,
                asked=taught.asked.get(concept.id),
            )
            for kind in domains().values()
        )


def _place(entry: tuple[ScoringKey, Calibration]) -> tuple[str, str]:
    return entry[0].concept, entry[0].modality
