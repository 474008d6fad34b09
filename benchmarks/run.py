"""Measures what ibnb costs and how fast it finds a cause, and compares it with its budgets.

    python benchmarks/run.py [NAME ...] [--long] [--markdown]

Both sides of a comparison are measured in one run, in turn, on the same machine, against a gateway
in a process of its own; figures are medians. So they hold as ratios, and only roughly as times.
What a notebook waits for is measured in real kernels. Exit status 1 when something is over budget.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence

from measuring import Row

PROGRAMS = (
    "loading",
    "connecting",
    "first_connect",
    "failing",
    "diagnosing",
    "requesting",
    "serving",
    "steady",
    "leases",
    "market_data",
    "flood",
    "reruns",
)
BY_NAME_ONLY = frozenset({"market_data", "steady"})
"""On two cores two equal sides of the first differ by more than its budget; the other is long."""
HEAD = ("what", "measured", "budget", "")


def main() -> int:
    """Run the programs named, or all, and print one table."""
    usual = [name for name in PROGRAMS if name not in BY_NAME_ONLY]
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument(
        "--long",
        action="store_true",
        help="more repetitions, 1,000 reruns, floods of 10 s, a load of 10 minutes",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    if unknown := set(options.names) - set(PROGRAMS):
        parser.error(f"unknown {', '.join(sorted(unknown))}: give any of {', '.join(PROGRAMS)}")
    for name in [name for name in os.environ if name.startswith("IBNB_")]:
        # A user's own settings would change what is measured.
        del os.environ[name]
    with tempfile.TemporaryDirectory() as state:
        os.environ["IBNB_STATE_DIR"] = state
        rows = _measured(options.names or usual, long=options.long)
    print(table(rows, markdown=options.markdown))
    return int(any(row.within is False for row in rows))


def _measured(names: Sequence[str], *, long: bool) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(name).measure(long=long)
    return rows


def table(rows: Sequence[Row], *, markdown: bool) -> str:
    """Return the rows as one table."""
    cells = [HEAD, *((row.name, row.measured, row.budget, _verdict(row)) for row in rows)]
    if markdown:
        lines = [f"| {' | '.join(line)} |" for line in cells]
        return "\n".join([lines[0], "|---|---|---|---|", *lines[1:]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _verdict(row: Row) -> str:
    return {True: "within", False: "OVER", None: ""}[row.within]


if __name__ == "__main__":
    sys.exit(main())
