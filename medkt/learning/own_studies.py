"""The user's own studies for a learning: read one at a time, one plane of each kept, and refused where they would teach the wrong thing.

    --normals DIR    studies without a finding: lesions are made inside them, and they are rehearsed
    --rehearse DIR   the usual mixture of a site, with lesions, without labels: what the model knows is held on them
    --images DIR     studies that show the finding, learned from in place of lesions made from words
    --pool DIR       studies of which some may show it: those that stand out when asked for by the description are learned
                     from, the others rehearsed

Of a volume one plane is kept: of normals the middle one, of the mixture the one that is least like a normal study, of the others the one
that leads most. What leads is asked as a package of the base would ask it: `medkt.asking.record` says by which way, and from which handicap. No name of a file or person stays; a patient is a keyed digest that is gone with the process.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medkt.asking import AskingWords, Directions, leads, way_called
from medkt.asking.calibration import LeadCalibration
from medkt.asking.pictures import PictureCounts, draw_calibration
from medkt.asking.record import described_by, settle
from medkt.asking.studies import ShownStudies, ShownStudy, doubts_said
from medkt.asking.vectors import vectors_of_planes
from medkt.asking.ways import known_names
from medkt.audit.fingerprints import Fingerprints
from medkt.concepts import Concept
from medkt.domains import Domain
from medkt.errors import InputError
from medkt.learning.base_lead import BaseLead, lead_calibration
from medkt.models.encoder import DualEncoder
from medkt.phantom.finding import DomainName
from medkt.pipeline.studies import StudyFolder
from medkt.progress import Progress
from medkt.saliency.explain import prepare_plane
from medkt.saliency.targets import embed_texts
from medkt.shapes import Plane
from medkt.transfer.packages import directions_of
from medkt.transfer.pool import pick
from medkt.transfer.study_planes import StudyPlanes

UNSETTLED = "virtual with bank"
"""By which studies are asked where no normal one is there to settle the package's way on; the best of those that need none."""
FEWEST_REHEARSED, USUAL_REHEARSED = 20, 100
"""Studies of the usual mixture: fewer are refused; fewer than usual are told."""
LEAST_WITH_LESIONS = 0.15
"""The part of them that must be nearer to a known finding than to a normal study. Of drawn normals up to 7 % are."""
FEWEST_NORMALS = 5
MOST_READ = 1000
"""Studies that are read of a folder, spread evenly over it: the bound on memory, of which each takes a plane at the encoder's size."""
_SEED = 79_000
"""Of the drawn studies that a pool is compared with: nothing else draws from it."""
_COMPARED = PictureCounts(finding=0, others=0, normal=100, known=20)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnStudies:
    """What was read.

    Attributes:
        given: what a learning looks at.
        notes: what is to be known of it, a sentence each.
        picked: of a pool: how many studies there were, how many stood out; None without a pool.
        base_lead: on what the lead of the base was set, where it was asked for; None where it was not, or nothing is there to set it on.
    """

    given: StudyPlanes
    notes: tuple[str, ...] = ()
    picked: Mapping[str, int] | None = None
    base_lead: BaseLead | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folders:
    """Where studies are read from; each any number of them, from a folder or a manifest (`medkt.pipeline.studies`)."""

    normals: ShownStudies | None = None
    rehearse: ShownStudies | None = None
    images: ShownStudies | None = None
    pool: ShownStudies | None = None

    def named(self) -> Iterator[tuple[str, ShownStudies]]:
        """Those that there are, by the name of their option."""
        for name in ("normals", "rehearse", "images", "pool"):
            if (found := getattr(self, name)) is not None:
                yield name, found

    @property
    def without_finding(self) -> Mapping[str, ShownStudies]:
        """Those that a lead is set on."""
        return {name: one for name, one in self.named() if name in ("normals", "rehearse")}

    @property
    def led(self) -> bool:
        """Whether it matters by how much a study leads: which plane of it shows the finding, and what of a pool stands out."""
        return self.images is not None or self.pool is not None


def read_own(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    folders: Folders,
    *,
    known: Sequence[Concept] | None = None,
    drawn: DomainName | None = None,
    exam: Fingerprints | None = None,
    progress: Progress | None = None,
) -> OwnStudies:
    """Read every folder, and refuse what would teach the wrong thing.

    Args:
        encoder: the base; it says which plane of a volume is kept, and what of a pool stands out.
        concept: to be learned, with a caption that describes it.
        domain: how studies are shown, and whose words for a normal study are used.
        folders: what is read.
        known: what the model is taken to know; None takes the domain's findings.
        drawn: the domain whose drawn studies a pool is compared with, where no other studies are given.
        exam: marks of the studies that the exam is set on (`--probe`), none of which may be learned from.
        progress: told (stage, studies read, studies in all).

    Raises:
        InputError: a study cannot be read, stands in two folders or in the exam, or belongs to a patient of the exam; the studies to
            rehearse look like normals only, or are too few; nothing stands out in the pool; images and a pool are both given.
    """
    if folders.images is not None and folders.pool is not None:
        raise InputError("--images and --pool are two ways to learn from studies of your own; give one of them")
    reader = _Reader(encoder, concept, domain, known, folders, Fingerprints() if exam is None else exam, progress)
    read = {name: reader.read(name, studies) for name, studies in folders.named()}
    notes = [*_rehearsal_notes(read.get("rehearse"), reader), *_normal_notes(read.get("normals")), *reader.doubts]
    given = {name: one.pixels for name, one in read.items() if name != "pool"}
    picked = None
    if (pool := read.get("pool")) is not None:
        chosen = pick(pool.leads, _compared(read, reader, drawn))
        rest = np.setdiff1d(np.arange(len(pool.leads)), chosen)
        given["images"] = pool.pixels[torch.from_numpy(chosen.copy())]
        others = pool.pixels[torch.from_numpy(rest)]
        given["rehearse"] = torch.cat([given["rehearse"], others]) if "rehearse" in given else others
        picked = {"studies": len(pool.leads), "picked": len(chosen)}
        notes.append(
            f"pool: {len(chosen)} of {len(pool.leads)} studies stand out and are learned from, the others are rehearsed"
        )
    count = picked["studies"] if picked else 0
    return OwnStudies(
        given=StudyPlanes(**given, pool=count), notes=tuple(notes), picked=picked, base_lead=reader.base_lead
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """One plane of each study of a folder.

    `leads` are those of the description, `lesioned` by how much each is nearer to a known finding than to a normal study.
    """

    pixels: Float[Tensor, "studies 3 side side"]
    leads: np.ndarray = field(default_factory=lambda: np.zeros(0))
    lesioned: np.ndarray = field(default_factory=lambda: np.zeros(0))


def at_most(studies: StudyFolder, most: int = MOST_READ) -> StudyFolder:
    """So many of a folder's studies, spread evenly over it in its order; all of them where there are no more."""
    if len(studies) <= most:
        return studies
    places = [place * len(studies) // most for place in range(most)]
    cases = tuple(studies.cases[place] for place in places) if studies.cases else ()
    return replace(studies, entries=tuple(studies.entries[place] for place in places), cases=cases)


def _asked_as_packaged(
    encoder: DualEncoder,
    concept: Concept,
    domain: Domain,
    spoken: AskingWords,
    others: Sequence[Concept],
    calibration: LeadCalibration | None,
) -> Directions:
    """The directions by which a package that learned nothing asks; of a way that needs no normal study where there is none."""
    if calibration is None:
        return way_called(UNSETTLED).directions(encoder, spoken)
    return directions_of(settle(encoder, concept, domain, base_digest="", known=others, calibration=calibration))


class _Reader:
    """Reads folder after folder, and remembers what was there by its marks alone."""

    def __init__(
        self,
        encoder: DualEncoder,
        concept: Concept,
        domain: Domain,
        known: Sequence[Concept] | None,
        folders: Folders,
        exam: Fingerprints,
        progress: Progress | None,
    ) -> None:
        others = tuple(known) if known is not None else domain.others(concept)
        spoken = AskingWords.of(concept, domain, others, described_by(concept))
        self._encoder, self._exam, self._progress = encoder, exam, progress
        self._asked: Directions | None = None
        self.base_lead: BaseLead | None = None
        self.doubts = list[str]()
        if folders.led:
            shown = folders.without_finding
            calibration = lead_calibration(encoder, concept, domain, others, shown, progress)
            self._asked = _asked_as_packaged(encoder, concept, domain, spoken, others, calibration)
            if calibration is not None:
                self.base_lead = BaseLead(calibration=calibration, shown=shown, exam=exam)
        normal = embed_texts(encoder, domain.words_for(concept).normal).mean(dim=0)
        self._names, self._normal = known_names(encoder, spoken), torch.nn.functional.normalize(normal, dim=-1)
        self._seen, self._known = dict[str, str](), [one.id for one in others]

    def read(self, name: str, studies: ShownStudies) -> _Read:
        """One plane of each study."""
        pixels, told, lesioned, doubts = list[Tensor](), list[float](), list[float](), Counter[str]()
        for study in studies:
            self._require_new(name, study)
            doubts.update(study.doubts)
            vectors = vectors_of_planes(self._encoder, study.planes)
            lead, odd = self._lead(vectors), self._lesioned(vectors)
            at = {"normals": len(study.planes) // 2, "rehearse": int(odd.argmax())}.get(name, int(lead.argmax()))
            pixels.append(shown_to(self._encoder, study.planes[at]))
            told.append(float(lead[at]))
            lesioned.append(float(odd[at]))
            if self._progress is not None:
                self._progress(f"reading --{name}", len(pixels), len(studies))
        self.doubts += doubts_said(name, doubts, len(pixels))
        return _Read(pixels=torch.stack(pixels), leads=np.array(told), lesioned=np.array(lesioned))

    def drawn(self, domain: DomainName) -> np.ndarray:
        """The leads of drawn studies that do not show the finding."""
        made = draw_calibration(domain, known=self._known, counts=_COMPARED, seed=_SEED)
        found: np.ndarray = self._lead(vectors_of_planes(self._encoder, made.planes)).double().cpu().numpy()
        return found

    def _lead(self, vectors: Tensor) -> Tensor:
        return vectors.new_zeros(len(vectors)) if self._asked is None else leads(vectors, self._asked)

    def _lesioned(self, vectors: Tensor) -> Tensor:
        known = torch.max(vectors @ self._names.to(vectors).T, dim=1).values
        return known - vectors @ self._normal.to(vectors)

    def _require_new(self, name: str, study: ShownStudy) -> None:
        self._exam.require_new(study, name)
        for mark in Fingerprints.of(study).studies:
            if mark in self._seen:
                there = self._seen[mark]
                raise InputError(
                    f"--{name}: a study of it stands in --{there}, too, or twice; give each study once, in one folder"
                )
            self._seen[mark] = name


def shown_to(encoder: DualEncoder, plane: Plane) -> Float[Tensor, "3 side side"]:
    """A plane as the encoder takes it, before its normalisation, in [0, 1]."""
    pixels = prepare_plane(encoder, plane).pixels.cpu()
    mean, std = (torch.tensor(values)[:, None, None] for values in (encoder.spec.mean, encoder.spec.std))
    return (pixels * std + mean).clamp(0, 1)


def _rehearsal_notes(read: _Read | None, reader: _Reader) -> list[str]:
    """Of the usual mixture; refused where it is none."""
    if read is None:
        return []
    count, with_lesions = len(read.lesioned), int((read.lesioned > 0).sum())
    if count < FEWEST_REHEARSED:
        raise InputError(
            f"--rehearse: {count} studies are too few to hold what the model knows; give {USUAL_REHEARSED} to 200"
        )
    if with_lesions < LEAST_WITH_LESIONS * count:
        raise InputError(
            f"--rehearse: these look like normal studies only: {with_lesions} of {count} are nearer to a known finding than to a normal "
            "study. Rehearsed on normals alone the model forgets what it knows; give the usual mixture, with lesions (no labels are needed)"
        )
    return [] if count >= USUAL_REHEARSED else [f"--rehearse: {count} studies; {USUAL_REHEARSED} to 200 are better"]


def _normal_notes(read: _Read | None) -> list[str]:
    if read is None:
        return []
    count, odd = len(read.lesioned), int((read.lesioned > 0).sum())
    if count < FEWEST_NORMALS:
        raise InputError(f"--normals: {count} studies are too few to make lesions in; give {FEWEST_NORMALS} or more")
    if odd <= count / 2:
        return []
    return [f"--normals: to this model {odd} of {count} look like a known finding rather than normal; check the folder"]


def _compared(read: Mapping[str, _Read], reader: _Reader, drawn: DomainName | None) -> np.ndarray:
    """Leads of studies that do not show the finding: the user's, where there are any, else drawn ones."""
    own = [read[name].leads for name in ("rehearse", "normals") if name in read]
    if own:
        return np.concatenate(own)
    if drawn is None:
        raise InputError(
            "--pool: there is nothing to compare it with; give studies of the usual mixture with --rehearse DIR"
        )
    return reader.drawn(drawn)
