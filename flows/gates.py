"""Which gates stand after which step, and what each is shown: wiring from records to `qa`, nothing more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from flows import history
from qa import data_gates, solution_gates
from qa.judge import skipped
from schemas.gates import GateContext, GateReport
from schemas.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from schemas.record import Record
    from schemas.results import ApplyRecord, FlagRecord, InspectRecord, ModelRecord
    from schemas.solutions import FluxscaleRecord, SolutionTable, SolveRecord
    from tasks.calibration import Calibration

Records = dict[Step, Any]
"""What each finished step returned, by step."""


@dataclass(frozen=True)
class Judge:
    """One gate.

    Attributes
    ----------
    name
        The gate's name, as in outcome and report.
    step
        The step after which it stands.
    function
        Judges; given the calibration, the records and the gate's context.
    """

    name: str
    step: Step
    function: Callable[[Calibration, Records, GateContext], GateReport]

    def __call__(self, calibration: Calibration, records: Mapping[Step, Record]) -> GateReport:
        """Judge this gate."""
        policy = calibration.parameters.gates.for_gate(self.name)
        calibration = replace(calibration, parameters=calibration.parameters.evolve(gates=policy))
        context = GateContext(
            gate=self.name,
            step=self.step,
            antennas=calibration.summary.antennas_with_data,
            refant=calibration.refant,
        )
        return self.function(calibration, cast("Records", records), context)


def _frame(calibration: Calibration, path: Any) -> pd.DataFrame:  # noqa: ANN401 - a relative path from a record
    return calibration.workspace.load_frame(path)


def _table(record: SolveRecord, name: str) -> SolutionTable | None:
    return next((table for table in record.tables if table.name == name), None)


def _rows(calibration: Calibration, records: Records, step: Step, name: str) -> pd.DataFrame | None:
    table = _table(records[step], name) if step in records else None
    return None if table is None else _frame(calibration, table.rows)


def _observation(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    inspected: InspectRecord = records["inspect"]
    wholly_flagged = [scan.number for scan in inspected.summary.scans if scan.flagged_fraction >= 1.0]
    return data_gates.observation_gate(
        inspected.summary, inspected.roles, (), wholly_flagged, calibration.parameters.gates.observation, context
    )


def _flagging(act: str) -> Callable[[Calibration, Records, GateContext], GateReport]:
    def judge(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
        flags: FlagRecord = records["flag"]
        done = next((entry for entry in flags.acts if entry.name == act), None)
        if done is None:
            return skipped("flagging", context, "switched off, or nothing to flag was given")
        return data_gates.flagging_gate(
            _frame(calibration, done.before),
            _frame(calibration, done.after),
            (*calibration.roles.calibrators, *calibration.roles.targets),
            calibration.parameters.gates.flagging,
            context,
            judge_new=done.judged,
        )

    return judge


def _delay(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    solved: SolveRecord = records["delay"]
    if solved.skipped:
        return skipped("delay", context, solved.skipped)
    table = solved.tables[0]
    return solution_gates.delay_gate(
        _frame(calibration, table.rows),
        _frame(calibration, table.statistics),
        history.delays_before(calibration),
        calibration.parameters.gates.delay,
        context,
        night=history.this_night(calibration),
    )


def _flux_model(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    model: ModelRecord = records["model"]
    return data_gates.flux_model_gate(
        model.fluxes,
        _frame(calibration, model.baselines),
        calibration.summary,
        # A flux density given by the user is judged too, where the field is a standard's: it may be a slip.
        model.standard or calibration.parameters.model.standard,
        model.uv_limit_wavelengths,
        calibration.parameters.gates.flux_model,
        context,
    )


def _gains(step: Step, name: str) -> Callable[[Calibration, Records, GateContext], GateReport]:
    def judge(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
        solved: SolveRecord = records[step]
        table = _table(solved, name)
        if table is None:
            return skipped(
                "gains", context, solved.skipped or "not solved: no solution of the phases before it is good"
            )
        with_scans = name == "calsources.p2"
        return solution_gates.gains_gate(
            "p" if table.kind == "p" else "ap",
            _frame(calibration, table.rows),
            _frame(calibration, table.statistics),
            calibration.parameters.gates.gains,
            context,
            p1=_rows(calibration, records, "gains", "calsources.p1") if with_scans else None,
        )

    return judge


def _bandpass(step: Step, name: str) -> Callable[[Calibration, Records, GateContext], GateReport]:
    def judge(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
        solved: SolveRecord = records[step]
        table = _table(solved, name)
        if table is None:
            return skipped("bandpass", context, solved.skipped)
        first = _rows(calibration, records, "bandpass1", "bpcals.B1") if step == "bandpass2" else None
        return solution_gates.bandpass_gate(
            _frame(calibration, table.rows),
            _frame(calibration, table.statistics),
            calibration.parameters.gates.bandpass,
            context,
            first=first,
        )

    return judge


def _fluxscale(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    scaled: FluxscaleRecord = records["fluxscale"]
    if scaled.skipped:
        return skipped("fluxscale", context, scaled.skipped)
    return solution_gates.fluxscale_gate(
        scaled,
        {field.name: (field.ra_rad, field.dec_rad) for field in calibration.summary.fields},
        history.fluxes_before(calibration, scaled),
        calibration.parameters.gates.fluxscale,
        context,
        night=history.this_night(calibration),
    )


def _gain_scale(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    rows = _rows(calibration, records, "finalgains", "calsources.ap2")
    if rows is None:
        return skipped("gain_scale", context, records["finalgains"].skipped)
    bounds = calibration.parameters.gates.gain_scale
    return solution_gates.gain_scale_gate(rows, calibration.roles.calibrators, bounds, context)


def _apply(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    applied: ApplyRecord = records["apply"]
    if applied.before is None or applied.after is None:
        return skipped("apply", context, applied.skipped)
    return data_gates.apply_gate(
        _frame(calibration, applied.before),
        _frame(calibration, applied.after),
        calibration.parameters.gates.apply,
        context,
    )


def _result(calibration: Calibration, records: Records, context: GateContext) -> GateReport:
    applied: ApplyRecord = records["apply"]
    step: Step = "finalgains" if records["finalgains"].tables else "gains"
    number = "2" if step == "finalgains" else "1"
    phases = _rows(calibration, records, step, f"calsources.p{number}")
    amplitudes = _rows(calibration, records, step, f"calsources.ap{number}")
    if applied.visibilities is None or phases is None or amplitudes is None:
        return skipped("result", context, applied.skipped or "no gains were solved")
    return data_gates.result_gate(
        _frame(calibration, applied.visibilities),
        phases,
        amplitudes,
        calibration.roles.phase_references,
        calibration.parameters.gates.result,
        context,
    )


_ALL = (
    Judge("observation", "inspect", _observation),
    Judge("flag.late_on_source", "flag", _flagging("late_on_source")),
    Judge("flag.end_channels", "flag", _flagging("end_channels")),
    Judge("flag.bad_times", "flag", _flagging("bad_times")),
    Judge("delay", "delay", _delay),
    Judge("flux_model", "model", _flux_model),
    Judge("precal.p1", "precal", _gains("precal", "bpcals_precal.p1")),
    Judge("precal.ap1", "precal", _gains("precal", "bpcals_precal.ap1")),
    Judge("bandpass1", "bandpass1", _bandpass("bandpass1", "bpcals.B1")),
    Judge("gains.p1", "gains", _gains("gains", "calsources.p1")),
    Judge("gains.ap1", "gains", _gains("gains", "calsources.ap1")),
    Judge("fluxscale", "fluxscale", _fluxscale),
    Judge("bandpass2", "bandpass2", _bandpass("bandpass2", "bpcals.B2")),
    Judge("finalgains.ap2", "finalgains", _gains("finalgains", "calsources.ap2")),
    Judge("finalgains.p2", "finalgains", _gains("finalgains", "calsources.p2")),
    Judge("gain_scale", "finalgains", _gain_scale),
    Judge("apply", "apply", _apply),
    Judge("result", "split", _result),
)

JUDGES: dict[Step, tuple[Judge, ...]] = {
    step: tuple(judge for judge in _ALL if judge.step == step) for step in {judge.step for judge in _ALL}
}
"""The gates after each step, in order."""
