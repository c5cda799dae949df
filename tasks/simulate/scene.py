"""Everything that is simulated, in one value: drawn clean from a preset and a seed, then changed by faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError
from tasks.simulate.atmosphere import Screen, draw_screen
from tasks.simulate.conditions import AntennaEvent, Burst, bad_times, draw_bursts, draw_lateness
from tasks.simulate.instrument import Instrument, draw_instrument
from tasks.simulate.observatory import FIELD_NAMES, FIELDS, SPW_BANDWIDTH_HZ
from tasks.simulate.sky import Source, clean_sources
from tasks.simulate.streams import stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tasks.simulate.schedule import Preset, Scan


@dataclass(frozen=True)
class Scene:
    """The observation as it will be written.

    Attributes
    ----------
    preset : Preset
        Structure as asked for.
    seed : int
        Of every random stream. The instrument is drawn from it alone, weather, noise, interference and lateness from it
        and the preset's night: nights of one seed are of one instrument.
    scans : tuple[Scan, ...]
        The scans that are written, in order of time.
    field_names : tuple[str, ...]
        Names by field ID, as the FIELD table will carry them.
    sources : tuple[Source, ...]
        What is seen in each field, by field ID.
    instrument : Instrument
        Antennas and receivers.
    screen : Screen
        The troposphere.
    late_s : dict[int, NDArray[np.float64]]
        Arrival on source by scan number, (n_antenna,) [s].
    events : tuple[AntennaEvent, ...]
        What happens to single antennas.
    bursts : tuple[Burst, ...]
        Interference.
    """

    preset: Preset
    seed: int
    scans: tuple[Scan, ...]
    field_names: tuple[str, ...]
    sources: tuple[Source, ...]
    instrument: Instrument
    screen: Screen
    late_s: dict[int, NDArray[np.float64]]
    events: tuple[AntennaEvent, ...]
    bursts: tuple[Burst, ...]

    @property
    def start_s(self) -> float:
        """Start of the observation [MJD seconds]; drifts and the wind count from here."""
        return self.preset.scans[0].start_s

    @property
    def channel_width_hz(self) -> float:
        """Width of a channel [Hz]."""
        return SPW_BANDWIDTH_HZ / self.preset.n_channels


def draw_scene(preset: Preset, seed: int) -> Scene:
    """Draw the clean observation of a preset and a seed: every effect from a stream of its own."""
    nightly = partial(stream, seed, night=preset.night)
    bright = [scan for scan in preset.scans if scan.field == FIELD_NAMES.index("0319+415")]
    return Scene(
        preset=preset,
        seed=seed,
        scans=preset.scans,
        field_names=tuple(field.name for field in FIELDS),
        sources=clean_sources(preset.resolved_out),
        instrument=draw_instrument(stream(seed, "instrument"), preset.n_channels),
        screen=draw_screen(nightly("atmosphere"), preset.rms_1km_deg),
        late_s=draw_lateness(nightly("lateness"), [scan.number for scan in preset.scans]),
        events=tuple(event for scan in bright for event in bad_times(scan)),
        bursts=draw_bursts(nightly("interference"), preset.scans, preset.n_channels),
    )


def with_spectral_indices(scene: Scene, indices: Mapping[str, float]) -> Scene:
    """Return the scene with other spectral indices, by field name; flux densities at the reference frequency stay.

    Raises
    ------
    ConfigurationError
        A field has another name, or its spectrum is a standard's.
    """
    sources = dict(zip(scene.field_names, scene.sources, strict=True))
    for name, index in indices.items():
        if name not in sources or sources[name].standard:
            free = ", ".join(field for field, source in sources.items() if not source.standard)
            msg = f"{name!r} has no spectral index to set. Fields that have one: {free}."
            raise ConfigurationError(msg)
        sources[name] = replace(sources[name], spectral_index=index)
    return replace(scene, sources=tuple(sources.values()))
