"""Many studies scored for a calibration, one a patient in the end."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from medkt.calibration.scoring import Scorer, StudyScore
from medkt.datasets.case import Case
from medkt.datasets.reference import read_case_image
from medkt.domains import Domain, detect_domain, domain
from medkt.errors import InputError, MedktError

MOST_FAILED = 0.05  # of the studies; beyond it those left are no fair sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredCases:
    """Studies with what is known of them, in the order given.

    Attributes:
        studies: their scores.
        present: whether the finding is in each; None where nobody said.
        patients: a pseudonym for each; used to take one study a patient, and never written.
        failed: how many could not be scored, by the kind of error.
        set_aside: how many were left out because their patient has another.
        incomplete: of how many a part was lost and the rest was scored, as was allowed.
        digests: of each study's voxels; () where they are not known.
        copies: how many were left out because they repeat another one's voxels.
    """

    studies: tuple[StudyScore, ...]
    present: tuple[bool | None, ...]
    patients: tuple[str, ...]
    failed: Mapping[str, int] = field(default_factory=dict)
    set_aside: int = 0
    incomplete: int = 0
    digests: tuple[str, ...] = ()
    copies: int = 0

    def __len__(self) -> int:
        return len(self.studies)

    def one_a_patient(self, *, seed: int = 0) -> "ScoredCases":
        """One study of each patient, drawn at random, so that what is left can be exchanged (Dunn, Wasserman and Ramdas
        2022, J Am Stat Assoc 118:2491). A patient with and without the finding keeps one of each.
        """
        order = np.random.default_rng(seed).permutation(len(self))
        chosen = {(self.patients[index], self.present[index]): int(index) for index in order}
        kept = sorted(chosen.values())
        return replace(self._only(kept), set_aside=self.set_aside + len(self) - len(kept))

    def each_image_once(self) -> "ScoredCases":
        """The first of all studies that have the same voxels. Copies are not independent: nineteen of one film would
        promise what nineteen films do.

        Raises:
            InputError: one image stands as showing the finding and as not showing it.
        """
        first: dict[str, int] = {}
        for index, digest in enumerate(self.digests):
            before = first.setdefault(digest, index)
            if self.present[before] != self.present[index]:
                raise InputError(
                    f"studies {before + 1} and {index + 1} are one image, voxel for voxel, once with the finding and once "
                    "without; take one of the two out"
                )
        if not self.digests:
            return self
        kept = sorted(first.values())
        return replace(self._only(kept), copies=self.copies + len(self) - len(kept))

    def _only(self, kept: list[int]) -> "ScoredCases":
        return replace(
            self,
            studies=tuple(self.studies[index] for index in kept),
            present=tuple(self.present[index] for index in kept),
            patients=tuple(self.patients[index] for index in kept),
            digests=tuple(self.digests[index] for index in kept) if self.digests else (),
        )

    def of(self, present: bool) -> tuple[StudyScore, ...]:
        """The studies with the finding, or without it."""
        return tuple(one for one, there in zip(self.studies, self.present, strict=True) if there is present)


def score_cases(
    scorer: Scorer,
    cases: Iterable[Case],
    *,
    presumed: bool | None,
    allow_incomplete: bool = False,
    tick: Callable[[int], None] | None = None,
) -> ScoredCases:
    """Score each case of a manifest.

    Args:
        scorer: see `Scorer.of`.
        cases: of the scorer's modality.
        presumed: what holds for cases that do not say whether the finding is present.
        allow_incomplete: as for `read_image`.
        tick: called with the number done.

    Raises:
        InputError: a case is of another modality, or more than 5 % cannot be read; the first error is quoted.
    """
    studies, present, patients, digests = [], [], [], []
    failed: Counter[str] = Counter()
    incomplete = 0
    first: MedktError | None = None
    for done, case in enumerate(cases, start=1):
        if case.modality not in ("", scorer.kind.name):
            raise InputError(
                f"case {case.case_id!r} is of {case.modality}, the calibration is for {scorer.kind.name}; leave it out"
            )
        try:
            image = read_case_image(case, allow_incomplete=allow_incomplete)
            studies.append(scorer.score(image))
            completeness = image.provenance.completeness
            incomplete += completeness is not None and completeness.missing > 0
        except MedktError as error:
            failed[type(error).__name__] += 1
            first = first or type(error)(f"case {case.case_id!r}: {error}")
        else:
            present.append(presumed if case.present is None else case.present)
            patients.append(case.patient_id)
            digests.append(image.provenance.digest)
        if tick is not None:
            tick(done)
    number = sum(failed.values())
    if number > MOST_FAILED * (number + len(studies)):
        raise InputError(
            f"{number} of {number + len(studies)} studies cannot be scored, so the others may be no fair sample; mend them "
            f"or leave them out of the manifest. The first: {first}"
        ) from first
    return ScoredCases(
        studies=tuple(studies),
        present=tuple(present),
        patients=tuple(patients),
        failed=dict(sorted(failed.items())),
        incomplete=incomplete,
        digests=tuple(digests),
    )


def domain_of_cases(cases: Iterable[Case], *named: str, allow_incomplete: bool = False) -> Domain:
    """The domain of the first name given, else that which the cases name, else that of the first case's file.

    Raises:
        InputError: the cases name several, or there is no case.
        AmbiguousInputError: neither the cases nor the first file say it.
    """
    listed = list(cases)
    names = [*(name for name in named if name), *sorted({case.modality for case in listed if case.modality})]
    if names:
        return domain(names[0])
    if not listed:
        raise InputError("there is no case to calibrate with")
    return detect_domain(read_case_image(listed[0], allow_incomplete=allow_incomplete))
