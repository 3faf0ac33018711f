"""`-q` and `-v` for the actions of a command, so that they may stand after the action as well as before it."""

import argparse


def add_loudness(action: argparse.ArgumentParser) -> None:
    """Let an action take `-q` and `-v` too; where they are not given the command's own values stand."""
    unset = argparse.SUPPRESS  # a default here would put back what was said before the action
    action.add_argument(
        "-q", "--quiet", action="store_true", default=unset, help="no progress and no notes, errors only"
    )
    action.add_argument("-v", "--verbose", action="store_true", default=unset, help="say what is being done")
