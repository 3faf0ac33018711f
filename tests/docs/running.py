"""Blocks of a page run in one folder: Python in one namespace, commands in process where they are medkt's own."""

import glob
import io
import logging
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pages import Block

from medkt.cli.main import main

HARMLESS = ("cat", "cp", "ls", "mkdir", "mv", "rm")  # what a page may ask of the shell besides medkt


@dataclass(slots=True)
class Shell:
    """One page's session.

    Attributes:
        names: the Python blocks' namespace.
        code: the last command's exit code; `echo $?` shows it and makes it expected.
    """

    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__docs__"})
    code: int = 0

    def run(self, block: Block, where: str) -> None:
        """Run one block in the current folder; an AssertionError or the block's own error says what failed."""
        if block.file is not None:
            Path(block.file).write_text(block.code + "\n", encoding="utf-8")
        if block.language == "python":
            exec(compile(block.code, f"{where}:{block.line}", "exec"), self.names)
        elif block.language == "console":
            self._run_commands(block, f"{where}:{block.line}")

    def _run_commands(self, block: Block, where: str) -> None:
        turns = commands_of(block.code)
        for place, (command, expected) in enumerate(turns):
            if command == "echo $?":
                assert expected == [str(self.code)], f"{where}: exit code {self.code}, the page says {expected}"
                continue
            self.code, said = _run(command)
            awaited = place + 1 < len(turns) and turns[place + 1][0] == "echo $?"
            assert self.code == 0 or awaited, f"{where}: `{command}` ended with {self.code}:\n{said}"
            for line in expected:
                assert shows(said, line), f"{where}: `{command}` did not print {line!r} but:\n{said}"


def commands_of(code: str) -> list[tuple[str, list[str]]]:
    """(command, lines that it is said to print) of each `$ ` line; a backslash at the end continues a command."""
    turns: list[tuple[str, list[str]]] = []
    for line in code.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            turns.append((re.sub(" +", " ", line[2:]).strip(), []))
        elif turns and line.strip():
            turns[-1][1].append(line.rstrip())
        elif line.strip():
            raise ValueError(f"a console block begins with a command, got {line!r}")
    return turns


def shows(said: str, line: str) -> bool:
    """Whether the output holds the line; `...` stands for anything, and space is space."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("..."))
    return re.search(pattern, " ".join(said.split())) is not None


def _run(command: str) -> tuple[int, str]:
    words = [name for word in shlex.split(command) for name in (sorted(glob.glob(word)) or [word])]
    if words[0] != "medkt":
        if words[0] not in HARMLESS:
            raise ValueError(f"a page may run medkt and {', '.join(HARMLESS)}, not {words[0]!r}: mark the block")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            code = main(words[1:])
    except SystemExit as stop:  # argparse: --help, --version, a misspelt option
        code = int(stop.code or 0)
    finally:
        for handler in logging.getLogger().handlers[:]:  # it would write to a stream that is gone
            if getattr(handler, "stream", None) is said:
                logging.getLogger().removeHandler(handler)
    sys.stdout.write(said.getvalue())  # so that pytest shows it where the page fails
    return code, said.getvalue()
