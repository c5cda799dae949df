"""The plots of visibilities: what the guide looks at in the raw data, and at each stage of their calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.results import ApplyRecord, FlagRecord, ModelRecord, TrialRecord
from tasks.ms_state import FLAGGED
from tasks.plotms_data import (
    FOREVER_S,
    antenna,
    like_hands,
    longest_baseline,
    refant_name,
    reference,
    reference_names,
    to_refant,
    whole_band,
)
from tasks.plotms_flags import flagging
from tasks.plotting import Drawing, drawing, field_ids, middle_spw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.record import Record
    from schemas.steps import Step
    from tasks.calibration import Calibration


def visibility_drawings(calibration: Calibration, step: Step, record: Record) -> Iterator[Drawing]:
    """Return the plots of visibilities in a step's section; none of what was skipped or not asked for."""
    if step == "inspect":
        yield uv_coverage(calibration)
    elif isinstance(record, FlagRecord):
        yield from flagging(calibration, record)
    elif step == "delay":
        yield from raw_phases(calibration)
    elif isinstance(record, ModelRecord):
        yield from model(calibration)
    elif isinstance(record, TrialRecord) and not record.skipped:
        yield from trial(calibration)
    elif isinstance(record, ApplyRecord) and not record.skipped:
        yield from corrected(calibration)


def uv_coverage(calibration: Calibration) -> Drawing:
    """Return the uv coverage of the targets."""
    names = ", ".join(calibration.roles.targets)
    return drawing(
        "inspect",
        "uv_coverage",
        f"uv coverage of {names}",
        "Where the target was measured in the uv plane [wavelengths], by spectral window. Gaps here become sidelobes "
        "in the image.",
        f"v against u in wavelengths for the target {names}, coloured by spectral window.",
        {
            "xaxis": "uwave",
            "yaxis": "vwave",
            "field": field_ids(calibration, calibration.roles.targets),
            "correlation": like_hands(calibration).split(",")[0],
            "avgchannel": whole_band(calibration),
            "coloraxis": "spw",
            "width": 700,
            "height": 660,
        },
        copy_of="raw",
    )


def raw_phases(calibration: Calibration) -> Iterator[Drawing]:
    """Return what the intervals of delay and phase must follow: one channel, as it came."""
    names, refant, spw = reference_names(calibration), refant_name(calibration), middle_spw(calibration)
    channel = next(entry.channels for entry in calibration.summary.spws if entry.id == spw) // 2
    hand = like_hands(calibration).split(",")[0]
    yield drawing(
        "delay",
        "raw_phase_time",
        f"{names}: raw phase against time, one channel",
        f"Phase [deg], uncalibrated, of channel {channel} of spectral window {spw} ({hand}) on the baselines to "
        f"{refant}, by baseline. The interval of the phase solutions must be short enough to follow it.",
        f"Uncalibrated phase in degrees against time of {names}, one channel, coloured by baseline to {refant}.",
        {
            **reference(calibration),
            "correlation": hand,
            "xaxis": "time",
            "yaxis": "phase",
            "spw": f"{spw}:{channel}",
            "msselect": to_refant(calibration),
            "coloraxis": "baseline",
            "plotrange": [0, 0, -180, 180],
        },
        copy_of="raw",
        flag_version=FLAGGED,
    )
    one, other = longest_baseline(calibration)
    baseline = f"{antenna(calibration, one)}-{antenna(calibration, other)}"
    for name, words, asked in (
        ("one_channel", f"channel {channel}", {"spw": f"{spw}:{channel}"}),
        ("band_average", "the band's average", {"spw": str(spw), "avgchannel": whole_band(calibration)}),
    ):
        yield drawing(
            "delay",
            f"amplitude_{name}",
            f"{names}: amplitude of {words} on the longest baseline",
            f"Amplitude (uncalibrated) of {words} of spectral window {spw} on {baseline} against time. Where the "
            "average over the band is clearly lower than one channel, an uncorrected delay takes signal away.",
            f"Uncalibrated amplitude against time of {names} on the longest baseline {baseline}, {words}.",
            {
                **reference(calibration),
                "xaxis": "time",
                "yaxis": "amp",
                "msselect": f"ANTENNA1 IN [{one},{other}] && ANTENNA2 IN [{one},{other}]",
                "coloraxis": "corr",
                **asked,
            },
            copy_of="raw",
            flag_version=FLAGGED,
        )


def model(calibration: Calibration) -> Iterator[Drawing]:
    """Return the flux calibrator's model."""
    flux = calibration.roles.flux
    selection = {
        "field": field_ids(calibration, (flux,)),
        "correlation": like_hands(calibration).split(",")[0],
        "yaxis": "amp",
        "ydatacolumn": "model",
        "ylabel": "Model amplitude (Jy)",
    }
    yield drawing(
        "model",
        "model_amplitude_uv",
        f"{flux}: model amplitude against uv distance",
        "Amplitude [Jy] of the flux calibrator's model against uv distance [wavelengths], by spectral window. A source "
        "that is resolved falls with distance; zero on a baseline would leave it without a gain.",
        f"Model amplitude in jansky against uv distance in wavelengths of {flux}, coloured by spectral window.",
        selection | {"xaxis": "uvwave", "avgchannel": whole_band(calibration), "coloraxis": "spw"},
        copy_of="model",
    )
    yield drawing(
        "model",
        "model_amplitude_frequency",
        f"{flux}: model amplitude against frequency",
        "Amplitude [Jy] of the flux calibrator's model against frequency, by baseline. On the shortest baselines it "
        "follows the standard's spectrum.",
        f"Model amplitude in jansky against frequency of {flux}, coloured by baseline.",
        selection | {"xaxis": "frequency", "avgtime": FOREVER_S, "avgscan": True, "coloraxis": "baseline"},
        copy_of="model",
    )


def trial(calibration: Calibration) -> Iterator[Drawing]:
    """Return what delays and first bandpass do to the phase reference."""
    names, refant = reference_names(calibration), refant_name(calibration)
    to_one = {**reference(calibration), "msselect": to_refant(calibration), "coloraxis": "baseline"}
    scan = next(scan.number for scan in calibration.summary.scans if scan.field in calibration.roles.phase_references)
    in_frequency = to_one | {"xaxis": "frequency", "avgtime": FOREVER_S, "scan": str(scan)}
    hand = like_hands(calibration).split(",")[0]
    for column, words, caption in (
        ("data", "raw", "The slope across each spectral window is the delay, which is to be taken out."),
        ("corrected", "corrected", "With delays and first bandpass applied, each baseline's phase must be level."),
    ):
        yield drawing(
            "trial",
            f"phase_frequency_{words}",
            f"{names}: {words} phase against frequency",
            f"Phase [deg] on the baselines to {refant}, scan {scan} averaged, {hand}, by baseline. {caption}",
            f"Phase in degrees ({words}) against frequency of {names}, coloured by baseline to {refant}.",
            in_frequency
            | {"correlation": hand, "yaxis": "phase", "ydatacolumn": column, "plotrange": [0, 0, -180, 180]},
            copy_of="trial",
        )
    in_time = to_one | {"ydatacolumn": "corrected", "xaxis": "time", "avgchannel": whole_band(calibration)}
    yield drawing(
        "trial",
        "trial_phase",
        f"{names}: phase after delays and first bandpass",
        f"Phase [deg] against time on the baselines to {refant}, by baseline, averaged over each spectral window. What "
        "is left is the atmosphere and the clocks: the gains take it out.",
        f"Phase in degrees against time of {names} after the trial calibration, coloured by baseline to {refant}.",
        in_time | {"yaxis": "phase", "plotrange": [0, 0, -180, 180]},
        copy_of="trial",
    )
    yield drawing(
        "trial",
        "trial_amplitude",
        f"{names}: amplitude after delays and first bandpass",
        f"Amplitude (not yet on the flux scale) against time on the baselines to {refant}, by baseline, averaged over "
        "each spectral window.",
        f"Amplitude against time of {names} after the trial calibration, coloured by baseline to {refant}.",
        in_time | {"yaxis": "amp"},
        copy_of="trial",
    )


def corrected(calibration: Calibration) -> Iterator[Drawing]:
    """Return the calibrated phase reference and target against uv distance."""
    for name, role, fields, caption in (
        (
            "phase_reference",
            "phase reference",
            calibration.roles.phase_references,
            "A point source calibrated well has the same amplitude at every distance; the scatter is noise and what is "
            "left of the errors.",
        ),
        (
            "target",
            "target",
            calibration.roles.targets,
            "What the target looks like at every scale; a single spectral window or antenna that stands off is not yet "
            "right.",
        ),
    ):
        names = ", ".join(fields)
        yield drawing(
            "apply",
            f"corrected_amplitude_uv_{name}",
            f"{names} ({role}): calibrated amplitude against uv distance",
            f"Amplitude [Jy] against uv distance [wavelengths], averaged over each spectral window and a minute, by "
            f"spectral window. {caption}",
            f"Calibrated amplitude in jansky against uv distance in wavelengths of the {role} {names}, coloured by "
            "spectral window.",
            {
                "field": field_ids(calibration, fields),
                "correlation": like_hands(calibration),
                "xaxis": "uvwave",
                "yaxis": "amp",
                "ydatacolumn": "corrected",
                "ylabel": "Calibrated amplitude (Jy)",
                "avgchannel": whole_band(calibration),
                "avgtime": "60",
                "coloraxis": "spw",
            },
            copy_of="corrected",
            decisive=True,
        )
