"""How many threads compute: one, so that a result does not depend on the machine's cores, unless the user says another number.

Sums of many numbers come out differently in the last digit where they are shared out among threads. With one thread a study
has the same numbers by itself and in a batch, on a notebook and on a server.
"""

import argparse
import os
import sys


def add_threads(parser: argparse.ArgumentParser) -> None:
    """`--threads`, for every command that computes with a model."""
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N",
        help="that compute; another number may change the last digits of a result (default: %(default)s)",
    )  # fmt: skip


def require_threads(arguments: argparse.Namespace) -> None:
    """That the number is one.

    Raises:
        SettingsError: fewer than one.
    """
    from medkt.errors import SettingsError

    if arguments.threads < 1:
        raise SettingsError(f"--threads {arguments.threads}: at least 1 is needed")


def use_threads(arguments: argparse.Namespace) -> None:
    """Let this process compute with as many threads as the options say.

    Raises:
        SettingsError: fewer than one.
    """
    require_threads(arguments)
    if "numpy" not in sys.modules:  # its libraries ask once, when they are loaded
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
