"""Prints all metrics of an export as JSON: `python -m tests.recomputation EXPORT_DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.recomputation.digits import to_json
from tests.recomputation.metrics import recompute


def main() -> int:
    """Read the folder that is named and print what follows from it."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m tests.recomputation EXPORT_DIR\n")
        return 2
    found = recompute(Path(sys.argv[1]))
    sys.stdout.write(to_json(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
