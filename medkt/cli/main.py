"""The command line: one command a file, each loaded only when it is asked for.

Exit codes: 0 done, 2 bad input or settings, 3 ambiguous input, 4 some of several cases failed, 130 interrupted, 129 and
143 ended by SIGHUP and SIGTERM.
Results go to stdout, messages and progress to stderr.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from medkt.about import NOT_A_MEDICAL_DEVICE, __version__
from medkt.cli.console import any_console
from medkt.cli.outputs import output_of
from medkt.cli.signals import Termination, signals_end
from medkt.errors import MedktError, OutputError

log = logging.getLogger(__name__)

# command -> (module, one line of help); the modules import nothing heavy at their top
COMMANDS = {
    "segment": ("medkt.cli.segment", "segment a finding, named in words, on studies"),
    "explain": ("medkt.cli.explain", "write the saliency map of a text on a study"),
    "classify": ("medkt.cli.classify", "score a study against findings, named in words"),
    "demo": ("medkt.cli.demo", "segment a bundled study"),
    "concepts": ("medkt.cli.concepts", "list the findings that medkt has words for, or show one"),
    "concept": ("medkt.cli.concept", "write, check, sign and compose words for findings and learned concepts"),
    "invert": ("medkt.cli.invert", "make images of what a model imagines at a text"),
    "learn": ("medkt.cli.learn", "teach a model a finding from its description"),
    "batch": ("medkt.cli.batch", "every study of a manifest, resumable"),
    "evaluate": ("medkt.cli.evaluate", "score masks against references or tell classes apart, with intervals"),
    "report": ("medkt.cli.report", "write a run as one HTML page"),
    "compare": ("medkt.cli.compare", "compare two runs over the same cases, pair by pair"),
    "query": ("medkt.cli.query", "ask the tables of runs in SQL"),
    "models": ("medkt.cli.models", "list, pull, verify, import and export model weights"),
    "calibrate": ("medkt.cli.calibrate", "decide presence with a stated false-positive rate"),
    "phantom": ("medkt.cli.phantom", "write a synthetic study with its reference mask"),
    "small-model": ("medkt.cli.small_model", "says where the embedded small model is trained: in a checkout"),
    "doctor": ("medkt.cli.doctor", "check this installation: codecs, models, device"),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"medkt: {message}; `{self.prog} --help` lists the options\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    with any_console(), signals_end():
        try:
            return _command(list(sys.argv[1:] if argv is None else argv))
        except KeyboardInterrupt:  # also while a command's own libraries are loaded
            print("medkt: interrupted", file=sys.stderr)
            return 130
        except Termination as signal:
            print(f"medkt: {signal.word}", file=sys.stderr)
            return signal.exit_code


def _command(argv: list[str]) -> int:
    parser = _parser()
    # argparse would need every command's options up front; only the one that is named is loaded
    name = next((word for word in argv if not word.startswith("-")), None)
    if name in COMMANDS and argv[0] == name:
        command = import_module(COMMANDS[name][0])
        own = Parser(prog=f"medkt {name}", description=COMMANDS[name][1], epilog=NOT_A_MEDICAL_DEVICE)
        command.configure(own)
        own.add_argument("-q", "--quiet", action="store_true", help="no progress and no notes, errors only")
        own.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
        return _run(command.run, own.parse_args(argv[1:]))
    parser.parse_args(argv)
    parser.print_help()
    return 0 if not argv else 2


def _run(run: object, arguments: argparse.Namespace) -> int:
    _set_up_logging(quiet=arguments.quiet, verbose=arguments.verbose)
    try:
        with output_of(arguments):
            code = run(arguments)  # type: ignore[operator]
    except MedktError as error:
        print(f"medkt: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our stdout went away (`| head`): nobody is left to tell
        sys.stderr.close()
        return 141
    except OSError as error:  # of a disk or a name that no reader and no writer knew to say more of
        print(f"medkt: {_told(error)}", file=sys.stderr)
        log.debug("where", exc_info=True)
        return OutputError.exit_code
    finally:
        logging.captureWarnings(False)
    return int(code)


def _told(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or type(error).__name__
    return f"{' '.join((name + reason).split())}; check the name, space and permission"


class _OneLine(logging.Formatter):
    """A message is a line, whatever it quotes: words of a library may hold line ends that a file brought."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in the library
        return " ".join(super().formatMessage(record).split())


def _set_up_logging(*, quiet: bool, verbose: bool) -> None:
    """What medkt says goes to stderr. What libraries say is for developers, and may quote a patient's header.

    The handler itself lets nobody else pass: pydicom gives its logger a level of its own, which the root's does not hold back.
    """
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("medkt: %(message)s"))
    handler.addFilter(logging.Filter("medkt"))
    logging.basicConfig(level=logging.CRITICAL, handlers=[handler], force=True)
    logging.getLogger("medkt").setLevel(level)
    logging.captureWarnings(True)


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = Parser(
        prog="medkt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Segment findings that you can only describe, on chest X-ray, CT, MRI and ultrasound.",
        epilog=f"commands:\n{listing}\n\n`medkt COMMAND --help` shows a command's options.\n\n{NOT_A_MEDICAL_DEVICE}",
    )
    parser.add_argument(
        "--version", action="version", version=f"medkt {__version__}\n{NOT_A_MEDICAL_DEVICE}", help="show the version"
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", choices=COMMANDS, help="one of the commands below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
