"""Learnt concepts in use: each concept is asked of the encoder that was taught it, everything else of the base.

A concept of which a package holds only how it is asked is asked of the base, by the directions in the package.

One concept: a copy of the base with its difference, made once. Several: the base itself, with the difference of the
concept in hand laid over it and taken off again, bit for bit. Or, where the user wants that, all differences at once:
one encoder for all of them, which then get in each other's way as far as `together_notes` says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

import torch

from medkt.bounds import several_of
from medkt.concepts import AskingRecord, Concept, Package, read_package
from medkt.concepts.asking_record import NORMAL, RIVALS, WANTED
from medkt.concepts.package import SUFFIX
from medkt.errors import AmbiguousInputError, SettingsError, WeightsError
from medkt.facts import TaughtFacts
from medkt.models.encoder import DualEncoder
from medkt.models.module import device_of
from medkt.models.weights import weights_digest
from medkt.saliency.directions import Directions
from medkt.saliency.targets import ConceptQuery
from medkt.transfer.delta import Delta, applied, apply, from_bytes, interference
from medkt.transfer.sharing import shared_weights

BASE = ""
"""The route of everything that was not learnt."""
_TOGETHER = "together"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdaptedEncoder:
    """A base encoder and what it was taught.

    Attributes:
        base: as it was loaded; it is that again whenever no `encoder` is open.
        packages: in the order given.
        together: whether the differences are summed into one encoder.
        deltas: by concept id, of those whose weights were changed.
        asked: by concept id, of those of which a package says how they are asked.
        base_digest: `weights_digest` of the base; "" where nothing was taught.
        notes: how the differences of one encoder meet, where concepts are not kept apart; and which concepts were kept although
            the audit says that their words were not carried.
        copy: the adapted encoder where there is only one difference.
    """

    base: DualEncoder
    packages: tuple[Package, ...] = ()
    together: bool = False
    deltas: Mapping[str, Delta]
    asked: Mapping[str, ConceptQuery] = field(default_factory=dict)
    base_digest: str = ""
    notes: tuple[str, ...] = ()
    copy: DualEncoder | None = None

    @classmethod
    def of(
        cls, base: DualEncoder, packages: Iterable[str | Path | Package] = (), *, together: bool = False
    ) -> "AdaptedEncoder":
        """Take packages into use.

        Args:
            base: the model that they were learnt for.
            packages: `.medkt` files, or what `read_package` gave.
            together: sum the differences of several concepts into one encoder.

        Raises:
            WeightsError: a package belongs to another base, or its weights do not fit; the file is named.
            SettingsError: two packages hold one concept.
            UnreadableError, UnsupportedError, InputError: as `read_package`.
        """
        held = several_of(packages)
        with shared_weights(base.module).unchanged():
            return cls._of(base, held, together=together)

    @classmethod
    def _of(cls, base: DualEncoder, packages: Sequence[str | Path | Package], *, together: bool) -> "AdaptedEncoder":
        digest = weights_digest(base.module) if packages else ""
        held: list[Package] = []
        deltas: dict[str, Delta] = {}
        asked: dict[str, ConceptQuery] = {}
        for one in packages:
            package = one if isinstance(one, Package) else read_package(one)
            where = "" if isinstance(one, Package) else f"{one}: "
            try:
                package.require_base(base.spec.name, digest)
                found = {one.concept.id: from_bytes(one.delta) for one in package.learnt if one.delta}
            except WeightsError as error:
                raise WeightsError(f"{where}{error}") from error
            ids = [concept.id for concept in package.concepts]
            twice = sorted(set(ids) & {concept.id for other in held for concept in other.concepts})
            if twice:
                raise SettingsError(f"{where}{twice[0]} is in another of the packages too; leave one out")
            deltas |= found
            asked |= {one.concept.id: _asked(one.asking, base) for one in package.learnt if one.asking is not None}
            held.append(package)
        summed = together and len(deltas) > 1
        return cls(
            base=base, packages=tuple(held), together=summed, deltas=deltas, asked=asked,
            base_digest=digest, notes=(*(together_notes(base, deltas) if summed else ()), *_kept_anyway(held)),
            copy=apply(base, next(iter(deltas.values()))) if len(deltas) == 1 else None,
        )  # fmt: skip

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """The words of what was learnt."""
        return tuple(concept for package in self.packages for concept in package.concepts)

    def named(self, name: str) -> Concept | None:
        """The learnt concept with this id, or else with this name or synonym.

        Raises:
            AmbiguousInputError: several have the name, none the id.
        """
        called = [concept for concept in self.concepts if concept.is_called(name)]
        if len(called) > 1 and name not in (ids := [concept.id for concept in called]):
            raise AmbiguousInputError(
                f"{name!r} means {len(called)} learnt concepts ({', '.join(ids)}); name one by its id"
            )
        return next((concept for concept in called if concept.id == name), called[0] if called else None)

    def require_same_words(self, concept: Concept) -> None:
        """That a concept with the id of a learnt one has its words.

        Raises:
            SettingsError: it has others, so that two different findings would share files and a row.
        """
        learnt = next((one for one in self.concepts if one.id == concept.id), None)
        if learnt is not None and learnt.digest != concept.digest:
            raise SettingsError(
                f"{concept.id} is asked for with other words than those it was learnt with; give one of them another id, or "
                "ask for one at a time"
            )

    def route(self, concept_id: str) -> str:
        """Concepts of one route are asked of one encoder; `BASE` for what was not learnt."""
        if concept_id not in self.deltas:
            return BASE
        return _TOGETHER if self.together else concept_id

    @contextmanager
    def encoder(self, route: str) -> Iterator[DualEncoder]:
        """The encoder of a route; on leaving, the base is as it was, bit for bit, also after a failure.

        While the differences of one thread lie over the base, other threads wait.

        Raises:
            WeightsError: the differences do not fit the base.
        """
        if route == BASE:
            with shared_weights(self.base.module).unchanged():
                yield self.base
        elif self.copy is not None:
            yield self.copy
        else:
            wanted = list(self.deltas.values()) if route == _TOGETHER else [self.deltas[route]]
            with shared_weights(self.base.module).changed(), applied(self.base, wanted) as adapted:
                yield adapted

    def facts(self, route: str, concepts: Sequence[str], encoder: DualEncoder) -> tuple[TaughtFacts, ...]:
        """What to record of a route's encoder, while it is open; nothing where no package had a part in the answers.

        Args:
            route: of the encoder.
            concepts: ids of what was asked of it.
            encoder: as it is now.
        """
        of_packages = [one for one in concepts if route or one in self.asked]
        if not of_packages:
            return ()
        inside = {*of_packages, *(self.deltas if route == _TOGETHER else ())}
        facts = TaughtFacts(
            concepts=tuple(of_packages),
            packages=tuple(p.digest for p in self.packages if inside & {concept.id for concept in p.concepts}),
            base_digest=self.base_digest,
            adapted_digest=encoder.spec.digest,
            ways={one: self.asked[one].way for one in of_packages if one in self.asked},
        )
        return (facts,)


def directions_of(record: AskingRecord, device: torch.device | str = "cpu") -> Directions:
    """The directions that a record holds, on a device."""
    wanted, rivals = (torch.from_numpy(record.direction(name)).to(device) for name in (WANTED, RIVALS))
    normal = torch.from_numpy(record.direction(NORMAL)).to(device) if record.normal else None
    return Directions(wanted=wanted, rivals=rivals, sharpness=record.sharpness, normal=normal, handicap=record.handicap)


def _asked(record: AskingRecord, base: DualEncoder) -> ConceptQuery:
    """The directions of a package on the encoder's device."""
    return ConceptQuery(
        directions=directions_of(record, device_of(base)), known=len(record.known), bias=record.bias, texts=record.texts, way=record.way, digest=record.digest,
    )  # fmt: skip


def _kept_anyway(packages: Sequence[Package]) -> tuple[str, ...]:
    """A sentence for each concept that was written against its audit."""
    learnt = (one for package in packages for one in package.learnt)
    return tuple(f"{one.concept.id}: {one.words_carried}" for one in learnt if one.audit.get("kept anyway") is True)


def is_package(one: object) -> TypeGuard[str | Path]:
    """Whether this names a `.medkt` file."""
    return isinstance(one, str | Path) and Path(one).suffix == SUFFIX


def together_notes(base: DualEncoder, deltas: Mapping[str, Delta]) -> tuple[str, ...]:
    """A sentence for each pair of differences in one encoder, for a reader: how far one undoes or repeats the other."""
    names = list(deltas)
    whole = [row for row in interference(base, list(deltas.values())) if not row.weight]
    return tuple(
        f"{names[row.first]} and {names[row.second]} are in one encoder: the cosine between their changes is {row.cosine:.3f} "
        f"(0 leaves the other alone, 1 repeats it, -1 undoes it), they share {row.overlap:.0%} of the numbers they change"
        for row in whole
    )
