"""The form of a record: its number, what it was called before, and the checksum over it.

A number rises when a key changes its meaning or goes; keys may be added under the same one. Earlier numbers are brought up
one by one, each by one function, so that the rest of medkt knows today's form alone.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from medkt.bounds.texts import LARGEST_TEXT, parse_json, read_text
from medkt.errors import InputError, MedktError, UnreadableError, UnsupportedError
from medkt.records.fill import fill, hints_of
from medkt.records.plain import as_plain

T = TypeVar("T")
Plain = dict[str, Any]
SUM = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordForm(Generic[T]):
    """How one kind of record is written and read.

    Attributes:
        kind: the dataclass.
        name: what it is, such as "calibration"; its schema file is called so too.
        number: today's.
        also: earlier numbers that are still written, of what they can hold.
        key: that holds the number; "" where a record is part of another one, whose number says of which form it is.
        head: keys that stand before all others and are no fields: they say what the file is.
        unnamed: the number of a record that names none; 0 where each names its own.
        earlier: by number, what makes a record of that number one of the next; none where it only lacks what has a default.
        sum_of: the checksum over all else, which stands last under "sum"; None where there is none.
        summed_from: from which number on there must be one; one that is there is looked at whatever the number.
        more: whether keys that are not known are passed over, as a later version may have added them.
        writer: the command that writes it.
        again: what to do about one that cannot be read.
        largest: bytes of a file of it.
    """

    kind: type[T]
    name: str
    number: int
    also: tuple[int, ...] = ()
    key: str = "schema"
    head: Mapping[str, str] = field(default_factory=dict)
    unnamed: int = 0
    earlier: Mapping[int, Callable[[Plain], Plain]] = field(default_factory=dict)
    sum_of: Callable[[Plain], str] | None = None
    summed_from: int = 1
    more: bool = False
    writer: str = ""
    again: str = "take it from a copy"
    largest: int = LARGEST_TEXT

    def write(self, record: T) -> Plain:
        """What a file of it holds."""
        plain: Plain = {**self.head, **({self.key: self.number} if self.key else {}), **as_plain(record)}
        return {**plain, SUM: self.sum_of(plain)} if self.sum_of else plain

    def text(self, record: T) -> str:
        """The file of it."""
        return json.dumps(self.write(record), indent=1, allow_nan=False) + "\n"

    def read_file(self, path: str | Path) -> T:
        """The record in a file.

        Raises:
            InputError: as `load` and `read`.
        """
        return self.read(self.load(path), where=str(path))

    def load(self, path: str | Path) -> Any:
        """The JSON of a file, whatever it is of.

        Raises:
            InputError: it cannot be opened, or is no JSON.
        """
        try:
            return parse_json(read_text(Path(path), largest=self.largest), str(path))
        except MedktError:  # some are ValueErrors too
            raise
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
        except ValueError as error:
            raise UnreadableError(f"{path}: is not JSON ({error}); {self.again}") from error

    def read(self, plain: object, *, where: str) -> T:
        """The record that a file holds.

        Args:
            plain: as JSON gave it.
            where: the file's name, for messages.

        Raises:
            UnreadableError: it is of something else, a key is unknown, missing or of another kind, or its checksum is another.
            UnsupportedError: it was written by a later version.
        """
        if not isinstance(plain, dict) or any(plain.get(key) != word for key, word in self.head.items()):
            said = f"give a file that `{self.writer}` wrote" if self.writer else self.again
            raise UnreadableError(f"{where}: is no {self.name} of medkt's; {said}")
        number = self.number_of(plain, where=where)
        try:
            sound = self._is_sound(plain, number)
            record = fill(self.kind, self._today(plain, number), more=self.more)
        except (MedktError, ValueError) as error:  # NaN and infinity, of which there is no checksum, are ValueErrors
            raise UnreadableError(f"{where}: is damaged ({error}); {self.again}") from error
        if not sound:
            raise UnreadableError(f"{where}: was changed since it was written, or is damaged; {self.again}")
        return record

    def number_of(self, plain: Mapping[str, Any], *, where: str) -> int:
        """The number that a record names, or that of those that name none.

        Raises:
            UnreadableError: it names none that there ever was. UnsupportedError: it names a later one.
        """
        number, first = plain.get(self.key, self.unnamed), self.unnamed or 1
        if type(number) is int and first <= number <= self.number:
            return number
        later = type(number) is int and number > self.number
        said = f"{where}: {self.key} {number!r}, this medkt reads {first} to {self.number}; "
        raise UnsupportedError(f"{said}update medkt") if later else UnreadableError(f"{said}{self.again}")

    def _today(self, plain: Plain, number: int) -> Plain:
        """The fields, as today's form has them."""
        held = {key: value for key, value in plain.items() if key not in {*self.head, self.key, SUM}}
        if self.key in hints_of(cast(Any, self.kind)):  # a record that says by itself of which number it is
            held[self.key] = number
        for each in range(number, self.number):
            held = self.earlier[each](held) if each in self.earlier else held
        return held

    def _is_sound(self, plain: Plain, number: int) -> bool:
        if self.sum_of is None or (SUM not in plain and number < self.summed_from):
            return True
        return bool(plain.get(SUM) == self.sum_of({key: value for key, value in plain.items() if key != SUM}))
