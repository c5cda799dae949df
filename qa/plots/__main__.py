"""``python -m qa.plots WORKSPACE``: draw a workspace's plots, in a process of its own beside the calibration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qa.plots.draw import draw_plots

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, and say in a line what was done; 0 even where plots failed, which their index says."""
    parser = argparse.ArgumentParser(prog="python -m qa.plots", description=__doc__)
    parser.add_argument("workspace", type=Path, help="folder of one observation, with its ledger.json")
    root: Path = parser.parse_args(arguments).workspace
    if not root.is_dir():
        parser.error(f"{root} is no folder; give the observation's own, not the one above it")
    index = draw_plots(root)
    failed = sum(bool(plot.failed) for plot in index.plots)
    sys.stdout.write(f"{len(index.plots)} plots in {root / 'plots'}, {failed} failed\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
