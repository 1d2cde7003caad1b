"""`python -m bark_cli` is `bark`."""

import sys

from bark_cli.cli import main

if __name__ == "__main__":
    sys.exit(main())
