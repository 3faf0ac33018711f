"""One set of weights used by several threads: many may ask it at once, but none while another has it changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock, get_ident
from weakref import WeakKeyDictionary

from torch.nn import Module


class SharedWeights:
    """Who has the weights of a module in hand. A thread that has them changed may open them again."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._asking: dict[int, int] = {}  # by thread, how often it has them open as they are
        self._changing: int | None = None

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """The weights as they were loaded; waits for a thread that has them changed."""
        me = get_ident()
        with self._turn:
            self._turn.wait_for(lambda: self._changing in (None, me))
            self._asking[me] = self._asking.get(me, 0) + 1
        try:
            yield
        finally:
            with self._turn:
                self._asking[me] -= 1
                if not self._asking[me]:
                    del self._asking[me]
                self._turn.notify_all()

    @contextmanager
    def changed(self) -> Iterator[None]:
        """The weights for this thread alone; waits until no other has them open."""
        me = get_ident()
        with self._turn:
            self._turn.wait_for(lambda: self._changing in (None, me) and not self._asking.keys() - {me})
            before, self._changing = self._changing, me
        try:
            yield
        finally:
            with self._turn:
                self._changing = before
                self._turn.notify_all()


_HELD: "WeakKeyDictionary[Module, SharedWeights]" = WeakKeyDictionary()
_HELD_LOCK = Lock()


def shared_weights(module: Module) -> SharedWeights:
    """The same for one module, whoever asks."""
    with _HELD_LOCK:
        return _HELD.setdefault(module, SharedWeights())
