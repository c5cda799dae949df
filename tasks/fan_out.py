"""Solves fanned out over the spectral windows on a Dask cluster, one Prefect task each, through prefect-dask.

``GATECAL_DASK`` names the cluster's scheduler (``tcp://host:8786``). It is a setting of the machine and no parameter:
the joined table, the statistics and the ledger are those of the single call (`tests/contract/test_fan_out.py`). Without
it nothing here runs.

`FannedOut` goes in where `tasks.casa.run` reaches CASA. A ``gaincal`` or ``bandpass`` that does not combine spws is
solved by one task per spw, each in a CASA child of a Dask worker and into a table of its own on the storage that all
share; the flow joins them. Everything else goes to the flow's own CASA as ever.

How nothing outlives its flow, on any machine: when the flow cancels, or its connection to the scheduler ends (also by
``kill -9``), the scheduler takes its tasks back, and the worker's task ends its child (`tasks.fan_out_worker`). When
the worker dies, its CASA server and the children go with it. A flow whose machine loses power, or network, is missed
only when TCP gives it up (30 s by Dask's ``distributed.comm.timeouts.tcp``). So that no new run starts beside such a
child, it holds ``<workspace>/.parts`` as the children of the flow hold ``.lock``; on another machine that is worth as
much as the shared file system's locks.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.settings import get_current_settings

from schemas.errors import CalibrationError, CasaCrashed, CasaTimeout, ConfigurationError
from tasks.casa import TIMEOUT_S
from tasks.fan_out_worker import Part, solve_part
from tasks.workspace_lock import PARTS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prefect_dask import DaskTaskRunner

    from tasks.casa import Casa, WorkspaceCasa

SETTING = "GATECAL_DASK"
ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")
CONNECT_S = 20.0
"""How long the scheduler may take to answer, and the first worker to be there [s]."""
START_S = 600.0
"""What a part may take beside its own limit [s]: a place on a worker, and CASA's first import there."""
POLL_S = 0.1
"""How often the flow looks whether its parts are done [s]."""
SOLVES = ("gaincal", "bandpass")


def address() -> str:
    """Return the Dask scheduler's address; empty where solves are not fanned out.

    Raises
    ------
    ConfigurationError
        GATECAL_DASK is no address, or the workers have no Prefect server to report to.
    """
    asked = os.environ.get(SETTING, "").strip()
    if asked and not ADDRESS.fullmatch(asked):
        msg = f"{SETTING}={asked} is no Dask scheduler's address; write tcp://host:8786 or tls://host:8786."
        raise ConfigurationError(msg)
    if asked and get_current_settings().api.url is None:
        msg = f"{SETTING} needs a Prefect server that the Dask workers reach too: set PREFECT_API_URL, or unset it."
        raise ConfigurationError(msg)
    return asked


@contextlib.contextmanager
def connected() -> Iterator[DaskTaskRunner | None]:
    """Connect to the Dask cluster for the body; None where none is named.

    Raises
    ------
    ConfigurationError
        It cannot be used: prefect-dask is missing, nothing answers, or it has no worker.
    """
    asked = address()
    if not asked:
        yield None
        return
    try:
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        msg = (
            f"{SETTING} is set, but prefect-dask is not installed ({error}): install gatecal with its extra `cluster`."
        )
        raise ConfigurationError(msg) from error
    with DaskTaskRunner(address=asked, client_kwargs={"timeout": CONNECT_S}) as runner:
        try:
            runner.client.wait_for_workers(1, timeout=CONNECT_S)
        except (OSError, TimeoutError) as error:
            msg = (
                f"no Dask scheduler with a worker answers at {SETTING}={asked} ({type(error).__name__}: {error}). "
                "Start both, correct the address, or unset it: each solve is then one call on this machine."
            )
            raise ConfigurationError(msg) from error
        yield runner


class FannedOut:
    """CASA for one workspace, with its solves fanned out.

    Parameters
    ----------
    casa
        CASA on this machine.
    runner
        The Dask cluster.
    workspace
        Folder of the observation.
    """

    def __init__(self, casa: WorkspaceCasa, runner: DaskTaskRunner, workspace: Path) -> None:
        self._casa = casa
        self._runner = runner
        self._hold = workspace / PARTS_NAME

    def __call__(self, task: str, /, *, timeout_s: float = TIMEOUT_S, **parameters: Any) -> Any:  # noqa: ANN401
        """Run one task; see `tasks.casa.run`. A solve that was fanned out returns its ``solvestats`` alone."""
        if task in SOLVES and "spw" not in parameters.get("combine", ""):
            asked = {"vis": parameters["vis"], "field": parameters["field"], "spw": parameters.get("spw", "")}
            selections = self._casa("tasks.fan_out_casa:selections", **asked)
            if len(selections) > 1:
                return self._solve(task, timeout_s, parameters, selections)
        return self._casa(task, timeout_s=timeout_s, **parameters)

    def _solve(
        self, task: str, timeout_s: float, parameters: Mapping[str, Any], selections: Mapping[int, str]
    ) -> dict[str, Any]:
        folder = Path(f"{parameters['caltable']}.parts")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        parts = []
        for spw, selection in selections.items():
            log = self._casa.next_log(f"{task}-spw{spw}")
            own = {"caltable": str(folder / log.stem), "spw": selection, "append": False}
            parts.append(Part(task, {**parameters, **own}, timeout_s, log, self._hold))
        try:
            answers = self.answers(parts)
            tables = [table for table, _ in answers if (Path(table) / "table.dat").exists()]
            if tables:
                self._casa("tasks.fan_out_casa:join", caltable=parameters["caltable"], parts=tables)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        statistics = {spw: answer["solvestats"] for spw, (_, answer) in zip(selections, answers, strict=True)}
        return {"solvestats": joined_statistics(statistics)}

    def answers(self, parts: Sequence[Part]) -> list[tuple[str, dict[str, Any]]]:
        """Have all parts solved and return table and answer of each; whatever ends this takes them back."""
        futures = [copy_context().run(self._submit, part) for part in parts]
        deadline = time.monotonic() + sum(part.timeout_s + START_S for part in parts)
        try:
            while not all(future.wrapped_future.done() for future in futures):
                if time.monotonic() > deadline:
                    raise _lost(parts[0], CasaTimeout, "the Dask cluster did not solve all spws within their limits.")
                time.sleep(POLL_S)
            return [self._answer(part, future) for part, future in zip(parts, futures, strict=True)]
        finally:
            with contextlib.suppress(Exception):  # the scheduler is gone, and then its tasks are too
                self._runner.client.cancel([future.wrapped_future for future in futures], force=True)

    def _submit(self, part: Part) -> Any:  # noqa: ANN401 - a PrefectDaskFuture
        """Submit one part as a task of this flow run.

        prefect-dask sends its context along. The flow itself, its parameters and the step stay here: the scheduler
        would have to import all of ours, and the module of a deployment's flow exists in the flow's process only.
        """
        running = FlowRunContext.get()
        TaskRunContext.__var__.set(None)  # type: ignore[arg-type]  # what its own get() takes for none
        if running is None:
            return self._runner.submit(solve_spw, parameters={"part": part})
        with running.model_copy(update={"flow": stand_in, "parameters": {}}):
            return self._runner.submit(solve_spw, parameters={"part": part})

    def _answer(self, part: Part, future: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - a PrefectDaskFuture
        try:
            found: tuple[str, dict[str, Any]] = future.result()
        except CalibrationError:
            raise
        except Exception as error:
            raise _lost(part, CasaCrashed, f"the Dask cluster lost it: {type(error).__name__}: {error}") from error
        return found


def _lost(part: Part, kind: type[CasaCrashed | CasaTimeout], reason: str) -> CalibrationError:
    return kind(reason, part.task, part.parameters, "")


def fanned_out(casa: WorkspaceCasa, runner: DaskTaskRunner | None, workspace: Path) -> Casa:
    """Return `casa` with its solves fanned out, or itself without a cluster."""
    return casa if runner is None else FannedOut(casa, runner, workspace)


def joined_statistics(answers: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the ``solvestats`` of one call for those of its spws: each counts its own spw, and zero elsewhere."""
    first = next(iter(answers.values()))
    totals = {name: sum(answer[name] for answer in answers.values()) for name in first if not name.startswith("spw")}
    return {**first, **totals, **{f"spw{spw}": answer[f"spw{spw}"] for spw, answer in answers.items()}}


@task(name="solve spw", task_run_name="{part.log.stem}", cache_policy=NO_CACHE)
def solve_spw(part: Part) -> tuple[str, dict[str, Any]]:
    """Solve one spw on a Dask worker, to which this body goes as it stands, while what it calls is the worker's own."""
    return solve_part(part)


@flow(name="solve spws")
def stand_in() -> None:
    """Stand for the flow in what is sent to the cluster; never run."""
