"""Puts into a Prefect server what the service needs: work pool, queues, limits, deployments, automations.

Run as ``python -m flows.deploy [FOLDER]`` by the keeper, or by hand; what is there is brought up to date.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events.actions import RunDeployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from prefect.workers.process import ProcessWorker

from flows.keeper import POOL, read_settings
from flows.resume import ALIVE
from schemas.errors import CalibrationError
from schemas.service import ServiceSettings

QUEUES = ("calibrations", "service")
"""Work queues: calibrations are limited, what looks after them never waits for a place."""
SILENCE = timedelta(minutes=4)
"""How long a run may give no heartbeat; they come every 30 s, and a server restarted in between takes a minute."""
LOOKED_AFTER = ("calibrate", "nightly", "digest")
"""Flows whose runs go on after a kill."""
ENDINGS = ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling", "Suspended", "Paused", "Scheduled",
           "AwaitingRetry", "QA Failed", "QA Warning", "Refused", "QA Held", "Resuming")  # fmt: skip
"""States after which no heartbeat is expected; one that is missing here costs a look by `resume`, no more."""


class DeployFailed(CalibrationError):
    """Raise when Prefect refuses the deployments; its output says why. A retry cannot help."""


def set_up(settings: ServiceSettings) -> None:
    """Bring the server's work pool, queues, limits, deployments and automations to what the settings say."""
    with get_client(sync_client=True) as client:
        make_pool(client, settings.workers)
        deploy(settings)
        set_parameters(client, settings)
        make_automations(client)
        look_again(client)


def look_again(client: SyncPrefectClient) -> None:
    """Have every run looked at that was under way when the server went down; its heartbeats may have been lost."""
    under_way = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
    chosen = FlowFilter(name=FlowFilterName(any_=list(LOOKED_AFTER)))
    resume = client.read_deployment_by_name("resume/resume")
    for run in client.read_flow_runs(flow_filter=chosen, flow_run_filter=FlowRunFilter(state=under_way)):
        client.create_flow_run_from_deployment(
            resume.id,
            parameters={"run": str(run.id)},
            state=Scheduled(scheduled_time=datetime.now(UTC) + SILENCE),
            idempotency_key=f"look-{run.id}-{int(time.time())}",
        )


def make_pool(client: SyncPrefectClient, workers: int) -> None:
    """Make the work pool and its queues; as many calibrations as workers run side by side."""
    try:
        client.read_work_pool(POOL)  # one of another type, or with a template of the operator's own, is left as it is
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
    for name in QUEUES:
        limit = workers if name == "calibrations" else None
        try:
            queue = client.read_work_queue_by_name(name, work_pool_name=POOL)
        except ObjectNotFound:
            queue = client.create_work_queue(name=name, work_pool_name=POOL)
        client.update_work_queue(queue.id, concurrency_limit=limit)


def deploy(settings: ServiceSettings) -> None:
    """Apply ``deployments/prefect.yaml``.

    Raises
    ------
    DeployFailed
        Prefect refused it.
    """
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file"]
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [*command, str(settings.home / "deployments" / "prefect.yaml")],
        cwd=settings.home,
        env=os.environ | substitutes(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    print(ran.stdout, ran.stderr, flush=True)
    if ran.returncode != 0:
        msg = f"prefect deploy ended with status {ran.returncode}: {ran.stderr[-1000:] or ran.stdout[-1000:]}"
        raise DeployFailed(msg)


def substitutes(settings: ServiceSettings) -> dict[str, str]:
    """Return what ``prefect.yaml`` takes from the environment."""
    return {
        "GATECAL_HOME": str(settings.home),
        "GATECAL_WORKSPACE": str(settings.workspace),
        "GATECAL_INBOX": str(settings.inbox),
        "GATECAL_SCHEDULE": settings.schedule,
        "GATECAL_TIMEZONE": settings.timezone,
    }


def set_parameters(client: SyncPrefectClient, settings: ServiceSettings) -> None:
    """Give the deployments their lists and rules, which ``prefect.yaml`` cannot take from the environment."""
    more: dict[str, dict[str, Any]] = {
        "nightly": {
            "rules": settings.rules.model_dump(mode="json"),
            "retention": settings.retention.model_dump(mode="json"),
        },
        "digest": {"recipients": list(settings.recipients)},
    }
    for name, parameters in more.items():
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        client.update_deployment(deployment.id, DeploymentUpdate(parameters={**deployment.parameters, **parameters}))


def make_automations(client: SyncPrefectClient) -> None:
    """Let runs that were killed go on: `resume` looks at each run that crashed or gives no sign of life."""
    deployment = client.read_deployment_by_name("resume/resume")
    # The template is filled in by the server, from the event that fired it.
    run = {"__prefect_kind": "jinja", "template": "{{ event.resource['prefect.resource.id'] }}"}
    action = RunDeployment(source="selected", deployment_id=deployment.id, parameters={"run": run})
    runs = {"prefect.resource.id": "prefect.flow-run.*"}
    # Not of resume itself: a last heartbeat may come after the end of so short a run, and would call for the next one.
    ours = {"prefect.resource.role": "flow", "prefect.resource.name": list(LOOKED_AFTER)}
    keep_automation(
        client,
        AutomationCore(
            name="gatecal: resume silent runs",
            description="A run that has given no heartbeat is looked at; if its process is dead, it goes on.",
            trigger=EventTrigger(
                match=runs,
                match_related=ours,
                after={ALIVE},
                expect={ALIVE, *(f"prefect.flow-run.{name}" for name in ENDINGS)},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=SILENCE,
            ),
            actions=[action],
        ),
    )
    keep_automation(
        client,
        AutomationCore(
            name="gatecal: resume crashed runs",
            description="A run whose process or worker was killed goes on, at most twice.",
            trigger=EventTrigger(
                match=runs,
                match_related=ours,
                expect={"prefect.flow-run.Crashed"},
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[action],
        ),
    )


def keep_automation(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Make an automation, or bring the one of its name up to date."""
    known = client.read_automations_by_name(wanted.name)
    if known and content_of(known[0]) == content_of(wanted):
        pass  # an update would make Prefect forget which runs have gone silent
    elif known:
        client.update_automation(known[0].id, wanted)
    else:
        client.create_automation(wanted)
    for more in known[1:]:
        client.delete_automation(more.id)


def content_of(automation: AutomationCore) -> dict[str, Any]:
    """Return what an automation does, without the server's own numbers."""
    content = AutomationCore.model_validate(automation.model_dump(exclude={"id", "created", "updated"}))
    return content.model_dump(exclude={"trigger": {"id"}})


if __name__ == "__main__":
    # Without a folder, on a cluster: settings from the environment (GATECAL_...).
    set_up(read_settings(Path(sys.argv[1])) if len(sys.argv) > 1 else ServiceSettings())
