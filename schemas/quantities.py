"""Named types for the strings and numbers CASA takes; a bare number is never a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

Solint = Annotated[str, StringConstraints(pattern=r"^(int|inf|\d+(\.\d+)?(s|min|h))$")]
"""Solution interval: ``int``, ``inf`` or a duration with its unit (``30s``); a bare ``60`` is refused."""

SpwChannels = Annotated[str, StringConstraints(pattern=r"^(\d+(:\d+~\d+(;\d+~\d+)*)?)(,\d+(:\d+~\d+(;\d+~\d+)*)?)*$")]
"""CASA channel selection, e.g. ``0:0~6;60~63,1:0~3``; spectral windows and channels count from 0."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A fraction of a whole [dimensionless, 0 to 1]."""

Positive = Annotated[float, Field(gt=0.0)]
"""A number greater than zero."""

NonNegative = Annotated[float, Field(ge=0.0)]
"""A number of zero or more."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=100)]
"""A name that is also a folder: letters, digits, ``_ . + -``; so it cannot leave its parent."""


def _split_names(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


AntennaNames = Annotated[tuple[str, ...], BeforeValidator(_split_names)]
"""Antenna names, as a list or as CASA writes them: ``Mk2,Pi,Da``."""
