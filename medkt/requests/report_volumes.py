"""`medkt report --volumes`: the images of the cases that a page shows, found again where the run took them from."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medkt.datasets.case import Case
    from medkt.report.run.viewer import CaseVolume, ViewerFiles
    from medkt.tasks.masks.pictures import CasePicture
    from medkt.tasks.masks.sections import RunReport


def with_volumes(report: "RunReport", runs: Mapping[str, Path], source: Path, beside: "ViewerFiles") -> "RunReport":
    """The report with a viewer for each shown case that is a volume; unchanged, and no file written, where none is one.

    Args:
        report: what the page would show.
        runs: the folder of each arm, by its name.
        source: the manifest that the runs were made from; of a protocol's runs the data set's folder.
        beside: where the viewer and the voxels go.

    Raises:
        InputError: the source is another than the runs had, or an image is not the one that the run saw.
        MedktError: an image or a mask cannot be read; the message says of which case.
    """
    from medkt.errors import InputError
    from medkt.report.run.case_record import is_volume, record_of
    from medkt.report.run.viewer import LIBRARY, VIEWER
    from medkt.runs.folder import RunFolder

    if any("manifest" not in RunFolder(path).read().identity for path in runs.values()):
        raise InputError("--volumes: this run compared masks that were there, so it had no images to look at")
    shown: dict[str, list[tuple[str, CasePicture]]] = {}
    for arm in report.arms:
        for case in arm.cases:
            if is_volume(record_of(runs[arm.name] / "cases" / case.case)):
                shown.setdefault(case.case, []).append((arm.name, case))
    if not shown:
        return report
    found = _cases(runs.values(), source, shown)
    volumes: dict[tuple[str, str], CaseVolume] = {}
    try:
        beside.begin()
        for key, pictures in shown.items():
            volumes |= _of_case(key, found[key], pictures, runs, beside)
    except BaseException:
        beside.remove()  # images without a page are not left lying about
        raise
    arms = tuple(
        replace(arm, cases=tuple(replace(case, volume=volumes.get((arm.name, case.case))) for case in arm.cases))
        for arm in report.arms
    )
    return replace(report, arms=arms, viewer=beside.address(VIEWER), library=beside.address(LIBRARY[0]))


def _of_case(
    key: str, case: "Case", pictures: "list[tuple[str, CasePicture]]", runs: Mapping[str, Path], beside: "ViewerFiles"
) -> "dict[tuple[str, str], CaseVolume]":
    """One case in every arm that shows it; its image is read once, and written once."""
    from medkt.datasets.reference import read_case_image
    from medkt.errors import MedktError
    from medkt.report.run.case_record import record_of
    from medkt.report.run.volumes import show_layers, show_study
    from medkt.runs.folder import RunFolder

    first, picture = pictures[0]
    identity = RunFolder(runs[first]).read().identity
    record = record_of(runs[first] / "cases" / key)
    try:
        image = read_case_image(
            case, regrid=bool(identity.get("regrid")), allow_incomplete=bool(identity.get("allow_incomplete"))
        )
        shown = show_study(image, case, record, picture.concept, window=identity["view"]["window"])
        script = beside.add_study(key, shown)
        volumes = {}
        for arm, one in pictures:
            folder = runs[arm] / "cases" / key
            layers = show_layers(shown, image, folder, record_of(folder), one.concept)
            scripts = (script, beside.add_layers(key, arm, shown, layers))
            volumes[arm, key] = beside.case_volume(scripts, shown, layers)
        return volumes
    except MedktError as error:  # for the terminal: the page's cases have pseudonyms, and no page is written
        raise type(error)(f"case {key}: {error}") from error


def _cases(runs: Iterable[Path], source: Path, wanted: Iterable[str]) -> "dict[str, Case]":
    """The manifest's rows of the cases with these names.

    Raises:
        InputError: it is not what the runs were made from.
    """
    from medkt.errors import InputError
    from medkt.runs.folder import RunFolder
    from medkt.runs.work import pseudonym

    folders = [RunFolder(path) for path in runs]
    identities = [folder.read().identity for folder in folders]
    digest, cases = _source(identities[0], source)
    for folder, identity in zip(folders, identities, strict=True):
        if identity["manifest"] != digest:
            raise InputError(
                f"{source}: is not what the run was made from (SHA-256 {digest[:12]}..., of the run {identity['manifest'][:12]}...); "
                f"give the manifest, or of a protocol the data, of {folder.path}, unchanged"
            )
    kept = identities[0].get("ids") == "the manifest's"
    salt = b"" if kept else _salt(folders[0].path)
    names = set(wanted)
    found = {}
    for case in cases:
        key = case.case_id if kept else pseudonym(case.case_id, salt)
        if key in names:
            found[key] = case
    if missing := sorted(names - found.keys()):
        raise InputError(f"{source}: has no case {missing[0]}; the salt in {folders[0].path} is not that of its cases")
    return found


def _source(identity: Mapping[str, Any], source: Path) -> "tuple[str, Iterable[Case]]":
    """The digest of a manifest or of a protocol's data, and its cases."""
    from medkt.datasets.manifest import iterate_manifest
    from medkt.datasets.protocol import load_protocol
    from medkt.errors import InputError
    from medkt.io.sha256 import sha256_of
    from medkt.tasks.protocols import plan_of_protocol

    if identity.get("protocol"):
        plan = plan_of_protocol(load_protocol(identity["protocol"]), source, concept="")
        return plan.digest, plan.cases()
    if not source.is_file():
        raise InputError(f"{source}: is no file; give the manifest that the run was made from")
    return sha256_of(source), iterate_manifest(source, check_files=False)


def _salt(run: Path) -> bytes:
    from medkt.errors import InputError
    from medkt.runs.folder import RunFolder

    if not (run / "salt").is_file():
        raise InputError(f"{run}: has no salt any more, so nobody can tell which case of the manifest is which")
    return RunFolder(run).salt()
