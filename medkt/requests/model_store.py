"""`models pull`, `verify`, `import` and `export`: weights brought here, checked, and passed on. Only `pull` opens a network connection."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from medkt.requests.listener import SILENT, Listener
from medkt.requests.option import Option, Request, requested
from medkt.requests.trust import trusted_places

if TYPE_CHECKING:
    from medkt.models.records import ModelRecord
    from medkt.models.store import FileCheck, InstalledModel

LONGEST_PULL_S = 6 * 3600.0


@dataclass(frozen=True, kw_only=True)
class ModelsPullRequest(Request):
    """Which model, and whether its licence is accepted."""

    name: Annotated[str, Option(positional=True)]
    accept_licence: Annotated[bool, Option("you accept the licence of the weights")] = False
    timeout: Annotated[float, Option("seconds each file may take; 0 for no limit", metavar="S")] = LONGEST_PULL_S


@dataclass(frozen=True, kw_only=True)
class ModelsVerifyRequest(Request):
    """Which models."""

    names: Annotated[tuple[str, ...], Option("default: every model that is here", positional=True, metavar="name")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFileCheck:
    """What was found of one file of a model.

    Attributes:
        model: the name of its folder.
        file: its name there.
        state: "ok", "changed" or "missing".
        stated: whether its publisher states its digest.
        vouched_by: who says that it is what it is called, in words; "" for nobody.
    """

    model: str
    file: str
    state: Literal["ok", "changed", "missing"]
    stated: bool
    vouched_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsVerifyResult:
    """The models that were looked at, and each of their files."""

    models: "tuple[InstalledModel, ...]"
    files: tuple[ModelFileCheck, ...]

    @property
    def sound(self) -> bool:
        """Whether all files are there and as they were brought."""
        return all(one.state == "ok" for one in self.files)


@dataclass(frozen=True, kw_only=True)
class ImportOptions(Request):
    """What the weights are, and who may vouch for them."""

    model: Annotated[
        str | None,
        Option(
            "the model that it is, of `medkt models list`; NAME may then be one of your own, as for weights that you trained",
            long="--as", metavar="MODEL",
        ),
    ] = None  # fmt: skip
    trusted: Annotated[
        tuple[Path, ...],
        Option(
            "public keys of sites, or folders of *.pub; a folder `trust` in medkt's own folder (MEDKT_HOME) is always read",
            metavar="KEY",
        ),
    ] = ()
    accept_unpublished: Annotated[
        bool,
        Option(
            "take weights from a bundle that differ from what their publisher states and that nobody trusted signed"
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ModelsImportRequest(ImportOptions):
    """Which weights, and what they shall be called."""

    path: Annotated[Path, Option("a file or folder of weights, or a bundle of `export`")]
    name: Annotated[str | None, Option("of the model if it is not plain, or one of your own")] = None


@dataclass(frozen=True, kw_only=True)
class ModelsExportRequest(Request):
    """Which models, where to, and signed with which key."""

    names: Annotated[tuple[str, ...], Option(positional=True, metavar="name")]
    output: Annotated[Path, Option("the zip file to write", short="-o")]
    key: Annotated[Path | None, Option("sign it with this private key (`medkt concept sign --new-key` makes one)")] = (
        None
    )


def models_pull(
    request: ModelsPullRequest | None = None, /, *, listener: Listener = SILENT, **options: Any
) -> "InstalledModel":
    """Download a model from where it is published. This opens a network connection; nothing else in medkt does.

    Args:
        request: what is asked for.
        listener: is told the licence, and how far each file is, in bytes; of 0 where the server does not say how many.
        **options: fields of the request by name, in its place or over it.

    Raises:
        UnknownNameError: there is no such model.
        MedktError: as `medkt.models.download.pull`, of a licence that is not accepted too.
    """
    from medkt.models.download import pull
    from medkt.models.records import record_of

    request = requested(ModelsPullRequest, request, options)
    record = record_of(request.name)
    listener.tell(f"{record.title}. Licence of the weights: {record.licence.title}. {record.licence.summary}")
    listener.tell(f"See {record.licence.text}")
    with listener.progress(f"pulling {record.name}") as tick:
        return pull(
            record, accept_licence=request.accept_licence, limit_s=request.timeout or math.inf,
            progress=lambda name, here, total: tick(name, here, total or 0),
        )  # fmt: skip


def models_verify(request: ModelsVerifyRequest | None = None, /, **options: Any) -> ModelsVerifyResult:
    """Hash the files of models in the store again, compare, and say who vouches for each.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        UnknownNameError: there is no such model. WeightsError: one that is named is not here, or a manifest is damaged.
    """
    from medkt.errors import WeightsError
    from medkt.models import store
    from medkt.models.records import record_of, records

    own = store.own_names()
    here = [name for kind in ("encoder", "segmenter") for name in records(kind) if store.installed(name)]
    models, files = [], []
    for name in requested(ModelsVerifyRequest, request, options).names or (*here, *own):
        found = store.installed(name if name in own else record_of(name).name)
        if found is None:
            raise WeightsError(f"{name} is not in {store.folder_of(name)}: pull or import it first")
        models.append(found)
        files += [_checked(one) for one in store.verify(found)]
    return ModelsVerifyResult(models=tuple(models), files=tuple(files))


def models_import(request: ModelsImportRequest | None = None, /, **options: Any) -> "tuple[InstalledModel, ...]":
    """Copy weights into the store, or all models of a bundle.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        InputError: nothing is there; a bundle, which says itself what its models are, is called something.
        MedktError: as `medkt.models.bundle.bring` and `import_bundle`.
    """
    from medkt.errors import InputError
    from medkt.models.bundle import bring, import_bundle, is_bundle
    from medkt.models.records import record_of

    request = requested(ModelsImportRequest, request, options)
    path = request.path
    if request.name is None and is_bundle(path):
        if request.model:
            raise InputError(f"{path} is a bundle, which says itself what its models are: leave --as out")
        trusted = trusted_places(request.trusted)
        return tuple(import_bundle(path, trusted=trusted, accept_unpublished=request.accept_unpublished))
    said = request.model or request.name
    return (bring(record_of(said) if said else _recognised(path), path, request.name),)


def models_export(request: ModelsExportRequest | None = None, /, **options: Any) -> "tuple[InstalledModel, ...]":
    """Write models of the store into one bundle, for a machine without a network; gives those that it holds.

    Args:
        request: what is asked for.
        **options: fields of the request by name, in its place or over it.

    Raises:
        MedktError: as `medkt.models.bundle.export`.
    """
    from medkt.models.bundle import export

    request = requested(ModelsExportRequest, request, options)
    return tuple(export(request.names, request.output, request.key))


def _checked(found: "FileCheck") -> ModelFileCheck:
    return ModelFileCheck(
        model=found.model, file=found.file, state=found.state, stated=found.stated, vouched_by=_voucher(found)
    )  # fmt: skip


def _voucher(found: "FileCheck") -> str:
    """Who says that a file is what it is called: its publisher, or the site that signed it; "" for nobody."""
    if found.stated:
        return "as its publisher states"
    if not found.signer:
        return ""
    from medkt.concepts.signature import trusted_keys

    name = trusted_keys(trusted_places()).get(found.signer)
    return f"signed by {name or 'a key that is no longer trusted'}, key {found.signer}"


def _recognised(path: Path) -> "ModelRecord":
    from medkt.errors import InputError, WeightsError
    from medkt.models.recognition import recognise

    if not path.exists():
        raise InputError(f"{path} does not exist")
    try:
        return recognise(path, "encoder")[0]
    except WeightsError:
        return recognise(path, "segmenter")[0]
