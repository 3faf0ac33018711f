"""`phantom`: a synthetic study as files, with its answer beside it, and which findings can be drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.option import Option, Request, present, requested

if TYPE_CHECKING:
    from medkt.phantom.finding import DomainName, Finding


@dataclass(frozen=True, kw_only=True)
class PhantomRequest(Request):
    """Which study is drawn, and where it goes."""

    output: Annotated[Path | None, Option("folder to write the study into", short="-o")] = None
    finding: Annotated[str, Option("a finding's id, or 'none' for a normal study of --domain")] = "ct_nodule"
    domain: Annotated[Literal["cxr", "ct", "mri", "ultrasound"] | None, Option("needed with --finding none")] = None
    format: Annotated[Literal["dicom", "nifti", "png"], Option()] = "dicom"
    seed: Annotated[int, Option()] = 0
    frames: Annotated[int, Option("of an ultrasound clip")] = 1
    oblique: Annotated[bool, Option("turn the slices away from the patient's axes")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomResult:
    """A study that was drawn.

    Attributes:
        study: the path to read it from.
        reference: its answer, a mask in the same world.
        domain: of the study.
    """

    study: Path
    reference: Path
    domain: str


def write_phantom(request: PhantomRequest | None = None, /, **options: Any) -> PhantomResult:
    """Draw a study of a finding, or a normal one; the same seed gives the same voxels.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        SettingsError: nothing says where the study goes, or options that do not go together.
        UnknownNameError: no finding has this id. InputError: as `medkt.phantom.study.write_study`.
        OutputError: the study cannot be written.
    """
    from medkt.errors import OutputError
    from medkt.phantom.study import reference_path, write_study

    request = requested(PhantomRequest, request, options)
    output = present(request.output, "say where to write the study: -o FOLDER")
    domain = _domain_of(request)
    try:
        study = write_study(
            output, domain=domain, finding="" if request.finding == "none" else request.finding, seed=request.seed,
            format=request.format, frames=request.frames, oblique=request.oblique,
        )  # fmt: skip
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}); choose another output folder") from error
    return PhantomResult(study=study, reference=reference_path(study), domain=domain)


def list_phantoms() -> "tuple[Finding, ...]":
    """The findings that can be drawn."""
    from medkt.phantom.finding import findings

    return tuple(findings().values())


def _domain_of(request: PhantomRequest) -> "DomainName":
    from medkt.errors import SettingsError
    from medkt.phantom.finding import find

    domain: DomainName
    if request.finding == "none":
        domain = present(request.domain, "--finding none needs --domain: cxr, ct, mri or ultrasound")
    else:
        domain = find(request.finding).domain
    if request.domain not in (None, domain):
        raise SettingsError(f"{request.finding} is a finding of {domain}, not of {request.domain}")
    if request.seed < 0:
        raise SettingsError(f"--seed is 0 or more, got {request.seed}")
    return domain
