"""The field's words for our internal names: what report and mail say instead of a step's, gate's or table's name.

An unknown name is returned as it is: a report with one raw name in it is better than no report. The unit test holds
that no known name is missing.
"""

from __future__ import annotations

from typing import NamedTuple

STEP_TITLES: dict[str, str] = {
    "ingest": "Reading the data",
    "inspect": "Inspection and roles of the fields",
    "flag": "Flagging",
    "delay": "Delays",
    "model": "Model of the flux calibrator",
    "precal": "First gains of the bandpass calibrators",
    "bandpass1": "First bandpass",
    "trial": "Trial of delays and bandpass",
    "gains": "Gains against time",
    "fluxscale": "Flux scale",
    "bandpass2": "Final bandpass",
    "finalgains": "Final gains",
    "apply": "Applying the calibration",
    "split": "Splitting the target",
    "image": "First images",
}
"""Steps, by their name in ``--from``."""

STEP_PURPOSES: dict[str, str] = {
    "ingest": "The input is copied into a working MeasurementSet; the input itself is never changed.",
    "inspect": "Antennas, fields and scans are listed, each field gets its role, and a reference antenna is chosen.",
    "flag": "Data known to be bad are flagged: antennas still slewing, the band's edges, the list of bad times.",
    "delay": "The residual delay of each antenna is solved for: the slope of phase against frequency.",
    "model": "The flux calibrator is given its model: its flux density and its structure.",
    "precal": "Phases and amplitudes of the bandpass calibrators against time, so that their scans can be averaged.",
    "bandpass1": "Gain of each antenna against frequency, before the calibrators' spectra are known.",
    "trial": "Delays and bandpass are applied to the phase reference to see whether its phases now lie flat.",
    "gains": "Phases and amplitudes of every calibrator against time.",
    "fluxscale": "Flux densities of the calibrators are derived by comparing their gains with the flux calibrator's.",
    "bandpass2": "Gain of each antenna against frequency, with the calibrators' spectra now in their models.",
    "finalgains": "The gains that are applied: phases and amplitudes with the final bandpass and flux scale.",
    "apply": "The calibration is applied to calibrators and target; data without a solution are flagged.",
    "split": "The calibrated target is written to a MeasurementSet of its own.",
    "image": "A first, shallow image of target and phase reference.",
}
"""What each step is for, in one sentence."""

GATE_TITLES: dict[str, str] = {
    "observation": "Is there an observation to calibrate",
    "flag.late_on_source": "Flags at the starts of scans",
    "flag.end_channels": "Flags at the edges of the band",
    "flag.bad_times": "Flags from the list of bad times",
    "delay": "Delays",
    "flux_model": "Model of the flux calibrator",
    "precal.p1": "First phases of the bandpass calibrators",
    "precal.ap1": "First amplitudes of the bandpass calibrators",
    "bandpass1": "First bandpass",
    "gains.p1": "Phase gains of all calibrators",
    "gains.ap1": "Amplitude gains of all calibrators",
    "fluxscale": "Flux densities of the calibrators",
    "bandpass2": "Final bandpass",
    "finalgains.ap2": "Final amplitude gains",
    "finalgains.p2": "Final phase gains, one per scan",
    "gain_scale": "Amplitude gains compared between calibrators",
    "apply": "Flags added by applying the calibration",
    "result": "Calibrated phase reference",
}
"""Gates, by their name in the outcome."""

TABLE_TITLES: dict[str, str] = {
    "all.K": "Delays of all calibrators",
    "bpcals_precal.p1": "First phase gains of the bandpass calibrators",
    "bpcals_precal.ap1": "First amplitude gains of the bandpass calibrators",
    "bpcals.B1": "First bandpass",
    "calsources.p1": "Phase gains of all calibrators",
    "calsources.ap1": "Amplitude gains of all calibrators",
    "calsources.ap1_flux": "Amplitude gains of all calibrators, on the flux scale",
    "bpcals.B2": "Final bandpass",
    "calsources.ap2": "Final amplitude gains of all calibrators",
    "calsources.p2": "Final phase gains of all calibrators, one per scan",
}
"""Solution tables, by their name in the workspace."""

ACT_TITLES: dict[str, str] = {
    "late_on_source": "Starts of scans (antennas still slewing)",
    "end_channels": "Channels at the edges of the band",
    "bad_times": "List of bad times",
    "apply": "Data without a solution",
}
"""Acts of flagging."""

ROLE_TITLES: dict[str, str] = {
    "flux": "Flux calibrator",
    "bandpass": "Bandpass calibrator",
    "phase_reference": "Phase reference",
    "phase reference": "Phase reference",
    "target": "Target",
}
"""Roles of fields."""

PROFILE_TITLES: dict[str, str] = {"emerlin": "e-MERLIN", "vla": "VLA"}
"""Profiles: observatories."""

JUDGEMENTS: dict[str, str] = {
    "passed": "passed",
    "warned": "warning",
    "stopped": "stop",
    "held": "held",
    "skipped": "skipped",
    "not applicable": "does not apply",
}
"""What gates and checks come to."""

UNITS: dict[str, str] = {"fraction": "", "dimensionless": "", "factor": "", "deg": "°"}
"""Units that are written otherwise than they are named; ratios carry none."""


class VerdictWords(NamedTuple):
    """A run's verdict as people say it.

    Attributes
    ----------
    word
        One or two words, for a badge or a mail's subject.
    sentence
        What that means for the data.
    """

    word: str
    sentence: str


VERDICTS: dict[str, VerdictWords] = {
    "passed": VerdictWords("Calibrated", "The data are calibrated, and every check passed."),
    "warned": VerdictWords(
        "Calibrated, with warnings", "The data are calibrated; look at the warnings before you rely on them."
    ),
    "stopped": VerdictWords(
        "Stopped", "The data are not calibrated: a check stopped the run before bad solutions were used."
    ),
    "held": VerdictWords(
        "Held for a decision", "The data are not calibrated yet: the run waits for a person to decide."
    ),
    "crashed": VerdictWords(
        "Crashed", "The data are not calibrated: the run ended in an error, which says nothing about the data."
    ),
}
"""Verdicts of a run."""


def step_title(step: str) -> str:
    """Return a step's title."""
    return STEP_TITLES.get(step, step)


def step_purpose(step: str) -> str:
    """Return what a step is for, in one sentence; empty for an unknown step."""
    return STEP_PURPOSES.get(step, "")


def gate_title(gate: str) -> str:
    """Return a gate's title: what it looks at."""
    return GATE_TITLES.get(gate, gate)


def table_title(name: str) -> str:
    """Return what a solution table holds."""
    return TABLE_TITLES.get(name, name)


def act_title(name: str) -> str:
    """Return what an act of flagging flags."""
    return ACT_TITLES.get(name, name)


def role_title(role: str) -> str:
    """Return the title of a field's role."""
    return ROLE_TITLES.get(role, role)


def profile_title(profile: str) -> str:
    """Return a profile's observatory."""
    return PROFILE_TITLES.get(profile, profile)


def judgement(verdict: str) -> str:
    """Return what a gate or a check came to, in a word or two."""
    return JUDGEMENTS.get(verdict, verdict)


def verdict_words(verdict: str) -> VerdictWords:
    """Return what a run came to: a word, and a sentence on what that means for the data."""
    return VERDICTS.get(verdict, VerdictWords(verdict, ""))


def number(value: float | None) -> str:
    """Return a number with four significant digits, or ``not measured``."""
    return "not measured" if value is None else f"{value:.4g}"


def quantity(value: float | None, unit: str) -> str:
    """Return a number with its unit as people write it: ``12.3 ns``, ``45°``; ratios carry no unit."""
    if value is None:
        return number(value)
    written = UNITS.get(unit, unit)
    return f"{number(value)}{'' if written in {'', '°'} else ' '}{written}"


def bound_words(bound: str, unit: str) -> str:
    """Return a check's bound as people say it: ``<= 50`` of ns is ``at most 50 ns``."""
    written = UNITS.get(unit, unit)
    suffix = f"{'' if written in {'', '°'} else ' '}{written}"
    for sign, words in (("<= ", "at most "), (">= ", "at least ")):
        if bound.startswith(sign):
            return f"{words}{bound.removeprefix(sign)}{suffix}"
    return f"{bound}{suffix}" if bound[:1].isdigit() or bound[:1] == "-" else bound
