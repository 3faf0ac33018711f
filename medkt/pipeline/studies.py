"""The user's own studies to teach or to ask by: a folder with a file or a folder each, or a manifest.

They are read one at a time, as `medkt segment` reads them, and shown as it shows them. What stays of a study are its planes
while they are needed, and a digest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medkt.asking.studies import ShownStudy
from medkt.concepts import Concept
from medkt.datasets.case import Case
from medkt.datasets.manifest import iterate_manifest
from medkt.datasets.reference import read_case_image
from medkt.domains import Domain, check_plausible, domains
from medkt.errors import InputError, MedktError
from medkt.io import read_image
from medkt.io.dicom_header import read_header, text
from medkt.io.digest import digest_of
from medkt.io.read import kind_of_file
from medkt.io.table import SUFFIXES
from medkt.pipeline.look import View, look_at, shown_plane
from medkt.pipeline.words import contradicted
from medkt.shapes import Plane
from medkt.spatial import Image
from medkt.spatial.modality import written_modality


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyFolder:
    """Studies of a folder or of a manifest; see `medkt.asking.studies.ShownStudies`.

    Attributes:
        source: the folder, or the manifest.
        entries: what each study is read from.
        domain, concept: how they are shown; whose window is used.
        cases: of a manifest, its rows, in the order of `entries`; () of a folder.
    """

    source: Path = field(repr=False)
    entries: tuple[Path, ...] = field(repr=False)
    domain: Domain
    concept: Concept
    cases: tuple[Case, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, source: Path, domain: Domain, concept: Concept) -> "StudyFolder":
        """What is there, before anything is read.

        Args:
            source: a folder, whose files and folders (DICOM series) are a study each, or a manifest (`.csv`, `.parquet`).
            domain: how they are shown.
            concept: whose window is used.

        Raises:
            InputError: there is no such folder or manifest, or nothing in it.
        """
        if source.is_file() and source.suffix in SUFFIXES:
            cases = tuple(iterate_manifest(source))
            return cls(
                source=source, entries=tuple(one.image for one in cases), domain=domain, concept=concept, cases=cases
            )
        if not source.is_dir():
            raise InputError(
                f"{source}: is no folder of studies and no manifest ({', '.join(SUFFIXES)}); check the path"
            )
        entries = tuple(sorted(path for path in source.iterdir() if not path.name.startswith(".")))
        if not entries:
            raise InputError(f"{source}: is empty; put a file or a folder (DICOM series) a study into it")
        return cls(source=source, entries=entries, domain=domain, concept=concept)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[ShownStudy]:
        """Each study, read now.

        Raises:
            InputError: one cannot be read or shown, or stands there twice; it is named.
        """
        seen: dict[str, Path] = {}
        for place, path in enumerate(self.entries):
            case = self.cases[place] if self.cases else None
            study = shown_study(path, self.domain, self.concept, case)
            if study.digest in seen:
                raise InputError(f"{path}: is the same study as {seen[study.digest]}; leave one out")
            seen[study.digest] = path
            yield study


def shown_study(path: Path, domain: Domain, concept: Concept, case: Case | None = None) -> ShownStudy:
    """One study as it is shown to a model.

    Args:
        path: a file, or a folder with one DICOM series.
        domain: how it is shown.
        concept: whose window is used.
        case: the manifest's row, where there is one.

    Raises:
        InputError: it cannot be read or shown, or says that it is of another modality.
    """
    try:
        image = read_image(path) if case is None else read_case_image(case)
        _require_of(image, domain)
        planes = planes_shown(image, domain, concept)
        doubts = (*check_plausible(image, domain), *contradicted([concept], image, domain))
    except MedktError as error:
        raise InputError(f"{path}: the study cannot be used: {error}") from error
    said = "" if case is None or case.patient_id == case.case_id else case.patient_id
    return ShownStudy(
        planes=planes, digest=digest_of(image.values, image.geometry), patient=said or patient_of(path), doubts=doubts
    )


def _require_of(image: Image, domain: Domain) -> None:
    """That a file does not say another modality that medkt knows: what is learned or judged by it would be of other pictures.

    Raises:
        InputError: it does.
    """
    code = image.modality.upper()
    others = [one for one in domains().values() if one.name != domain.name and code in one.codes]
    if others and code not in domain.codes:
        raise InputError(
            f"the file says modality {written_modality(code)}, and the studies are to be of {domain.title}; leave it out"
        )


def patient_of(path: Path) -> str:
    """The PatientID of a DICOM file, or of the first one in a folder; "" of anything else. It is for `ShownStudy.patient` alone."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        try:
            if kind_of_file(file, str(file)) != "dicom":
                continue
            return text(read_header(file, str(file)), "PatientID")
        except MedktError:
            continue  # the study could be read without this file
    return ""


def planes_shown(image: Image, domain: Domain, concept: Concept) -> tuple[Plane, ...]:
    """The planes that the pipeline looks at, as it shows them."""
    looked = look_at(image, domain, View(modality=domain.name), window=domain.window_for(concept))
    return tuple(shown_plane(image, looked, position) for position in looked.positions)
