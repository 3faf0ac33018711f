"""What a finding is learned from, by the way that the settings name."""

from pathlib import Path

from medkt.errors import InputError
from medkt.models.encoder import DualEncoder
from medkt.progress import Progress
from medkt.transfer.learn_settings import LearnSettings
from medkt.transfer.lesions import gather_lesions
from medkt.transfer.material import Material, gather
from medkt.transfer.study_planes import NOTHING_GIVEN, StudyPlanes
from medkt.transfer.vocabulary import Vocabulary


def gather_as(
    encoder: DualEncoder,
    vocabulary: Vocabulary,
    settings: LearnSettings,
    *,
    seed: int,
    studies: StudyPlanes = NOTHING_GIVEN,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Material:
    """`material.gather` or `lesions.gather_lesions`.

    Raises:
        InputError: studies are given for a way that looks at none.
    """
    if settings.how == "local":
        return gather_lesions(
            encoder, vocabulary, settings, seed=seed, studies=studies, cache=cache, progress=progress
        )  # fmt: skip
    if studies.there:
        raise InputError("studies of your own take part only where lesions are made inside normal studies (how: local)")
    return gather(encoder, vocabulary, settings, seed=seed, cache=cache, progress=progress)
