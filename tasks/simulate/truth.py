"""Write down what was put in: the truth record, its arrays, and the user's flag commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.simulation import (
    AtmosphereTruth,
    FieldTruth,
    FlagCause,
    GainTruth,
    InjectedFault,
    SimulationTruth,
)
from tasks.simulate import atmosphere
from tasks.simulate.observatory import (
    ANTENNA_NAMES,
    BASELINES,
    FIELDS,
    POLARISATIONS,
    REFERENCE_ANTENNA,
    SPW_LOW_EDGE_HZ,
    scaled_dead_channels,
)
from tasks.simulate.schedule import utc_text
from tasks.simulate.sky import REFERENCE_FREQUENCY_HZ
from tasks.simulate.visibilities import antenna_delays_s, slots

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tasks.simulate.conditions import AntennaEvent, Burst
    from tasks.simulate.scene import Scene
    from tasks.simulate.schedule import Scan

_TARGET_FIELD = 1


def flag_command_lines(scene: Scene) -> tuple[str, ...]:
    """Return the user's bad times on 0319+415 as lines that ``flagdata(mode='list')`` reads."""
    lines = []
    for scan in scene.scans:
        spans: dict[tuple[float, float], list[int]] = {}
        for event in scene.events:
            if event.cause == "bad time" and event.hits(np.array([event.span_s[0]])).all() and _inside(event, scan):
                spans.setdefault(event.span_s, []).append(event.antenna)
        for span, antennas in spans.items():
            who = "" if len(antennas) == len(ANTENNA_NAMES) else f" antenna='{ANTENNA_NAMES[antennas[0]]}'"
            field = scene.field_names[scan.field]
            lines.append(f"mode='manual' field='{field}'{who} timerange='{_range(span)}'")
    return tuple(lines)


def _inside(event: AntennaEvent, scan: Scan) -> bool:
    return scan.start_s <= event.span_s[0] < scan.stop_s


def _range(span: tuple[float, float]) -> str:
    return f"{utc_text(span[0])}~{utc_text(span[1])}"


def truth_arrays(scene: Scene) -> dict[str, NDArray[np.float64] | NDArray[np.complex128]]:
    """Gather the arrays of the truth, by name; times are MJD seconds, delays seconds.

    ``time`` (n_time,), ``field`` and ``scan`` likewise; ``sky_delay`` (n_time, n_antenna, n_pol) is troposphere,
    drift and clock; ``static_delay``, ``amplitude``, ``phase``, ``sefd``, ``leakage`` (n_antenna, n_spw, n_pol);
    ``bandpass`` (n_antenna, n_spw, n_channel, n_pol); ``late`` (n_scan, n_antenna) beside ``late_scan`` (n_scan,).
    """
    times, fields, numbers, delays = [], [], [], []
    for scan in scene.scans:
        for slot in slots(scene, scan):
            times.append(slot.time_s)
            fields.append(np.full(slot.time_s.size, scan.field))
            numbers.append(np.full(slot.time_s.size, scan.number))
            delays.append(antenna_delays_s(scene, slot))
    instrument = scene.instrument
    return {
        "time": np.concatenate(times),
        "field": np.concatenate(fields),
        "scan": np.concatenate(numbers),
        "sky_delay": np.concatenate(delays),
        "static_delay": instrument.delay_s,
        "amplitude": instrument.amplitude,
        "phase": instrument.phase,
        "sefd": instrument.sefd_jy,
        "leakage": instrument.leakage,
        "bandpass": instrument.bandpass,
        "late_scan": np.array([scan.number for scan in scene.scans]),
        "late": np.array([scene.late_s[scan.number] for scan in scene.scans]),
    }


def build_truth(
    scene: Scene,
    arrays: dict[str, NDArray[np.float64] | NDArray[np.complex128]],
    measurement_set: Path,
    faults: tuple[InjectedFault, ...],
) -> SimulationTruth:
    """Put the truth record together.

    Parameters
    ----------
    scene
        What was simulated.
    arrays
        `truth_arrays` of it.
    measurement_set
        Where it was written.
    faults
        What was ordered.
    """
    times = np.real(arrays["time"])
    return SimulationTruth(
        preset=scene.preset.name,
        seed=scene.seed,
        night=scene.preset.night,
        measurement_set=measurement_set.name,
        rows=times.size * len(BASELINES) * len(SPW_LOW_EDGE_HZ),
        scans=len(scene.scans),
        integration_s=scene.preset.integration_s,
        channels=scene.preset.n_channels,
        channel_width_hz=scene.channel_width_hz,
        resolved_out=scene.preset.resolved_out,
        reference_antenna=REFERENCE_ANTENNA,
        fields=_field_truths(scene, np.real(arrays["field"])),
        gains=_gain_truths(scene, arrays),
        atmosphere=_atmosphere_truth(scene),
        flags=(*_dead_channel_causes(scene), *_late_causes(scene), *_event_causes(scene), *_burst_causes(scene)),
        faults=faults,
        flag_commands=f"{measurement_set.name}.flagcmd.txt",
        table=f"{measurement_set.name}.truth.npz",
    )


def _field_truths(scene: Scene, fields: NDArray[np.float64]) -> tuple[FieldTruth, ...]:
    return tuple(
        FieldTruth(
            field_id=index,
            name=scene.field_names[index],
            common_name=field.common_name,
            role=field.role,
            flux_density_jy=source.flux_density_jy,
            spectral_index=source.spectral_index,
            reference_frequency_hz=REFERENCE_FREQUENCY_HZ,
            scale=source.scale,
            integrations=int((fields == index).sum()),
        )
        for index, (field, source) in enumerate(zip(FIELDS, scene.sources, strict=True))
    )


def _total_delays_s(
    scene: Scene, arrays: dict[str, NDArray[np.float64] | NDArray[np.complex128]]
) -> NDArray[np.float64]:
    """Delay on the calibrators, shape (n_time, n_antenna, n_spw, n_pol) [s]."""
    on_calibrator = np.real(arrays["field"]) != _TARGET_FIELD
    times = np.real(arrays["time"])[on_calibrator]
    total = np.real(arrays["sky_delay"])[on_calibrator][:, :, None, :] + scene.instrument.delay_s
    for event in scene.events:
        if event.delay_s:
            spw = slice(None) if event.spw is None else event.spw
            hand = slice(None) if event.hand is None else event.hand
            total[event.hits(times), event.antenna, spw, hand] += event.delay_s
    return np.asarray(total)


def _gain_truths(
    scene: Scene, arrays: dict[str, NDArray[np.float64] | NDArray[np.complex128]]
) -> tuple[GainTruth, ...]:
    instrument = scene.instrument
    total = _total_delays_s(scene, arrays)
    relative = total - total[:, [ANTENNA_NAMES.index(REFERENCE_ANTENNA)]]
    truths = []
    for antenna, spw, hand in np.ndindex(instrument.amplitude.shape):
        where = antenna, spw, hand
        response = instrument.bandpass[antenna, spw, _clean_channels(spw, scene.preset.n_channels), hand]
        leakage = instrument.leakage[where]
        truths.append(
            GainTruth(
                antenna=ANTENNA_NAMES[antenna],
                spw=spw,
                polarisation=POLARISATIONS[hand],
                amplitude=float(instrument.amplitude[where]),
                phase_deg=float(np.degrees(instrument.phase[where])),
                delay_ns=float(np.median(total[:, antenna, spw, hand]) * 1e9),
                relative_delay_ns=float(np.median(relative[:, antenna, spw, hand]) * 1e9),
                delay_drift_ns=float(np.ptp(relative[:, antenna, spw, hand]) * 1e9),
                sefd_jy=float(instrument.sefd_jy[where]),
                leakage_real=float(leakage.real),
                leakage_imag=float(leakage.imag),
                bandpass_lowest=float(np.abs(response).min()),
                bandpass_phase_rms_deg=float(np.degrees(np.std(np.angle(response)))),
            )
        )
    return tuple(truths)


def _clean_channels(spw: int, n_channels: int) -> NDArray[np.intp]:
    clean = np.ones(n_channels, dtype=bool)
    for first, last in scaled_dead_channels(spw, n_channels):
        clean[first : last + 1] = False
    return np.flatnonzero(clean)


def _atmosphere_truth(scene: Scene) -> AtmosphereTruth:
    delay_s = np.sqrt(scene.screen.structure_function_s2(np.array([1000.0]))[0])
    return AtmosphereTruth(
        rms_1km_deg=float(np.degrees(delay_s * 2.0 * np.pi * atmosphere.REFERENCE_FREQUENCY_HZ)),
        reference_frequency_hz=atmosphere.REFERENCE_FREQUENCY_HZ,
        wind_m_s=scene.screen.wind_m_s,
        layer_height_m=atmosphere.LAYER_HEIGHT_M,
        outer_scale_m=atmosphere.OUTER_SCALE_M,
    )


def _dead_channel_causes(scene: Scene) -> tuple[FlagCause, ...]:
    return tuple(
        FlagCause(
            cause="dead channels",
            spw=f"{spw}:" + ";".join(f"{a}~{b}" for a, b in scaled_dead_channels(spw, scene.preset.n_channels)),
        )
        for spw in range(len(SPW_LOW_EDGE_HZ))
    )


def _late_causes(scene: Scene) -> tuple[FlagCause, ...]:
    return tuple(
        FlagCause(
            cause="late on source",
            field=scene.field_names[scan.field],
            timerange=_range((scan.start_s, scan.start_s + float(scene.late_s[scan.number].max()))),
        )
        for scan in scene.scans
    )


def _event_causes(scene: Scene) -> tuple[FlagCause, ...]:
    return tuple(
        FlagCause(
            cause=event.cause,
            antenna=ANTENNA_NAMES[event.antenna],
            spw="" if event.spw is None else str(event.spw),
            polarisation="" if event.hand is None else POLARISATIONS[event.hand],
            timerange=_range(event.span_s) if np.isfinite(event.span_s).all() else "",
        )
        for event in scene.events
    )


def _burst_causes(scene: Scene) -> tuple[FlagCause, ...]:
    return tuple(_burst_cause(burst) for burst in scene.bursts)


def _burst_cause(burst: Burst) -> FlagCause:
    pairs = [BASELINES[index] for index in burst.baselines]
    every = len(pairs) == len(BASELINES)
    return FlagCause(
        cause="interference",
        antenna="" if every else ";".join(f"{ANTENNA_NAMES[a]}&{ANTENNA_NAMES[b]}" for a, b in pairs),
        spw=f"{burst.spw}:{burst.channels[0]}~{burst.channels[1]}",
        timerange=_range(burst.span_s) if np.isfinite(burst.span_s).all() else "",
    )
