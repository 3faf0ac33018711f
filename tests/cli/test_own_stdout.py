"""`--json` with Ray: what the library prints does not stand between the lines that a machine reads."""

import subprocess
import sys

PRINTED = """
import os, sys
from medkt.cli.terminal import own_stdout
with own_stdout(True) as out:
    print("a node has died")
    os.write(1, b"said by a library\\n")
    print('{"event": "case"}', file=out)
print('{"event": "evaluation"}')
with own_stdout(False) as out:
    assert out is sys.stdout
"""


def test_only_the_stream_reaches_standard_output() -> None:
    ran = subprocess.run([sys.executable, "-c", PRINTED], capture_output=True, text=True)
    assert ran.stdout == '{"event": "case"}\n{"event": "evaluation"}\n', ran.stderr
    assert sorted(ran.stderr.splitlines()) == ["a node has died", "said by a library"]
