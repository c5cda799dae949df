"""The observation file: where the data are, the fields' roles, the profile, who gets the mail, what is different."""

from __future__ import annotations

from email import policy
from email.errors import HeaderParseError
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field, JsonValue, ValidationError, WithJsonSchema, field_validator

from schemas.errors import ConfigurationError
from schemas.profiles import ProfileName, explain
from schemas.quantities import Name
from schemas.record import Record

REQUEST = "observation.yaml"
"""The observation file that a run leaves in its workspace; it reproduces the run."""


Auto = Annotated[Literal["auto"], WithJsonSchema({"type": "string", "enum": ["auto"], "title": "automatic"})]
"""Roles decided from the data; a select in the Prefect UI, where a constant would be shown as not to be changed."""


class RequestedRoles(Record):
    """The fields' roles as a person names them; names as in the data."""

    model_config = ConfigDict(title="by hand")

    flux: str = Field(title="Flux calibrator", min_length=1)
    """Field with a known flux density, e.g. 1331+305."""
    bandpass: tuple[str, ...] = Field(title="Bandpass calibrators", min_length=1)
    """Bright fields for the bandpass."""
    phase_reference: dict[str, str] = Field(title="Phase references", min_length=1)
    """Target to its phase reference: {"1252+5634": "1302+5748"}."""
    target: tuple[str, ...] = Field(default=(), title="Targets")
    """Empty: those with a phase reference; each needs one."""


class Selection(Record):
    """A part of the data, in CASA's selection syntax; empty: all."""

    spw: str = Field(default="", title="Spectral windows")
    """Spectral windows, e.g. 0~3 or 0,2; empty: all."""
    scan: str = Field(default="", title="Scans")
    """Scan numbers, e.g. 1~40; empty: all."""
    antenna: str = Field(default="", title="Antennas")
    """Antenna names, e.g. Mk2,Kn or !De; empty: all."""


class Observation(Record):
    """One observation to calibrate."""

    name: Name = Field(title="Name")
    """Letters, digits and _ . + - only; also the observation's folder among the workspaces."""
    data: Path = Field(title="Data")
    """Path of a MeasurementSet, tar of one, UVFITS, FITS-IDI file or a folder of them; never written to."""
    profile: ProfileName = Field(default="emerlin", title="Profile")
    """Observatory whose parameters and bounds to start from."""
    roles: RequestedRoles | Auto = Field(default="auto", title="Roles of the fields")
    """Calibrators and targets: named by hand, or decided from positions, scans and intents; the report says why."""
    selection: Selection = Field(default=Selection(), title="Selection")
    """Part of the data to use, in CASA's selection syntax."""
    recipients: tuple[str, ...] = Field(default=(), title="Recipients")
    """Mail addresses the report goes to, e.g. name@example.org; a person's name may go with it."""
    overrides: dict[str, JsonValue] = Field(default_factory=dict, title="Overrides of the observation")
    """Parameters and bounds that differ from the profile in all its runs, by dotted name: {"gains.solint": "30s"}."""

    @field_validator("recipients")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _is_address(text):
                msg = f"{text!r} is not a mail address; write name@example.org, or Name <name@example.org>"
                raise ValueError(msg)
        return value


def _is_address(text: str) -> bool:
    """Tell whether a text is one mail address, with or without a person's name (RFC 5322)."""
    if not text.isprintable():
        return False
    try:
        header = policy.default.header_factory("to", text)
    except (IndexError, HeaderParseError):  # the first: how the standard library meets an address that ends too early
        return False
    return len(header.addresses) == 1 and header.addresses[0].addr_spec.isascii() and not header.defects


FIELDS = (*Observation.model_fields, *RequestedRoles.model_fields, *Selection.model_fields)
"""Names that an observation file may hold."""


def read_observation(path: Path) -> Observation:
    """Read an observation file (YAML); a relative data path counts from the file's folder.

    Raises
    ------
    ConfigurationError
        The file is missing, is not YAML, or a field is wrong: all of them are named.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"the observation file {path} cannot be read: {error.strerror}."
        raise ConfigurationError(msg) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"the observation file {path} is not YAML: {error}"
        raise ConfigurationError(msg) from error
    if not isinstance(content, dict):
        msg = f"the observation file {path} holds no fields; it needs at least name: and data:."
        raise ConfigurationError(msg)
    try:
        observation = Observation.model_validate(content)
    except ValidationError as error:
        msg = f"the observation file {path} is wrong.\n{explain(error, 'field', FIELDS)}"
        raise ConfigurationError(msg) from error
    return observation.evolve(data=(path.parent / observation.data.expanduser()).resolve())


def observation_text(observation: Observation) -> str:
    """Return an observation as the text of an observation file."""
    content = observation.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def rerun_command(root: Path, *options: str) -> tuple[str, ...]:
    """Return the words of the command that runs the observation of the workspace `root` again."""
    return ("gatecal", "calibrate", str(root / REQUEST), *options, "--workspace", str(root.parent))
