"""What every solve shares: a table that appears whole, its solutions and statistics as numbers beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from schemas.errors import SolveError
from schemas.solutions import STATISTICS_COLUMNS, SolutionTable, SolveCounts, SolveRecord
from tasks.casa import run
from tasks.gaintables import GainTable, casa_chain
from tasks.workspace import remove, replace_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from schemas.parameters import SolveParams
    from tasks.calibration import Calibration

_CASA_NAMES = {
    "expected": "expected",
    "attempted": "data_unflagged",
    "above_minblperant": "above_minblperant",
    "succeeded": "above_minsnr",
}


def solve(
    calibration: Calibration,
    name: str,
    kind: str,
    call: Callable[[str], Iterable[Mapping[str, Any]]],
    solved_on: Sequence[str],
) -> SolutionTable:
    """Solve into a temporary table, read it, and put it in place.

    Parameters
    ----------
    calibration
        The observation.
    name
        The table's name.
    kind
        ``K``, ``p``, ``ap`` or ``B``.
    call
        Makes the CASA calls into the path it is given; returns what each call returned.
    solved_on
        Fields solved on.

    Raises
    ------
    SolveError
        CASA made no table: no solution at all, on any antenna.
    """
    partial = calibration.workspace.caltables / f".{name}.partial"
    remove(partial)
    answers = list(call(str(partial)))
    if not (partial / "table.dat").exists():
        msg = (
            f"{name}: CASA made no table for {', '.join(solved_on)}: every visibility is flagged, or no baseline to "
            f"the reference antenna {calibration.refant[0]} is left. Look at the flags of these fields in the report."
        )
        raise SolveError(msg)
    statistics = statistics_frame(answers, calibration)
    rows = _read(calibration, str(partial), kind, solved_on)
    final = calibration.workspace.caltables / name
    replace_whole(partial, final)
    workspace = calibration.workspace
    return SolutionTable(
        name=name,
        kind=kind,
        caltable=workspace.relative(final),
        rows=workspace.save_frame(name, rows),
        statistics=workspace.save_frame(f"{name}.statistics", statistics),
        counts=counts_per_spw(name, statistics),
    )


def gaincal(calibration: Calibration, asked: SolveParams, caltable: str, **call: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Call gaincal with what all of the recipe's calls share; returns CASA's answer."""
    answer: Mapping[str, Any] = run(
        "gaincal",
        timeout_s=asked.timeout_s,
        vis=calibration.vis,
        caltable=caltable,
        refant=",".join(calibration.refant),
        minblperant=asked.minblperant,
        minsnr=asked.minsnr,
        corrdepflags=asked.corrdepflags,
        **{"solnorm": False, **call},
    )
    return answer


def solve_gains(
    calibration: Calibration,
    asked: SolveParams,
    name: str,
    calmode: str,
    solint: str,
    fields: Sequence[str],
    chain: Sequence[GainTable],
) -> SolutionTable:
    """Solve gaincal ``p`` or ``ap`` on `fields` in one call, with the tables of `chain` applied."""

    def call(caltable: str) -> Iterable[Mapping[str, Any]]:
        yield gaincal(
            calibration,
            asked,
            caltable,
            field=",".join(fields),
            calmode=calmode,
            solint=solint,
            **casa_chain(chain),
        )

    return solve(calibration, name, calmode, call, fields)


def _read(calibration: Calibration, caltable: str, kind: str, solved_on: Sequence[str]) -> pd.DataFrame:
    if kind == "B":
        columns = run(
            "tasks.tables_casa:read_bandpass", caltable=caltable, vis=calibration.vis, solved_on=list(solved_on)
        )
    else:
        reader = "read_delays" if kind == "K" else "read_gains"
        columns = run(f"tasks.tables_casa:{reader}", caltable=caltable, vis=calibration.vis)
    return pd.DataFrame(columns)


def statistics_frame(answers: Sequence[Mapping[str, Any]], calibration: Calibration) -> pd.DataFrame:
    """Return ``solvestats`` as rows (`schemas.solutions.STATISTICS_COLUMNS`), summed over the calls into one table.

    The rows of a spw as a whole have no antenna; they equal CASA's log lines and do not see S/N failures.
    """
    antennas = {antenna.id: antenna.name for antenna in calibration.summary.antennas}
    hands = tuple(name[0] for name in calibration.summary.spws[0].correlations if name[0] == name[1])
    rows = []
    for answer in answers:
        for spw, levels in answer.get("solvestats", {}).items():
            if not spw.startswith("spw"):
                continue
            number = int(spw.removeprefix("spw"))
            rows += _level_rows(number, "", levels, hands)
            for key, level in levels.items():
                if key.startswith("ant"):
                    rows += _level_rows(number, antennas[int(key.removeprefix("ant"))], level, hands)
    frame = pd.DataFrame(rows, columns=list(STATISTICS_COLUMNS))
    return frame.groupby(["spw", "antenna", "polarisation"], as_index=False, sort=True).sum()


def _level_rows(spw: int, antenna: str, level: Mapping[str, Any], hands: Sequence[str]) -> list[tuple[Any, ...]]:
    counts = {ours: np.atleast_1d(level[casa]) for ours, casa in _CASA_NAMES.items()}
    # A solve in which both hands share one solution (gaintype T) would count once; it then stands for every hand.
    return [
        (spw, antenna, hand, *(int(values[min(index, len(values) - 1)]) for values in counts.values()))
        for index, hand in enumerate(hands)
    ]


def counts_per_spw(name: str, statistics: pd.DataFrame) -> tuple[SolveCounts, ...]:
    """Return expected, attempted and succeeded per spw as CASA logs them: intervals in which any hand counts."""
    whole = statistics[statistics["antenna"] == ""].groupby("spw")[["expected", "attempted", "succeeded"]].max()
    return tuple(
        SolveCounts(
            table=name,
            spw=int(str(spw)),
            expected=int(row["expected"]),
            attempted=int(row["attempted"]),
            succeeded=int(row["succeeded"]),
        )
        for spw, row in whole.iterrows()
    )


def chain_of(calibration: Calibration, *records: SolveRecord, gainfield: str = "nearest") -> list[GainTable]:
    """Return the chain of all tables in `records`, in order; a skipped step leaves the chain.

    Every table takes the solutions of `gainfield`, but for the bandpass, whose solutions hold for all fields.
    """
    return [
        GainTable(
            caltable=calibration.workspace.root / table.caltable,
            gainfield="" if table.kind == "B" else gainfield,
            interp=interpolation(calibration, table.kind),
        )
        for record in records
        for table in record.tables
    ]


def survives(calibration: Calibration, table: SolutionTable) -> bool:
    """Return whether any solution of a table is good: without one, nothing can be solved on top of it.

    The step then ends with this table, so that its gate says which antennas failed and why, instead of the next call
    saying that it has no data.
    """
    return not calibration.workspace.load_frame(table.rows)["flagged"].all()


def interpolation(calibration: Calibration, kind: str) -> str:
    """Return the interpolation of a kind of table, as the parameters of apply say; solves use the same."""
    asked = calibration.parameters.apply
    return {"K": asked.interp_delay, "B": asked.interp_bandpass}.get(kind, asked.interp_gain)
