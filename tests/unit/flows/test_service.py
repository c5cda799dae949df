"""The service without a server: settings, processes and their ends, what is set up, what is resumed."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Crashed, Failed, Paused, Running, Scheduled
from pydantic import ValidationError
from rich.console import Console

from flows import keeper, processes, resume, service
from flows.deploy import make_automations, substitutes
from schemas.errors import ConfigurationError
from schemas.service import ServiceSettings, ServiceState
from tasks.workspace_lock import ProcessIdentity, WorkspaceLock

ROOT = Path(__file__).parents[3]
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("GATECAL_", "PREFECT_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path):
    return ServiceSettings(workspace=tmp_path / "ws", inbox=tmp_path / "inbox")


# --- settings ---


def test_settings_come_from_the_environment_and_options_go_before(monkeypatch):
    monkeypatch.setenv("GATECAL_PORT", "4300")
    monkeypatch.setenv("GATECAL_WORKERS", "3")
    found = ServiceSettings(workers=2)
    assert (found.port, found.workers) == (4300, 2)


def test_recipients_come_from_the_environment_with_commas(monkeypatch):
    monkeypatch.setenv("GATECAL_RECIPIENTS", "a@b.c, d@e.f")
    assert ServiceSettings().recipients == ("a@b.c", "d@e.f")
    assert ServiceSettings.model_validate_json(ServiceSettings().model_dump_json()).recipients == ("a@b.c", "d@e.f")


@pytest.mark.parametrize("wrong", [{"timezone": "Europe/Jodrell"}, {"workers": 0}, {"port": 70000}, {"schedule": "20"}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        ServiceSettings(**wrong)


def test_the_server_listens_on_loopback_unless_told_otherwise(settings):
    assert settings.host == "127.0.0.1"
    settings.check_exposure()


def test_other_machines_are_let_in_with_a_password_only(tmp_path, monkeypatch):
    exposed = ServiceSettings(workspace=tmp_path, host="0.0.0.0")  # noqa: S104
    with pytest.raises(ConfigurationError, match="PREFECT_SERVER_API_AUTH_STRING"):
        exposed.check_exposure()
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:s3cret")
    exposed.check_exposure()


def test_secrets_reach_the_server_alone_and_no_file(settings, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:s3cret")
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql+asyncpg://u:hidden@h/d")
    server = keeper.environment(settings, "t", server=True)
    worker = keeper.environment(settings, "t")
    assert server["PREFECT_API_DATABASE_CONNECTION_URL"].endswith("/d")
    assert not any("hidden" in value for value in worker.values())
    assert "PREFECT_SERVER_API_AUTH_STRING" not in worker
    assert worker["PREFECT_API_AUTH_STRING"] == "admin:s3cret"  # it has to log in
    assert "s3cret" not in settings.model_dump_json()


def test_a_port_in_use_is_named(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} .*--port"):
            service.check_port("127.0.0.1", port)
    service.check_port("127.0.0.1", port)


# --- processes ---

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)",
]


@pytest.fixture
def start(tmp_path):
    """Start processes with a mark; whatever is left of them is ended."""
    started = []

    def start(token, command=SLEEPER, **more):
        environment = {**os.environ, processes.MARK: token, **more}
        process = processes.start(command, environment, tmp_path / "log", tmp_path)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def reaped(process):
    """Wait for a child in the background, as its parent does: a zombie holds nothing, but it is there."""
    return process.wait(10)


def test_processes_are_found_by_their_mark_and_no_others(start):
    ours, _other = start("one"), start("two")
    run = start("one", **{processes.RUN_MARK: "id"})
    assert {process.pid for process in processes.marked("one")} == {ours.pid, run.pid}
    assert {process.pid for process in processes.marked("one", processes.RUN_MARK)} == {run.pid}


def test_a_process_that_does_not_listen_is_killed(start, tmp_path):
    process = start("one", STUBBORN)
    while "on" not in (tmp_path / "log").read_text():
        time.sleep(0.01)
    assert processes.end(processes.marked("one"), 0.3) == 1
    assert reaped(process) == -signal.SIGKILL


def test_a_later_process_of_the_same_number_is_left_alone(start):
    process = start("one")
    recorded = ProcessIdentity.of(process.pid)
    processes.end([recorded.evolve(started=recorded.started + 1)], 0.1)
    assert process.poll() is None


def test_down_ends_what_a_killed_keeper_has_left(start, settings):
    settings.folder.mkdir(parents=True)
    left, other = start("one"), start("two")
    state = ServiceState(mark="one", state="ready", url="http://x", processes=(processes.entry("server", left.pid),))
    keeper.state_file(settings.folder).write_text(state.model_dump_json())
    console = Console(file=io.StringIO(), width=200)
    assert service.down(settings.workspace, console) == 0
    assert reaped(left) == -signal.SIGTERM
    assert other.poll() is None
    assert "1 processes ended" in console.file.getvalue()
    assert keeper.read_state(settings.folder).state == "ended"
    service.down(settings.workspace, console)
    assert "was down already" in console.file.getvalue()


def test_down_where_nothing_was_up_says_so(settings):
    console = Console(file=io.StringIO(), width=200)
    assert service.down(settings.workspace, console) == 0
    assert "no service was ever started" in console.file.getvalue()


@pytest.mark.parametrize("act", [service.up, lambda settings, console: service.down(settings.workspace, console)])
def test_a_service_of_another_machine_is_not_touched(settings, act):
    settings.folder.mkdir(parents=True)
    state = ServiceState(mark="one", state="ready", url="http://x", host="elsewhere")
    keeper.state_file(settings.folder).write_text(state.model_dump_json())
    with pytest.raises(ConfigurationError, match="elsewhere"):
        act(settings, Console(file=io.StringIO()))
    assert keeper.read_state(settings.folder) == state


def test_a_second_up_says_what_is_up_and_starts_nothing(settings, monkeypatch):
    settings.folder.mkdir(parents=True)
    state = ServiceState(mark="one", state="ready", url=settings.url)
    keeper.state_file(settings.folder).write_text(state.model_dump_json())
    keeper.settings_file(settings.folder).write_text(settings.model_dump_json())
    monkeypatch.setattr(service, "begin", lambda *_: pytest.fail("something was started"))
    console = Console(file=io.StringIO(), width=200)
    with keeper.alone(settings.folder) as free:
        assert free
        assert service.up(settings, console) == 0
    assert "is up already" in console.file.getvalue()
    assert settings.url in console.file.getvalue()


def test_what_dies_is_started_again_after_a_pause_that_grows(settings, monkeypatch):
    (settings.folder / "logs").mkdir(parents=True)
    one = keeper.Keeper(settings, "one")
    clock = iter(range(0, 100_000, 10))
    monkeypatch.setattr(keeper.time, "monotonic", lambda: next(clock))
    child = keeper.Child("worker-1", [sys.executable, "-c", ""], dict(os.environ))
    one._begin(child)
    pauses = []
    for _ in range(3):
        child.process.wait()
        one._watch()
        pauses.append(child.pause)
        while child.process is None:
            one._watch()
    child.process.wait()
    assert (pauses, child.deaths) == ([2, 4, 8], 3)


# --- deployments ---


def test_every_deployment_names_a_flow_that_is_there_and_a_queue():
    content = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())
    assert {entry["name"] for entry in content["deployments"]} == {"calibrate", "nightly", "digest", "resume"}
    for entry in content["deployments"]:
        file, name = entry["entrypoint"].split(":")
        assert f"def {name}(" in (ROOT / file).read_text()
        assert entry["work_pool"]["work_queue_name"] in {"calibrations", "service"}


def test_the_deployments_take_nothing_from_the_environment_that_is_not_given(settings):
    text = (ROOT / "deployments" / "prefect.yaml").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    named = {part.split("}}")[0].strip().removeprefix("$") for part in body.split("{{")[1:]}
    assert named == set(substitutes(settings))


class Automations:
    """A Prefect server with automations."""

    def __init__(self):
        self.kept, self.calls = [], []

    def read_deployment_by_name(self, _name):
        return type("Deployment", (), {"id": UUID(int=1)})()

    def read_automations_by_name(self, name):
        return [automation for automation in self.kept if automation.name == name]

    def create_automation(self, wanted):
        self.calls.append("create")
        self.kept.append(Automation(id=uuid4(), **wanted.model_dump()))

    def update_automation(self, _id, _wanted):
        self.calls.append("update")


def test_automations_that_are_as_they_should_be_are_not_touched():
    """Prefect forgets which runs have gone silent when their automation is replaced."""
    server = Automations()
    make_automations(server)
    make_automations(server)
    assert server.calls == ["create", "create"]
    server.kept[0] = server.kept[0].model_copy(update={"enabled": False})
    make_automations(server)
    assert server.calls[2:] == ["update"]


# --- resuming ---


class Server:
    """A Prefect server with one run."""

    def __init__(self, state, deployment="calibrate", tags=(), parameters=None):
        self.id, self.deployment, self.changes = uuid4(), deployment, []
        fields = {"id": self.id, "state": state, "deployment_id": uuid4(), "tags": list(tags)}
        self.run = type("Run", (), fields | {"parameters": parameters or {}})()

    def read_flow_run(self, run_id):
        if run_id != self.id:
            raise ObjectNotFound(Exception())
        return self.run

    heard = False

    def request(self, _method, _path, json):
        assert json["filter"]["resource"]["id"] == [f"prefect.flow-run.{self.id}"]
        return type("Answer", (), {"json": lambda _self: {"events": [{}] if self.heard else []}})()

    def read_deployment(self, _id):
        return type("Deployment", (), {"name": self.deployment})()

    def update_flow_run(self, _id, tags):
        self.run.tags = tags

    def set_flow_run_state(self, _id, state, force):
        assert force
        self.changes.append(state.name)
        self.run.state = state


@pytest.mark.parametrize("state", [Crashed(), Running(timestamp=LONG_AGO)])
def test_a_run_whose_process_is_gone_goes_on(state):
    server = Server(state)
    assert "resumed (1 of 2)" in resume.look(server, server.id, 2)
    assert (server.changes, server.run.tags) == (["AwaitingRetry"], ["resumed-1"])


@pytest.mark.parametrize("state", [Completed, lambda: Failed(name="Crashed"), Cancelled, Paused, Scheduled, Running])
def test_a_run_that_ended_waits_or_has_just_begun_is_left_alone(state):
    server = Server(state())  # made now: a state made at collection is old in a long session
    assert "left alone" in resume.look(server, server.id, 2)
    assert server.changes == []


def test_a_run_is_resumed_so_often_and_then_stays_crashed():
    server = Server(Running(timestamp=LONG_AGO), tags=["resumed-1", "resumed-2"])
    assert "by hand" in resume.look(server, server.id, 2)
    assert server.changes == ["Crashed"]


def test_a_run_that_gives_heartbeats_is_left_alone():
    server = Server(Running(timestamp=LONG_AGO), deployment="nightly")
    server.heard = True
    assert "signs of life" in resume.look(server, server.id, 2)
    assert server.changes == []


def test_resume_does_not_resume_itself():
    server = Server(Crashed(), deployment="resume")
    assert "left alone" in resume.look(server, server.id, 2)
    assert server.changes == []


def test_a_run_that_is_gone_is_nothing_to_resume():
    assert "no such run" in resume.look(Server(Crashed()), uuid4(), 2)


def test_a_silent_run_whose_process_holds_its_workspace_is_not_started_beside_it(tmp_path):
    (tmp_path / "night").mkdir()
    parameters = {"observation": {"name": "night"}, "workspace": str(tmp_path)}
    server = Server(Running(timestamp=LONG_AGO), parameters=parameters)
    with WorkspaceLock(tmp_path / "night"):
        assert "lives" in resume.look(server, server.id, 2, patience_s=-1)
    assert server.changes == []
    assert "resumed" in resume.look(server, server.id, 2, patience_s=-1)


def test_a_workspace_locked_from_another_machine_counts_as_held(tmp_path):
    path = tmp_path / ".lock"
    path.touch()
    lock = "f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX)"
    code = f"import fcntl, sys, time; {lock}; print(1, flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        assert resume.is_locked(path)
    finally:
        holder.kill()
        holder.communicate()
    assert not resume.is_locked(path)
