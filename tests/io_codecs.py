"""Codecs of the process apart that crash, hang, take all memory or lie."""

# the codec of the process apart does this at the file whose name holds "bad"
BAD = {
    "crash": "os.kill(os.getpid(), signal.SIGSEGV)",
    "abort": "os.abort()",
    "leave": "os._exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "memory": "held = bytearray(1 << 33)",
    "hang": "time.sleep(60)",
    "babble": "os.write(3, b'x' * 64)",
}
PATCHED = """
import json, os, signal, sys, time
sys.path[:] = json.loads(sys.argv[1])
import medkt.io.dicom_decode as codec, medkt.io.raster_channels as pictures
from medkt.io import apart_child
decode, channels = codec.decode, pictures.channels_here
def bad(dataset, numbers, shown, *rest, **named):
    if "bad" in shown: {what}
    yield from decode(dataset, numbers, shown, *rest, **named)
def worse(path, shown, volume):
    if "bad" in shown: {what}
    return channels(path, shown, volume)
codec.decode, pictures.channels_here = bad, worse
apart_child.main()
"""
