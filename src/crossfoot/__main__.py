"""`python -m crossfoot` is `crossfoot`."""

from __future__ import annotations

import sys

from crossfoot.cli import main

if __name__ == "__main__":
    sys.exit(main())
