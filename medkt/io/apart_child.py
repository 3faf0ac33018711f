"""The process apart: decodes what it is asked to, under a limit of memory, and says what came of it.

It is started by `apart` and loads no model. Its standard streams lead nowhere, for codecs write what they like there. It
ends where whoever asked is gone.
"""

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medkt.errors import InputError, MedktError
from medkt.io.apart_wire import bytes_of, packed, told
from medkt.shapes import Array

_Answers = Iterator[tuple[dict[str, Any], Array]]
GONE = 71  # exit code
_NOT_HERE = (
    "requests",
    "tqdm",
)  # pydicom loads them for downloads, a sixth of the start; here nothing opens a connection
_BASE = 512 << 20  # bytes beside those of the pictures: stacks of threads, tables of codecs


def main() -> None:
    """Answer the requests on standard input, a line of JSON each, until it ends."""
    sys.modules.update(dict.fromkeys(_NOT_HERE))  # type: ignore[arg-type]  # None: cannot be imported
    out = _own_streams()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # they reach the whole group; whoever asked decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    _say(out, {"ready": True})
    while True:
        request = json.loads(asked.get())
        _limit(int(request["bytes"]), int(request["seconds"]))
        _answer(out, request)


def _own_streams() -> int:
    """Where answers go; what is printed goes nowhere."""
    out, nowhere = os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return out


def _listen(asked: "queue.SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
    os._exit(GONE)


def _answer(out: int, request: dict[str, Any]) -> None:
    try:
        for header, array in _KINDS[request["kind"]](request):
            _say(out, header, array)
        _say(out, {"end": True})
    except MedktError as error:
        _say(out, told(error))
    except MemoryError:
        _say(out, told(InputError(f"{request['shown']}: does not fit into memory", code="memory")))
    except Exception as error:  # of a library where no guard stands: whoever asked is to hear it, not to wait
        _say(out, told(MedktError(f"{request['shown']}: decoding failed ({type(error).__name__}); please report it")))


def _say(out: int, header: dict[str, Any], array: Array | None = None) -> None:
    words, array = packed(header, array)
    for part in (words, b"" if array is None else bytes_of(array)):
        left = memoryview(part)
        while len(left):
            left = left[os.write(out, left) :]


def _limit(count: int, seconds: int) -> None:
    """Let the next file take so many bytes beside those that are taken now, and a time of the processor.

    Only where the system counts and limits them: on Linux both, on macOS the time, on Windows neither.
    """
    try:
        import resource
    except ImportError:
        return
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_CPU, int(spent.ru_utime + spent.ru_stime) + 2 * seconds + 1)
    _soft(resource.RLIMIT_CORE, 0)  # it would hold a patient's pixels
    taken = Path("/proc/self/statm")
    if taken.exists():
        _soft(resource.RLIMIT_AS, int(taken.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + _BASE + count)


def _soft(what: int, limit: int) -> None:
    import resource

    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


# ---- what can be asked


def _dicom(request: dict[str, Any]) -> _Answers:
    """The frames of those numbers, and behind the last one what is to be warned of."""
    from medkt.io.dicom_decode import decode, pixels_of, require_decoder

    warnings: dict[str, None] = {}
    dataset = pixels_of(Path(request["path"]), request["shown"])
    require_decoder(dataset, request["shown"])
    for array, colour in decode(dataset, request["numbers"], request["shown"], warnings):
        yield {"colour": colour, "warnings": list(warnings)}, array


def _segmentation(request: dict[str, Any]) -> _Answers:
    from medkt.io.seg_planes import stored_planes

    yield {}, stored_planes(Path(request["path"]), request["shown"])


def _picture(request: dict[str, Any]) -> _Answers:
    from medkt.io.raster_channels import channels_here

    pixels, steps, notes = channels_here(Path(request["path"]), request["shown"], request["volume"])
    yield {"steps": steps, "notes": notes}, pixels


def _itk(request: dict[str, Any]) -> _Answers:
    from medkt.io.itk_decode import decoded_here

    found = decoded_here(Path(request["path"]), request["format"], request["shown"])
    place = {name: list(getattr(found, name)) for name in ("spacing", "origin", "directions")}
    yield {**place, "components": found.components}, found.voxels


_KINDS: dict[str, Callable[[dict[str, Any]], _Answers]] = {
    "dicom": _dicom,
    "itk": _itk,
    "segmentation": _segmentation,
    "picture": _picture,
}
