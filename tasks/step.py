"""Makes a function one step of the calibration: a Prefect task that reuses what still holds and can be run again."""

from __future__ import annotations

import functools
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from schemas.errors import CasaCrashed, CasaError, CasaTimeout
from schemas.record import Record
from tasks import disk, ms_state
from tasks.workspace import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

    from schemas.steps import Step
    from tasks.calibration import Calibration

REUSED = "Cached"
"""Name of the state in which a reused step ends, as Prefect's own cache names it."""

_WITHOUT_TABLES: frozenset[Step] = frozenset({"ingest", "inspect", "flag", "delay", "model"})
"""Steps that apply no solution table; for all others the interpolation counts, which is a parameter of apply."""

P = ParamSpec("P")
R = TypeVar("R", bound=Record)


def _worth_a_retry(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    try:
        error = state.result(raise_on_failure=False)
    except Exception:
        return False
    return isinstance(error, CasaCrashed | CasaTimeout)


def step(
    name: Step, record: type[R], still_there: Callable[[Calibration], bool] = lambda _calibration: True
) -> Callable[[Callable[Concatenate[Calibration, P], R]], Task[Concatenate[Calibration, P], R]]:
    """Return a decorator that makes ``function(calibration, *inputs) -> record`` the step `name`.

    The step is reused, and shown as Cached in Prefect, where the ledger has it finished with the same parameters,
    inputs and predecessors and its outputs are still there. Otherwise the flags and models it expects are restored, it
    runs, and the ledger takes it up. A crash or time-out of CASA's process is tried once more from the same state.

    Parameters
    ----------
    name
        The step.
    record
        The type it returns.
    still_there
        Whether a finished step's result still stands, beyond its outputs' fingerprints.
    """

    def decorate(function: Callable[Concatenate[Calibration, P], R]) -> Task[Concatenate[Calibration, P], R]:
        @functools.wraps(function)
        def body(calibration: Calibration, *inputs: P.args, **_named: P.kwargs) -> R:
            key = calibration.keeper.key(name, asked_of(calibration, name), casa_versions())
            held = calibration.keeper.holds(name, key)
            if held is not None and still_there(calibration):
                message = f"reused: finished {held.finished}, nothing it depends on has changed"
                reused = record.model_validate(held.record)
                return cast("R", Completed(name=REUSED, message=message, data=reused))
            with disk.watched(calibration.workspace.root, name):
                return _run_afresh(calibration, name, key, lambda: function(calibration, *inputs, **_named))

        return task(
            name=name, cache_policy=NO_CACHE, retries=1, retry_condition_fn=_worth_a_retry, retry_delay_seconds=0
        )(body)

    return decorate


def _run_afresh(calibration: Calibration, name: Step, key: str, work: Callable[[], R]) -> R:
    keeper = calibration.keeper
    keeper.drop(name)
    began = time.monotonic()
    if name != "ingest":
        ms_state.restore(calibration, name)
    writes_flags, writes_models = ms_state.changes(name)
    keeper.set_state(
        flags="changing" if writes_flags else None,
        models="changing" if writes_models else None,
    )
    try:
        result = work()
    except CasaError as error:
        get_run_logger().error("%s", error)
        raise
    after = ms_state.state_after(name)
    keeper.set_state(flags=after.flags, models=after.models)
    keeper.finish(name, key, result, after.flags, time.monotonic() - began)
    return result


def asked_of(calibration: Calibration, name: Step) -> dict[str, Any]:
    """Return everything a step's result depends on, besides its predecessors: what its ledger key is made from."""
    parameters = calibration.parameters
    asked: dict[str, Any] = {"refant": calibration.refant, "roles": calibration.roles.model_dump(exclude={"decisions"})}
    if name == "ingest":
        asked = {
            "source": calibration.source.fingerprint,
            "selection": calibration.observation.selection.model_dump(),
        }
    own = getattr(parameters, name, None)
    if isinstance(own, Record):
        asked["parameters"] = own.model_dump(mode="json", exclude={"timeout_s"})
    if name not in _WITHOUT_TABLES:
        asked["interp"] = parameters.apply.model_dump(include={"interp_delay", "interp_bandpass", "interp_gain"})
    if name == "flag" and parameters.flag.bad_times is not None:
        asked["bad_times"] = fingerprint(parameters.flag.bad_times)
    if name == "model" and parameters.model.image is not None:
        asked["model"] = fingerprint(parameters.model.image)
    return asked


@functools.cache
def casa_versions() -> dict[str, str]:
    """Return the versions of the packages that compute: results of one CASA are not mixed with another's."""
    return {name: version(name) for name in ("casatasks", "casatools", "casadata")}
