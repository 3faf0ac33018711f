"""`medkt small-model`: says where the training of the embedded small model went. It is no part of the package."""

import argparse

from medkt.errors import SettingsError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("options", nargs=argparse.REMAINDER, help="anything: none is looked at")


def run(arguments: argparse.Namespace) -> int:
    """Take no argument, however it is spelt.

    Raises:
        SettingsError: always.
    """
    raise SettingsError(
        "the small model is trained and measured from a checkout of medkt: `make small-model`, or "
        "`python evaluation/small_model train | evaluate | guard | normals`, which takes the options that this command took"
    )
