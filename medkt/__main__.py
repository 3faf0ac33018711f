"""`python -m medkt`, the same as the command `medkt`."""

import sys

from medkt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
