"""Refuse a request that cannot work before anything is written; each error says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError, DataUnusable
from schemas.standards import standard_source_at
from tasks.flag_file import check_flag_file
from tasks.ingest import check_disk
from tasks.reference_antenna import choose_refant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.ingestion import DataSource
    from schemas.inspection import MsSummary, Roles, SpwSummary
    from schemas.observation import Observation
    from schemas.parameters import Parameters

SUPPORTED_CORRELATIONS = (("RR", "LL"), ("RR", "RL", "LR", "LL"))
"""Both circular hands, with or without the cross hands."""

SAME_WIDTH = 1e-3
"""Relative difference of channel widths that counts as none: UVFITS keeps them in single precision."""

BAND_RATIO = 2.0
"""Spectral windows whose centres differ by more than this factor are of different bands: receivers cover an octave."""

FLAGGED_WHOLE = 1.0 - 1e-9


def check_paths(observation: Observation, parameters: Parameters, workspace: Path) -> None:
    """Check that input and workspace are apart and that the files named are there; needs no CASA.

    Raises
    ------
    ConfigurationError
        One lies inside the other, or the flag file or model image does not exist.
    """
    data, place = observation.data.expanduser().resolve(), workspace.expanduser().resolve()
    if place.is_relative_to(data):
        msg = f"the workspace {place} lies inside the input {data}, which is never written to; choose another place."
        raise ConfigurationError(msg)
    if data.is_relative_to(place):
        msg = (
            f"the input {data} lies inside the workspace {place}, where runs write and remove; move the input out of "
            "it or choose another workspace."
        )
        raise ConfigurationError(msg)
    flags = parameters.flag.bad_times
    if flags is not None and not flags.expanduser().is_file():
        msg = f"flag.bad_times: there is no flag file {flags}; give its path, relative to {Path.cwd()} or absolute."
        raise ConfigurationError(msg)
    check_model_image(parameters)


def check(
    observation: Observation,
    parameters: Parameters,
    source: DataSource,
    summary: MsSummary,
    roles: Roles,
    workspace: Path,
) -> None:
    """Check everything that can be known from the request and the data's metadata.

    Raises
    ------
    ConfigurationError
        The request is wrong: paths, disk, reference antenna, model, flag file.
    DataUnusable
        The data cannot be calibrated with these profiles: correlations, spectral windows, flags.
    """
    check_paths(observation, parameters, workspace)
    check_disk(source, workspace)
    check_visibilities(summary)
    check_spws(summary.spws)
    check_calibrators(summary, roles)
    choose_refant(parameters.refant, summary)
    check_model(parameters, summary, roles)
    if parameters.flag.bad_times is not None:
        check_flag_file(parameters.flag.bad_times.expanduser(), summary)


def check_visibilities(summary: MsSummary) -> None:
    """Check that there are raw cross-correlations of both circular hands."""
    if "DATA" not in summary.columns:
        found = ", ".join(summary.columns) or "no visibilities"
        msg = f"the data have no DATA column (they have {found}); gatecal calibrates raw visibilities."
        raise DataUnusable(msg)
    if summary.autocorrelation_rows == summary.rows:
        msg = f"the data hold autocorrelations only ({summary.rows} rows); calibration needs cross-correlations."
        raise DataUnusable(msg)
    for spw in summary.spws:
        if spw.correlations not in SUPPORTED_CORRELATIONS:
            supported = " or ".join(",".join(names) for names in SUPPORTED_CORRELATIONS)
            msg = (
                f"spw {spw.id} has the correlations {','.join(spw.correlations)}; supported are {supported}: the "
                "profiles solve for both hands of circular feeds. Single hands and linear feeds (XX, YY) are not."
            )
            raise DataUnusable(msg)


def check_spws(spws: Iterable[SpwSummary]) -> None:
    """Check that all spectral windows are alike and of one band."""
    first, *others = spws
    for spw in others:
        if spw.channels != first.channels or abs(spw.channel_width_hz / first.channel_width_hz - 1.0) > SAME_WIDTH:
            msg = (
                f"the spectral windows are unequal: {_describe(first)}, {_describe(spw)}. Choose those of one kind "
                "with selection.spw."
            )
            raise DataUnusable(msg)
    low, high = (pick((first, *others), key=lambda spw: spw.centre_hz) for pick in (min, max))
    if high.centre_hz > BAND_RATIO * low.centre_hz:
        msg = (
            f"the data hold several bands: {_describe(low)}, {_describe(high)}. Calibrate one band at a time: choose "
            "its spectral windows with selection.spw."
        )
        raise DataUnusable(msg)


def _describe(spw: SpwSummary) -> str:
    return f"spw {spw.id} has {spw.channels} x {spw.channel_width_hz / 1e3:g} kHz at {spw.centre_hz / 1e9:.3f} GHz"


def check_calibrators(summary: MsSummary, roles: Roles) -> None:
    """Check that each calibrator and target has unflagged cross-correlations."""
    for name in (*roles.calibrators, *roles.targets):
        role = "target" if name in roles.targets else "calibrator"
        if name not in summary.flagged_fraction:
            msg = f"{role} {name} has no cross-correlations."
            raise DataUnusable(msg)
        if summary.flagged_fraction[name] >= FLAGGED_WHOLE:
            msg = (
                f"{role} {name} is flagged completely in the input. Name another field in roles, or start with clean "
                "flags: --set ingest.flags=reset."
            )
            raise DataUnusable(msg)


def check_model_image(parameters: Parameters) -> None:
    """Check that the user's model image is there, if one is named."""
    image = parameters.model.image
    if image is None or (image.expanduser() / "table.dat").is_file():
        return
    what = "is not a CASA image (a folder with table.dat)" if image.expanduser().exists() else "does not exist"
    msg = f"model.model: the model image {image} {what}; give its path, or components or casa."
    raise ConfigurationError(msg)


def check_model(parameters: Parameters, summary: MsSummary, roles: Roles) -> None:
    """Check that the flux calibrator can be given a model.

    Raises
    ------
    ConfigurationError
        Neither a standard nor a flux density is known, or the model is of another source.
    """
    asked = parameters.model
    if asked.flux_density_jy is not None:
        return
    field = summary.field(roles.flux)
    standard = standard_source_at(field.ra_rad, field.dec_rad)
    if asked.model == "components" and standard not in {"3C286", None}:
        msg = (
            f"model.model is components, which is a model of 3C286, but the flux calibrator {roles.flux} is "
            f"{standard}. Set model.model=casa, or to the path of a model image."
        )
        raise ConfigurationError(msg)
    if standard is None:
        msg = (
            f"the flux calibrator {roles.flux} stands at no position of a flux standard. Set model.flux_density_jy to "
            "its flux density, or name another field as roles.flux."
        )
        raise ConfigurationError(msg)
