"""A run as a folder: what it is a run of, and where its parts lie.

RUN/run.json        settings, versions, digests of concepts and models: a run goes on with the same only; digests of the tables
RUN/salt            makes pseudonyms of ids; whoever has it and the manifest can tell which case is which
RUN/ledger.sqlite   which case stands where
RUN/workers/        outcomes, a file a worker
RUN/cases/          masks, pictures and numbers, a folder a case
RUN/scratch/        what archives hold while they are read; empty when nobody works here
RUN/results.parquet, .csv, failures.*, timings.*    the tables
"""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medkt.errors import InputError, OutputError, SettingsError, UnreadableError
from medkt.io.atomic import write_atomically
from medkt.io.locks import holder_said, let_go, take, wait_until_free
from medkt.io.parts import is_part
from medkt.io.scratch import sweep_scratch
from medkt.io.sha256 import sha256_of, sha256_of_json
from medkt.records.form import SUM
from medkt.runs.columns import SCHEMA
from medkt.runs.provenance import made_with, software
from medkt.runs.record import FORM, RowProvenance, RunRecord

SALT_BYTES = 32
# of an identity: what the cases are, and by whom; a run may be given others
_CASES = ("medkt", "manifest", "masks", "patients")
SALT_IS_MADE_WITHIN_S = 10.0
_SALT_PART = re.compile(r"\.salt-[0-9a-f]{12}")
IdentityRenaming = Callable[[Mapping[str, Any]], Mapping[str, Any]]
ORPHANS_MAY_LIVE_S = 60.0  # workers of a coordinator that was killed end by themselves, at the latest with their step


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run; nothing is read or written before a method is called."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def scratch(self) -> Path:
        """Where workers put what they unpack."""
        return self.path / "scratch"

    @property
    def workers(self) -> Path:
        return self.path / "workers"

    @property
    def cases(self) -> Path:
        return self.path / "cases"

    def table(self, name: str, suffix: str = "parquet") -> Path:
        return self.path / f"{name}.{suffix}"

    def make(self) -> None:
        """Make the folder and its parts.

        Raises:
            OutputError: it cannot be made.
        """
        try:
            self.cases.mkdir(parents=True, exist_ok=True)
            self.workers.mkdir(exist_ok=True)
            self.scratch.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror}); choose another folder") from error

    def outcome_files(self) -> tuple[Path, ...]:
        """The workers' files, sorted."""
        return tuple(sorted(self.workers.glob("*.jsonl")))

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder belongs to this process while the block runs; workers of a killed one are waited for.

        Raises:
            OutputError: another process works in it, or nothing can be written there.
        """
        with self._locked():
            if not all(wait_until_free(file, seconds=ORPHANS_MAY_LIVE_S) for file in self.outcome_files()):
                raise OutputError(self._busy())
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """No other process holds the folder while the block runs."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror}); check space and permission"
            ) from error
        taken = False
        try:
            taken = take(descriptor, self.lock)
            if not taken:
                raise OutputError(self._busy())
            yield
        finally:
            if taken:
                let_go(descriptor, self.lock)
            else:
                os.close(descriptor)

    def _busy(self) -> str:
        who = holder_said(self.lock)
        return f"{self.path}: another `medkt batch` works in this folder{who}; wait for it, or stop it"

    def salt(self, given: Path | None = None) -> bytes:
        """The salt of this run, made where there is none; `given` is a file with that of another run.

        Raises:
            SettingsError: the run has another salt than the one given.
            InputError: the file given cannot be read or is too short to protect anything.
        """
        own = self.path / "salt"
        wanted = None if given is None else _read_salt(given)
        if not own.exists():
            text = (wanted or secrets.token_bytes(SALT_BYTES)).hex() + "\n"
            try:
                _make_once(own, text)  # of several shards that begin at once, one makes it: the other's is as good
            except OSError as error:
                raise OutputError(f"{own}: cannot be written ({error.strerror}); check space and permission") from error
        salt = _read_salt(own)
        if wanted is not None and wanted != salt:
            raise SettingsError(f"{given}: is not the salt of this run; leave --salt away, or begin in another folder")
        return salt

    def read(self) -> RunRecord:
        """What `run.json` says.

        Raises:
            InputError: there is none. UnreadableError: it is none of medkt, or was changed since.
        """
        if not self.record.exists():
            raise InputError(f"{self.path}: holds no run of `medkt batch`; give the folder that -o named")
        return FORM.read_file(self.record)

    def claim(
        self, identity: Mapping[str, Any], *, accept_versions: bool = False, today: IdentityRenaming = dict
    ) -> None:
        """Begin a run of this identity, or go on with the one that is here.

        The cases may be others than before: what the manifest is stands in the record, and decides nothing. `today` puts the
        identity of a run of an earlier version in today's words.

        Raises:
            SettingsError: the run that is here has other settings, another schema, or was made with other versions and
                `accept_versions` is not set; names what differs.
            OutputError: another process works here, or nothing can be written.
        """
        wanted = json.loads(json.dumps(identity, allow_nan=False))  # as it reads back
        with self._locked():  # of two runs that begin at once, one is refused
            if self.record.exists():
                record = self._require(wanted, accept_versions=accept_versions, today=today)
                had = record.identity
                concepts = {"concepts": had["concepts"] | wanted.get("concepts", {})} if had.get("concepts") else {}
                self._replace_record(record, identity={**had, **wanted, **concepts})
                return
            self.write_record(RunRecord(identity=wanted, software=software()))

    def ended(
        self, identity: Mapping[str, Any], *, accept_versions: bool = False, today: IdentityRenaming = dict
    ) -> int:
        """How many cases of the run that is here have ended, 0 where there is none; nothing is written.

        Raises:
            SettingsError: `claim` would refuse to go on with it.
        """
        if not self.record.exists():
            return 0
        wanted = json.loads(json.dumps(identity, allow_nan=False))
        self._require(wanted, accept_versions=accept_versions, today=today)
        if not self.ledger.exists():
            return 0
        from medkt.runs.ledger import Ledger

        with Ledger(self.ledger, read_only=True) as ledger:
            counts = ledger.counts()
        return counts["done"] + counts["failed"]

    def _require(self, wanted: Mapping[str, Any], *, accept_versions: bool, today: IdentityRenaming) -> RunRecord:
        """The record of the run that is here, if one of that identity goes on with it."""
        record = self.read()
        require_schema(record, where=self.path)
        had = today(record.identity)
        _require_guard(had, wanted, where=self.path)
        require_same(*_settings_of({"guarded": False, **had}, {"guarded": False, **wanted}), where=self.path)
        if not accept_versions:
            began = {"medkt": had.get("medkt")} if record.software is None else record.software
            _require_versions(began, where=self.path)
        return record

    def claim_models(self, facts: Mapping[str, Any], *, accept_versions: bool = False) -> None:
        """Note which models the workers have loaded, or check that they are those of the run.

        What rows are made with, versions and models, is noted under the digits that stand in the rows.

        Raises:
            SettingsError: they are others.
        """
        record, wanted = self.read(), json.loads(json.dumps(facts, allow_nan=False))
        if record.models is not None and not accept_versions:
            require_same(record.models, wanted, where=self.path)
        made = {**record.made_with, made_with(wanted): RowProvenance(software=software(), models=wanted)}
        self._replace_record(record, models=record.models or wanted, made_with=made)

    def note_tables(self, files: Sequence[Path]) -> None:
        """Put the digests of the tables into the record."""
        self._replace_record(self.read(), tables={file.name: sha256_of(file) for file in sorted(files)})

    def require_table(self, name: str) -> Path:
        """A table in Parquet, as the run wrote it.

        Raises:
            InputError: there is none. UnreadableError: it was changed since, or damaged.
        """
        path = self.table(name)
        if not path.is_file():
            raise InputError(f"{self.path}: has no table {path.name}; it is no run of `medkt batch`, or not ended yet")
        told = (self.read().tables or {}).get(path.name)
        if told is not None and told != sha256_of(path):
            raise UnreadableError(
                f"{path}: is not as the run wrote it (its digest is another): changed, damaged, or the run was ended while it "
                "wrote; the same `medkt batch --manifest ...` writes it anew"
            )
        return path

    def _replace_record(self, record: RunRecord, **changes: Any) -> None:
        if replace(record, **changes) != record:
            self.write_record(replace(record, **changes))

    def clear_case(self, key: str) -> Path:
        """The folder of a case, without what an attempt that was killed has left there.

        Raises:
            InputError: the disk takes the name for that of another case, as one that does not heed upper and lower case.
        """
        folder = self.cases / key
        if folder.exists() and key not in os.listdir(self.cases):
            raise InputError(
                "this disk does not tell the case's id from another one that differs in upper and lower case only; leave "
                "--keep-ids away, or give ids that differ in more"
            )
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def put_case(self, key: str, part: Path) -> None:
        """Let `part`, which lies beside the cases' folders, be the folder of a case, in the place of an earlier one.

        Raises:
            OutputError: no permission. InputError: `clear_case`'s.
        """
        target = self.clear_case(key)
        try:
            os.rename(part, target)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror}); check space and permission") from error

    def sweep(self) -> None:
        """Remove what killed processes have left: unpacked archives, and what was half written."""
        sweep_scratch(self.scratch)
        for part in self.cases.glob(".*.part"):
            shutil.rmtree(part, ignore_errors=True)
        for file in (one for one in self.path.iterdir() if is_part(one.name) or _SALT_PART.fullmatch(one.name)):
            file.unlink(missing_ok=True)

    def write_record(self, record: RunRecord) -> None:
        """Replace `run.json`; its sum is made anew."""
        text = json.dumps(FORM.write(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(self.record, lambda path: path.write_text(text, encoding="utf-8"))


def sum_of(record: Mapping[str, Any]) -> str:
    """SHA-256 over what a record or note of a run says beside its own sum."""
    return sha256_of_json({name: value for name, value in record.items() if name != SUM})


def require_schema(record: RunRecord, *, where: Path) -> None:
    """Pass silently where a run's tables have today's columns.

    Raises:
        SettingsError: they have not.
    """
    if record.schema != SCHEMA:
        raise SettingsError(
            f"{where}: is a run of another version of medkt, whose tables have other columns; report, compare and query read "
            "it, but begin in another folder, or go on with that version"
        )


def require_same(had: Mapping[str, Any], has: Mapping[str, Any], *, where: Path) -> None:
    """Pass silently where two records agree.

    Raises:
        SettingsError: names the entries that differ, with both values.
    """
    differ = _differences(had, has)
    if differ:
        raise SettingsError(
            f"{where}: holds a run with other settings ({'; '.join(differ[:4])}); give those of the run, or begin in "
            "another folder"
        )


def _require_guard(had: Mapping[str, Any], has: Mapping[str, Any], *, where: Path) -> None:
    """That a run goes on with a guard or without one, as it began; runs of earlier versions had none."""
    if bool(had.get("guarded")) == bool(has.get("guarded")):
        return
    began = "without a guard, as runs of earlier versions were: say --no-guard to go on so"
    if had.get("guarded"):
        began = "with a guard: leave --no-guard out, and --as-published, to go on so"
    raise SettingsError(f"{where}: the run was begun {began}; or begin in another folder")


def _settings_of(had: Mapping[str, Any], has: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of two identities must agree: the settings, and of the concepts the words of those that both ask for."""
    both = set(had.get("concepts") or {}) & set(has.get("concepts") or {})
    parts = []
    for one in (had, has):
        part = {name: value for name, value in one.items() if name not in _CASES}
        if isinstance(one.get("concepts"), Mapping):
            part["concepts"] = {name: one["concepts"][name] for name in both}
        parts.append(part)
    return parts[0], parts[1]


def _require_versions(had: Mapping[str, Any], *, where: Path) -> None:
    differ = _differences(had, software())
    if differ:
        raise SettingsError(
            f"{where}: holds rows made with other versions ({'; '.join(differ)}), whose last digits may differ; go on with those, "
            "begin in another folder, or say --accept-versions, and each row says in made_with what made it"
        )


def _differences(had: Any, has: Any, path: str = "") -> Sequence[str]:
    if isinstance(had, Mapping) and isinstance(has, Mapping):
        keys = dict.fromkeys([*had, *has])
        return [
            one for key in keys for one in _differences(had.get(key), has.get(key), f"{path}.{key}" if path else key)
        ]
    if had == has:
        return []
    return [f"{path}: {_short(had)} in the run, {_short(has)} now"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if len(text) <= 40 else f"{text[:18]}...{text[-18:]}"


def _make_once(path: Path, text: str) -> None:
    """A private file with this text, whole or not at all, unless there is one already."""
    part = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    try:
        _write_new(part, text)
        try:
            os.link(part, path)
        except FileExistsError:
            return
        except OSError:  # a disk without hard links (exFAT, some shares)
            _make_once_under_lock(part, path)
    finally:
        part.unlink(missing_ok=True)


def _make_once_under_lock(part: Path, path: Path) -> None:
    beside = path.with_name(f".{path.name}.lock")
    if not beside.exists():
        beside.touch()
    descriptor = os.open(beside, os.O_RDWR)
    taken, until = False, time.monotonic() + SALT_IS_MADE_WITHIN_S
    try:
        while not (taken := take(descriptor, beside)) and time.monotonic() < until:
            time.sleep(0.02)
        if not path.exists():
            os.replace(part, path)
    finally:
        if taken:
            let_go(descriptor, beside)
        else:
            os.close(descriptor)


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read_salt(path: Path) -> bytes:
    try:
        salt = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise InputError(f"{path}: the salt cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: is no salt; expected hexadecimal digits, as in the file salt of a run") from error
    if len(salt) < 16:
        raise InputError(f"{path}: a salt of {len(salt)} bytes protects nothing; at least 16 are needed")
    return salt
