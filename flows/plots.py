"""Plots beside the calibration: drawn by plotms in lots, at low priority, from copies; never a reason to wait or fail.

A step may write into the working MeasurementSet at any time, so no plot reads it. What a step's plots need is copied at
the step's end, while its gates are judged, and the next step begins when the copy is made (a fraction of a second).
The plots themselves wait in a queue, and are drawn in a few lots: one CASA child each, and one plotms program in it.
The index ``plots/plotms.json`` is written whole at the end of each lot.

A step that is reused keeps its plots, one that runs again loses them and those of all later steps.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from schemas.errors import CasaError
from schemas.plots import Plot, PlotIndex
from schemas.steps import STEPS, Step
from schemas.whole import write_whole
from tasks.casa import run
from tasks.plotms_data import wanted
from tasks.plotting import Drawing, solution_drawings
from tasks.visibility_plots import visibility_drawings
from tasks.workspace import remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from schemas.record import Record
    from tasks.calibration import Calibration
    from tasks.plotting import CopyName

COPY_S = 120.0
"""Time limit of a copy [s]: the next step waits for it. It takes a fraction of a second."""
LOT_AFTER: frozenset[Step] = frozenset({"flag", "trial", "apply"})
"""Steps after which what waits is drawn; the rest is at the run's end. Each lot costs a second of CPU time for its
start, and after the last of these steps splitting and imaging leave a processor idle."""
LASTING: frozenset[CopyName] = frozenset({"raw", "model", "corrected"})
"""Copies that can be made at any later time; the trial's corrected data are gone once the tables are applied."""
LOG = logging.getLogger("gatecal.plots")


class Plotter:
    """The plots of one run; as a context manager around the recipe, it ends the queue with it.

    Parameters
    ----------
    calibration
        The observation.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._enabled = calibration.parameters.plots.enabled
        self._folder = calibration.workspace.plots
        self._index = self._folder / "plotms.json"
        self._halt = self._copy_folder / ".halt"
        self._guard = threading.Lock()
        self._waiting: list[Drawing] = []
        self._drawing: list[Drawing] = []
        self._ended = False
        self._at: Step | None = None
        self._copies: dict[CopyName, Future[None]] = {}
        self._plots: dict[str, Plot] = {}
        self._lots: list[Future[None]] = []
        self._threads: list[ThreadPoolExecutor] = []

    @property
    def _copy_folder(self) -> Path:
        return self._folder / ".copies"

    def __enter__(self) -> Self:
        if self._enabled:
            self._folder.mkdir(parents=True, exist_ok=True)
            remove(self._copy_folder)  # a killed run's
            self._copy_folder.mkdir()
            self._plots = {plot.name: plot for plot in read_index(self._index) if self._stands(plot)}
            self._copier, self._drawer = (ThreadPoolExecutor(1, f"gatecal-{name}") for name in ("copy", "plot"))
            self._threads = [self._copier, self._drawer]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._enabled:
            # An interrupt or a cancelled run ends at once; a gate's stop or a crash still gets its plots.
            patience_s = self._calibration.parameters.plots.finish_s
            self.finish(patience_s if error is None or isinstance(error, Exception) else 0.0)

    def before(self, step: Step) -> None:
        """Wait until the copies that `step` could disturb are made."""
        self._at = step
        for name, copy in self._copies.items():
            try:
                copy.result(COPY_S + 30.0)
            except Exception as error:
                LOG.debug("no copy %s before %s: %s", name, step, error)

    def after(self, step: Step, calibration: Calibration, record: Record, *, reused: bool) -> None:
        """Have the plots of a finished step drawn, where they are not there yet; returns at once."""
        self._at = None
        if not self._threads:
            return
        self._calibration = calibration
        try:
            self._plan(step, record, reused=reused)
        except Exception as error:
            LOG.warning("The plots of %s cannot be planned: %s", step, error)

    def _plan(self, step: Step, record: Record, *, reused: bool) -> None:
        drawings = [
            *visibility_drawings(self._calibration, step, record),
            *solution_drawings(self._calibration, step, record),
        ]
        with self._guard:
            if not reused:
                self._forget_from(step)
            drawings = [drawing for drawing in drawings if drawing.plot.name not in self._plots]
            gone = [drawing for drawing in drawings if reused and drawing.copy_of not in {None, *LASTING}]
            for drawing in gone:
                reason = f"the step {step} was reused, and what it showed is no longer there; run again from {step}"
                self._plots[drawing.plot.name] = drawing.plot.evolve(failed=reason)
            drawings = [drawing for drawing in drawings if drawing not in gone]
            self._waiting += drawings
            for name in dict.fromkeys(drawing.copy_of for drawing in drawings if drawing.copy_of is not None):
                if name not in self._copies:
                    self._copies[name] = self._submit(self._copier, partial(self._copy, name))
            self._save()
        if step in LOT_AFTER:
            self._draw_soon()

    def _draw_soon(self) -> None:
        """Have what waits drawn as one lot."""
        if self._waiting:
            self._lots.append(self._submit(self._drawer, self._draw_waiting))

    @staticmethod
    def _submit(executor: ThreadPoolExecutor, act: Callable[[], None]) -> Future[None]:
        """Run `act` in a thread that reaches the same CASA as this one."""
        return executor.submit(contextvars.copy_context().run, act)

    def _forget_from(self, step: Step) -> None:
        """Take away the plots of `step` and all after it: they show what no longer is."""
        from_here = STEPS[STEPS.index(step) :]
        for plot in [plot for plot in self._plots.values() if plot.step in from_here]:
            del self._plots[plot.name]
            (self._folder / f"{plot.name}.png").unlink(missing_ok=True)

    def _copy(self, name: CopyName) -> None:
        rows, columns = wanted(self._calibration, name)
        run(
            "tasks.plotms_copies:copy_rows",
            timeout_s=COPY_S,
            vis=self._calibration.vis,
            out=self._copy_folder / f"{name}.ms",
            wanted=rows,
            columns=columns,
        )

    def _draw_waiting(self) -> None:
        """Draw everything that waits as one lot."""
        with self._guard:
            lot, self._waiting = self._waiting, []
            self._drawing = lot
        failed = {drawing.plot.name: reason for drawing in lot if (reason := self._no_copy(drawing))}
        drawn = [drawing for drawing in lot if drawing.plot.name not in failed]
        if drawn:
            failed |= self._draw(drawn)
        with self._guard:
            if self._ended:  # the run has written down what became of them
                return
            self._drawing = []
            for drawing in lot:
                self._plots[drawing.plot.name] = self._done(drawing.plot, failed.get(drawing.plot.name, ""))
            self._save()

    def _no_copy(self, drawing: Drawing) -> str:
        """Wait for the drawing's copy; return why there is none."""
        if drawing.copy_of is None:
            return ""
        try:
            self._copies[drawing.copy_of].result()
        except Exception as error:
            return f"its visibilities could not be copied: {in_a_line(error)}"
        return ""

    def _draw(self, lot: list[Drawing]) -> dict[str, str]:
        try:
            reasons: list[str] = run(
                "tasks.plotms_casa:draw",
                timeout_s=self._calibration.parameters.plots.timeout_s,
                drawings=[self._job(drawing) for drawing in lot],
                folder=self._folder,
                halt=self._halt,
            )
        except Exception as error:
            there = [(self._folder / f"{drawing.plot.name}.png").exists() for drawing in lot]
            reasons = ["" if done else in_a_line(error) for done in there]
        return {drawing.plot.name: reason for drawing, reason in zip(lot, reasons, strict=True) if reason}

    def _job(self, drawing: Drawing) -> dict[str, object]:
        """Return a drawing as the child takes it; remove an older picture, so that it is not taken for a new one."""
        workspace = self._calibration.workspace
        (self._folder / f"{drawing.plot.name}.png").unlink(missing_ok=True)
        copy = self._copy_folder / f"{drawing.copy_of}.ms"
        data = copy if drawing.caltable is None else workspace.root / drawing.caltable
        versions = workspace.vis.with_name(f"{workspace.vis.name}.flagversions")
        flags = str(versions / f"flags.{drawing.flag_version}") if drawing.flag_version else ""
        return {"name": drawing.plot.name, "asked": {"vis": str(data), **drawing.asked}, "flags": flags}

    def _done(self, plot: Plot, reason: str) -> Plot:
        if reason:
            return plot.evolve(failed=reason)
        return plot.evolve(file=self._calibration.workspace.relative(self._folder / f"{plot.name}.png"))

    def finish(self, patience_s: float) -> None:
        """End the queue: wait so long for what is left, note the rest as missing, and remove the copies."""
        if patience_s:
            self._draw_soon()
        _, late = wait(self._lots, timeout=patience_s)
        with contextlib.suppress(OSError):
            self._halt.touch()
        for threads in self._threads:
            threads.shutdown(wait=False, cancel_futures=True)
        self._threads = []
        with self._guard:
            self._ended = True
            for plot in (drawing.plot for drawing in (*self._drawing, *self._waiting)):
                there = (self._folder / f"{plot.name}.png").exists()
                self._plots[plot.name] = self._done(plot, "" if there else "the run ended before it was drawn")
            if self._at is not None:  # it did not finish, so what an earlier run made of it no longer holds
                self._forget_from(self._at)
            self._save()
        if not late:
            remove(self._copy_folder)

    def _stands(self, plot: Plot) -> bool:
        """Tell whether the picture of an earlier run is still there; what failed is tried again."""
        return plot.file is not None and (self._calibration.workspace.root / plot.file).exists()

    def _save(self) -> None:
        order = sorted(self._plots.values(), key=lambda plot: STEPS.index(plot.step))
        write_whole(self._index, PlotIndex(plots=tuple(order)).model_dump_json(indent=1))


def read_index(path: Path) -> tuple[Plot, ...]:
    """Return the plots of an index; none where there is no index, or one of another version."""
    try:
        return PlotIndex.model_validate_json(path.read_bytes()).plots
    except (FileNotFoundError, ValidationError):
        return ()


def in_a_line(error: Exception) -> str:
    """Return what went wrong, for a note in the report: without CASA's call and log, which the workspace keeps."""
    text = error.reason if isinstance(error, CasaError) else str(error) or type(error).__name__
    return text.splitlines()[0]
