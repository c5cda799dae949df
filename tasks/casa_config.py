"""Load CASA offline, quietly and without the user's home; runs inside the CASA server only.

Without these settings `import casatools` wants measures data in ``~/.casa/data``, tries the network for newer ones and
starts a logger window. The data of the ``casadata`` package serve instead.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def load(modules: Sequence[str], scratch: Path) -> None:
    """Import `modules`, CASA's ones with its configuration set beforehand.

    Parameters
    ----------
    modules
        Names of the modules; those that start with ``casa`` need CASA's configuration.
    scratch
        Folder for whatever CASA and matplotlib (which CASA imports) would put into the user's home.
    """
    if any(name.startswith("casa") for name in modules):
        configure(scratch)
    for name in modules:
        importlib.import_module(name)


def configure(scratch: Path) -> None:
    """Set casaconfig's values for this process; has no effect once casatools is imported.

    Parameters
    ----------
    scratch
        Folder for CASA's cache, its first log and matplotlib's configuration.
    """
    os.environ["MPLCONFIGDIR"] = str(scratch / "matplotlib")
    os.environ["MPLBACKEND"] = "Agg"
    # casaconfig parses the arguments of the process that imports it: these keep it from ~/.casa and the site's file.
    sys.argv[1:] = ["--noconfig", "--nositeconfig"]
    import casadata
    from casaconfig import config

    settings = {
        "measurespath": casadata.datapath,
        "datapath": [casadata.datapath],
        "measures_auto_update": False,
        "data_auto_update": False,
        "cachedir": str(scratch),
        "logfile": str(scratch / "casa.log"),
        "nologger": True,
        "nogui": True,
        "agg": True,
        "telemetry_enabled": False,
        "crashreporter_enabled": False,
    }
    for name, value in settings.items():
        setattr(config, name, value)
