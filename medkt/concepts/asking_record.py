"""How a concept is asked, as a package holds it: words, numbers and vectors, read without torch.

The vectors mean something in the space of one model alone, whose digest stands beside them.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from medkt.concepts.tensors import TensorHeader, numbers_of, read_header
from medkt.errors import UnreadableError, WeightsError
from medkt.records import RecordForm, fill, left_out

WANTED, RIVALS, NORMAL = "wanted", "rivals", "normal"
_LENGTH_OFF = 1e-3  # by how much a stored direction's length may differ from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingFile:
    """`asking.json` of a package; what each key holds stands with `AskingRecord`.

    Its vectors are a member of their own, of which it has the digest. What a package of version 2 has not is left out there.
    """

    way: str
    texts: tuple[str, ...]
    known: tuple[str, ...]
    bank: tuple[str, ...]
    texts_sha256: str
    bias: float
    set_on: Mapping[str, Any]
    chosen: Mapping[str, Any]
    base_digest: str
    vectors_sha256: str
    normal: tuple[str, ...] | None = left_out()
    handicap: float | None = left_out()
    sharpness: float | None = left_out()


FORM = RecordForm(kind=AskingFile, name="asking", number=3, key="", unnamed=3)
"""It has no number of its own: the package's version says of which form it is, and earlier versions of medkt, which read a
package of version 2, refuse a key that they do not know."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskingRecord:
    """How a concept is asked.

    Attributes:
        way: the name of the way of asking (`medkt.asking.WAYS`).
        texts: the concept's own texts that are wanted.
        known: ids of the known findings, whose names are the first rivals.
        bank: texts of the bank, the other rivals; () without.
        bias: the lead over the nearest rival above which the concept is seen, -2 to 2.
        set_on: what the bias was set on, in counts, seeds and digests; names no file and nobody.
        chosen: by which rule the way was taken, and its figures.
        base_digest: SHA-256 of the model in whose space the vectors lie, entry by entry.
        vectors: "wanted" (width,), "rivals" (rivals, width) and, where a normal study is told apart, "normal" (width,) as safetensors bytes.
        normal: captions of a study without any finding, that it is told apart from by a lead of its own; () without.
        handicap: what the lead over the normal study is less by, -4 to 4.
        sharpness: the scale of cosines at which the rivals weigh together; 0: the nearest alone counts.
    """

    way: str
    texts: tuple[str, ...]
    known: tuple[str, ...]
    bank: tuple[str, ...] = ()
    bias: float
    set_on: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    base_digest: str
    vectors: bytes
    normal: tuple[str, ...] = ()
    handicap: float = 0.0
    sharpness: float = 0.0

    @property
    def digest(self) -> str:
        """SHA-256 of all this."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True, allow_nan=False).encode()).hexdigest()

    @property
    def texts_digest(self) -> str:
        """SHA-256 of the texts, own and rival ones."""
        texts = [self.texts, self.known, self.bank, *([self.normal] if self.normal else [])]
        return hashlib.sha256(json.dumps(texts, allow_nan=False).encode()).hexdigest()

    @property
    def plain(self) -> bool:
        """Whether it is asked as packages of version 2 are: by the nearest rival alone."""
        return not (self.normal or self.handicap or self.sharpness)

    def direction(self, name: str) -> Float32[np.ndarray, "..."]:
        """`WANTED`, `RIVALS` or, where there are captions of a normal study, `NORMAL`."""
        return numbers_of(self.vectors, self._header("the directions"), name).astype(np.float32)

    def as_json(self) -> dict[str, Any]:
        """What `asking.json` holds."""
        newer: dict[str, Any] = {"normal": self.normal, "handicap": self.handicap, "sharpness": self.sharpness}
        file = AskingFile(
            way=self.way, texts=self.texts, known=self.known, bank=self.bank, texts_sha256=self.texts_digest, bias=self.bias,
            set_on=self.set_on, chosen=self.chosen, base_digest=self.base_digest,
            vectors_sha256=hashlib.sha256(self.vectors).hexdigest(), **({} if self.plain else newer),
        )  # fmt: skip
        return FORM.write(file)

    @classmethod
    def of(cls, raw: Mapping[str, Any], vectors: bytes, shown: str) -> "AskingRecord":
        """From what a package holds.

        Raises:
            UnreadableError: an entry is missing, of another kind, or does not fit the others.
        """
        held = {name: value for name, value in raw.items() if name not in ("texts_sha256", "vectors_sha256")}
        try:
            made = fill(cls, {**held, "vectors": vectors})
        except UnreadableError as error:
            raise UnreadableError(f"{shown}: {error}; fetch it again") from error
        if not all(
            text.isprintable()
            for text in (made.way, made.base_digest, *made.texts, *made.known, *made.bank, *made.normal)
        ):
            raise UnreadableError(f"{shown}: a text holds control characters; fetch it again")
        stated = raw.get("texts_sha256"), raw.get("vectors_sha256")
        if stated != (made.texts_digest, hashlib.sha256(vectors).hexdigest()):
            raise UnreadableError(f"{shown}: texts and vectors are not those that it was made of; fetch it again")
        return made

    def require(self, shown: str, *, base: str) -> None:
        """That the vectors are directions, and of the model with this digest.

        Raises:
            WeightsError: they belong to another model.
            UnreadableError: they are no unit vectors of one width, their number is not that of the texts, or the bias, the
                handicap or the sharpness is no such number.
        """
        if self.base_digest != base:
            raise WeightsError(
                f"{shown}: the directions that it is asked by belong to the base {self.base_digest[:12]}..., the package "
                f"says {base[:12]}...; one of them is wrong, learn it again"
            )
        header = self._header(shown)
        shapes = {name: entry.shape for name, entry in header.entries.items()}
        rivals = len(self.known) + len(self.bank)
        width = shapes.get(WANTED, (0,))[-1]
        expected = {WANTED: (width,), RIVALS: (rivals, width)} | ({NORMAL: (width,)} if self.normal else {})
        if shapes != expected or not width or not self.known or not self.texts:
            raise UnreadableError(
                f"{shown}: the directions that it is asked by have the shapes {shapes}; learn it again"
            )
        lengths = [np.linalg.norm(self.direction(name), axis=-1) for name in expected]
        if not all((np.abs(length - 1) <= _LENGTH_OFF).all() for length in lengths):  # also False for NaN
            raise UnreadableError(f"{shown}: a direction that it is asked by has not the length 1; learn it again")
        if not (math.isfinite(self.bias) and abs(self.bias) <= 2):
            raise UnreadableError(f"{shown}: a lead of {self.bias} is none between cosines; learn it again")
        if not (math.isfinite(self.handicap) and abs(self.handicap) <= 4):
            raise UnreadableError(f"{shown}: a handicap of {self.handicap} is none between leads; learn it again")
        if not (math.isfinite(self.sharpness) and self.sharpness >= 0):
            raise UnreadableError(
                f"{shown}: rivals cannot weigh together at a scale of {self.sharpness}; learn it again"
            )

    def _header(self, shown: str) -> TensorHeader:
        return read_header(self.vectors, f"{shown}: the directions")
