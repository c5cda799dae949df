"""Faults to order: each by name, with strength and place, put on top of a clean scene.

A fault is asked for as ``NAME`` or ``NAME:key=value,...``, e.g. ``dead_antenna:antenna=Cm``. ``at`` is a part of the
data's own time (0 first, 1 last integration; gaps do not count): ``delay_jump:antenna=Da,ns=4,at=0`` is a delay that
is other than on other nights, but steady. The random numbers of everything else stay as they were.

==========================  ==========================================  =============================================
name                        parameters (defaults)                       what happens
==========================  ==========================================  =============================================
dead_antenna                antenna=Kn                                  no signal from it, noise only
dead_polarisation           antenna=Pi, hand=L                          one hand is lost, the other stays
delay_jump                  antenna=Da, ns=8, at=0.5                    its delay changes in mid-run
delay_beyond_search         antenna=Kn, turns=0.55                      delay of so many turns per channel: K aliases
faint_phase_reference       factor=0.02                                 too little signal in a solution interval
bad_night                   factor=25, wind=2                           troposphere so many times as rough and as fast
swapped_fields              first=1407+284, second=0319+415             the two names are exchanged
wrong_flux_model            factor=0.2                                  3C286 is not as bright as its model says
resolved_calibrator         field=1407+284, fwhm_mas=60                 it is a Gaussian and not a point
variable_calibrator         field=1302+5748, swing=1.5                  from 1/4 to 7/4 of its flux over its scans
reference_antenna_dropout   antenna=Mk2, at=0.5                         no signal from then on
missing_phase_reference     part=0.5                                    the last scans of it are not there
rfi                         spw=2, level=60, part=0.4                   so much of the band, all baselines, all the time
late_on_source              factor=2                                    antennas arrive so many times as late
dead_spw                    spw=1                                       no signal in it
clock_error                 antenna=Cm, ns_per_hour=10                  clock runs off; phase turns within solutions
amplitude_steps             antenna=Kn, factor=2, period_s=300          amplitude jumps up and down
==========================  ==========================================  =============================================
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import ConfigurationError
from schemas.simulation import InjectedFault
from tasks.simulate.conditions import FOREVER, AntennaEvent, Burst
from tasks.simulate.observatory import ANTENNA_NAMES, BASELINES, FIELD_NAMES, FIELDS, POLARISATIONS, SPW_LOW_EDGE_HZ
from tasks.simulate.sky import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.simulate.scene import Scene

Value = str | int | float
"""What a fault's parameter may be; its default's type tells which."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    summary : str
        What happens, in a few words.
    defaults : MappingProxyType[str, Value]
        Parameters with their default strength and place.
    apply : Callable[[Scene, dict[str, Any]], Scene]
        Puts it on a scene.
    place : str
        Parameter that holds the antenna, field or window a gate should name; or the name itself.
    """

    summary: str
    defaults: MappingProxyType[str, Value]
    apply: Callable[[Scene, dict[str, Any]], Scene]
    place: str


def _with_event(scene: Scene, *events: AntennaEvent) -> Scene:
    return replace(scene, events=(*scene.events, *events))


def _moment(scene: Scene, part: float) -> float:
    """Time at which `part` of the integrations are over [MJD seconds]."""
    times = np.concatenate([scan.integrations(scene.preset.integration_s)[0] for scan in scene.scans])
    return float(np.quantile(times, part, method="lower"))


def _with_source(scene: Scene, field: int, **changes: Any) -> Scene:  # noqa: ANN401 - fields of Source
    sources = list(scene.sources)
    sources[field] = replace(sources[field], **changes)
    return replace(scene, sources=tuple(sources))


def _dead_antenna(scene: Scene, p: dict[str, Any]) -> Scene:
    return _with_event(scene, AntennaEvent("dead antenna", ANTENNA_NAMES.index(p["antenna"]), amplitude=0.0))


def _dead_polarisation(scene: Scene, p: dict[str, Any]) -> Scene:
    antenna, hand = ANTENNA_NAMES.index(p["antenna"]), POLARISATIONS.index(p["hand"])
    return _with_event(scene, AntennaEvent("dead polarisation", antenna, hand=hand, amplitude=0.0))


def _delay_jump(scene: Scene, p: dict[str, Any]) -> Scene:
    span = (_moment(scene, p["at"]), np.inf)
    antenna = ANTENNA_NAMES.index(p["antenna"])
    return _with_event(scene, AntennaEvent("delay jump", antenna, span_s=span, delay_s=p["ns"] * 1e-9))


def _delay_beyond_search(scene: Scene, p: dict[str, Any]) -> Scene:
    delay_s = p["turns"] / scene.channel_width_hz
    return _with_event(
        scene, AntennaEvent("delay beyond the search range", ANTENNA_NAMES.index(p["antenna"]), delay_s=delay_s)
    )


def _faint_phase_reference(scene: Scene, p: dict[str, Any]) -> Scene:
    return _with_source(scene, FIELD_NAMES.index("1302+5748"), scale=p["factor"])


def _bad_night(scene: Scene, p: dict[str, Any]) -> Scene:
    east, north = scene.screen.wind_m_s
    rough = replace(scene.screen.scaled(p["factor"]), wind_m_s=(east * p["wind"], north * p["wind"]))
    return replace(scene, screen=rough)


def _swapped_fields(scene: Scene, p: dict[str, Any]) -> Scene:
    exchange = {p["first"]: p["second"], p["second"]: p["first"]}
    return replace(scene, field_names=tuple(exchange.get(name, name) for name in scene.field_names))


def _wrong_flux_model(scene: Scene, p: dict[str, Any]) -> Scene:
    field = FIELD_NAMES.index("1331+305")
    return _with_source(scene, field, scale=scene.sources[field].scale * p["factor"])


def _resolved_calibrator(scene: Scene, p: dict[str, Any]) -> Scene:
    component = Component(1.0, fwhm_arcsec=p["fwhm_mas"] / 1000.0)
    return _with_source(scene, FIELD_NAMES.index(p["field"]), components=(component,))


def _variable_calibrator(scene: Scene, p: dict[str, Any]) -> Scene:
    return _with_source(scene, FIELD_NAMES.index(p["field"]), swing=p["swing"])


def _reference_antenna_dropout(scene: Scene, p: dict[str, Any]) -> Scene:
    span = (_moment(scene, p["at"]), np.inf)
    return _with_event(
        scene,
        AntennaEvent("reference antenna dropout", ANTENNA_NAMES.index(p["antenna"]), span_s=span, amplitude=0.0),
    )


def _missing_phase_reference(scene: Scene, p: dict[str, Any]) -> Scene:
    reference = [scan.number for scan in scene.scans if FIELDS[scan.field].role == "phase_reference"]
    kept = max(1, round(len(reference) * (1.0 - p["part"])))
    lost = set(reference[kept:])
    return replace(scene, scans=tuple(scan for scan in scene.scans if scan.number not in lost))


def _rfi(scene: Scene, p: dict[str, Any]) -> Scene:
    n_channels = scene.preset.n_channels
    wide = max(1, round(p["part"] * n_channels))
    first = (n_channels - wide) // 2
    everywhere = tuple(range(len(BASELINES)))
    burst = Burst(p["spw"], (first, first + wide - 1), everywhere, FOREVER, p["level"])
    return replace(scene, bursts=(*scene.bursts, burst))


def _late_on_source(scene: Scene, p: dict[str, Any]) -> Scene:
    return replace(scene, late_s={number: late * p["factor"] for number, late in scene.late_s.items()})


def _dead_spw(scene: Scene, p: dict[str, Any]) -> Scene:
    events = (AntennaEvent("dead spw", antenna, spw=p["spw"], amplitude=0.0) for antenna in range(len(ANTENNA_NAMES)))
    return _with_event(scene, *events)


def _clock_error(scene: Scene, p: dict[str, Any]) -> Scene:
    rate = p["ns_per_hour"] * 1e-9 / 3600.0
    return _with_event(scene, AntennaEvent("clock error", ANTENNA_NAMES.index(p["antenna"]), rate_s_per_s=rate))


def _amplitude_steps(scene: Scene, p: dict[str, Any]) -> Scene:
    antenna = ANTENNA_NAMES.index(p["antenna"])
    span = (scene.start_s, np.inf)
    event = AntennaEvent("amplitude steps", antenna, span_s=span, amplitude=p["factor"], swap_period_s=p["period_s"])
    return _with_event(scene, event)


def _fault(summary: str, apply: Callable[[Scene, dict[str, Any]], Scene], place: str, **defaults: Value) -> Fault:
    return Fault(summary, MappingProxyType(defaults), apply, place)


FAULTS: MappingProxyType[str, Fault] = MappingProxyType(
    {
        "dead_antenna": _fault("no signal from one antenna", _dead_antenna, "antenna", antenna="Kn"),
        "dead_polarisation": _fault("one hand lost", _dead_polarisation, "antenna", antenna="Pi", hand="L"),
        "delay_jump": _fault("delay changes in mid-run", _delay_jump, "antenna", antenna="Da", ns=8.0, at=0.5),
        "delay_beyond_search": _fault(
            "delay turns the phase more than half a turn per channel",
            _delay_beyond_search,
            "antenna",
            antenna="Kn",
            turns=0.55,
        ),
        "faint_phase_reference": _fault("phase reference too faint", _faint_phase_reference, "1302+5748", factor=0.02),
        "bad_night": _fault("rough troposphere", _bad_night, "", factor=25.0, wind=2.0),
        "swapped_fields": _fault(
            "two calibrators' names exchanged", _swapped_fields, "first", first="1407+284", second="0319+415"
        ),
        "wrong_flux_model": _fault("3C286 not as its model says", _wrong_flux_model, "1331+305", factor=0.2),
        "resolved_calibrator": _fault(
            "a calibrator is extended", _resolved_calibrator, "field", field="1407+284", fwhm_mas=60.0
        ),
        "variable_calibrator": _fault(
            "a calibrator brightens over its scans", _variable_calibrator, "field", field="1302+5748", swing=1.5
        ),
        "reference_antenna_dropout": _fault(
            "reference antenna lost in mid-run", _reference_antenna_dropout, "antenna", antenna="Mk2", at=0.5
        ),
        "missing_phase_reference": _fault(
            "last phase-reference scans missing", _missing_phase_reference, "1252+5634", part=0.5
        ),
        "rfi": _fault("lasting interference in one window", _rfi, "spw", spw=2, level=60.0, part=0.4),
        "late_on_source": _fault("antennas late beyond the quack", _late_on_source, "", factor=2.0),
        "dead_spw": _fault("no signal in one window", _dead_spw, "spw", spw=1),
        "clock_error": _fault("one clock runs off", _clock_error, "antenna", antenna="Cm", ns_per_hour=10.0),
        "amplitude_steps": _fault(
            "one antenna's amplitude jumps", _amplitude_steps, "antenna", antenna="Kn", factor=2.0, period_s=300.0
        ),
    }
)
"""Every fault, by name."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "antenna": ANTENNA_NAMES,
    "hand": POLARISATIONS,
    "field": FIELD_NAMES,
    "first": FIELD_NAMES,
    "second": FIELD_NAMES,
}

_LOWEST = {"factor": 0.0, "wind": 0.0, "period_s": 1.0, "at": 0.0, "part": 0.0, "level": 0.0, "spw": 0, "fwhm_mas": 0.0}
_HIGHEST = {"at": 1.0, "part": 1.0, "spw": len(SPW_LOW_EDGE_HZ) - 1, "swing": 2.0}


def apply_faults(scene: Scene, requests: tuple[str, ...]) -> tuple[Scene, tuple[InjectedFault, ...]]:
    """Put the ordered faults on a clean scene, one after the other.

    Parameters
    ----------
    scene
        The clean observation.
    requests
        ``NAME`` or ``NAME:key=value,...`` each.

    Returns
    -------
    The scene with its faults, and what was ordered with the defaults filled in.

    Raises
    ------
    ConfigurationError
        Unknown fault, parameter, antenna or field, or a value that is out of range or not a number.
    """
    injected = []
    for request in requests:
        order = parse_fault(request)
        scene = FAULTS[order.name].apply(scene, dict(order.parameters))
        injected.append(order)
    return scene, tuple(injected)


def parse_fault(request: str) -> InjectedFault:
    """Read ``NAME`` or ``NAME:key=value,...`` and check every part of it.

    Raises
    ------
    ConfigurationError
        See `apply_faults`.
    """
    name, _, arguments = request.partition(":")
    if name not in FAULTS:
        msg = f"There is no fault {name!r}. {_near(name, tuple(FAULTS))}"
        raise ConfigurationError(msg)
    fault = FAULTS[name]
    values: dict[str, Value] = dict(fault.defaults)
    for part in filter(None, arguments.split(",")):
        key, equals, text = part.partition("=")
        if not equals:
            msg = f"Fault {name!r}: {part!r} is not of the form key=value."
            raise ConfigurationError(msg)
        if key not in fault.defaults:
            msg = f"Fault {name!r} has no parameter {key!r}. {_near(key, tuple(fault.defaults))}"
            raise ConfigurationError(msg)
        values[key] = _value(name, key, text, fault.defaults[key])
    place = values.get(fault.place, fault.place)
    return InjectedFault(name=name, parameters=values, place=str(place))


def _value(name: str, key: str, text: str, default: Value) -> Value:
    if isinstance(default, str):
        choices = _CHOICES[key]
        if text not in choices:
            msg = f"Fault {name!r}: {key}={text!r} does not exist. {_near(text, choices)}"
            raise ConfigurationError(msg)
        return text
    try:
        number = type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        msg = f"Fault {name!r}: {key}={text!r} is not {kind}."
        raise ConfigurationError(msg) from error
    low, high = _LOWEST.get(key, -np.inf), _HIGHEST.get(key, np.inf)
    # Written so that NaN fails too.
    if not (low <= number <= high and np.isfinite(number)):
        msg = f"Fault {name!r}: {key}={text} is out of range; it must be finite and from {low:g} to {high:g}."
        raise ConfigurationError(msg)
    return number


def _near(wrong: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(wrong, known, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known are {', '.join(sorted(known))}."
