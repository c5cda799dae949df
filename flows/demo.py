"""The main job on embedded input: data that come with the dependencies, or that the simulator makes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from schemas.errors import ConfigurationError
from schemas.observation import Observation


def embedded(data: Literal["ngc5921", "emerlin"], workspace: Path) -> Observation:
    """Return the observation of the embedded input `data`.

    ``ngc5921``: VLA D-array HI observation of 13 April 1995, raw, as it comes in the ``casadata`` package.

    Raises
    ------
    ConfigurationError
        The data are not there.
    """
    if data == "emerlin":
        msg = "the simulated e-MERLIN observation is not part of this version; use --data ngc5921."
        raise ConfigurationError(msg)
    return Observation(name="ngc5921", data=ngc5921(), profile="vla")


def ngc5921() -> Path:
    """Return the path of NGC5921.fits in the ``casadata`` package."""
    found = find_spec("casadata")
    if found is None or found.origin is None:
        msg = "the casadata package is not installed; run the README's first command, which installs it."
        raise ConfigurationError(msg)
    return Path(found.origin).parent / "__data__" / "demo" / "NGC5921.fits"
