"""A real server and worker: cancel, hold, answer after both were restarted, no answer, a full disk in mid-solve."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from flows.holds import settle_expired_holds
from tests.e2e.conftest import environment
from tests.e2e.running import REPOSITORY, Gatecal, alive, caught_in, gate, holder, outcome, reused
from tests.e2e.service import Service

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.casa, pytest.mark.slow]

LATER = ("plots", "trial", "image", "bandpass1", "gains", "fluxscale", "bandpass2", "finalgains", "apply")
OFF = {f"{step}.enabled": False for step in LATER}
"""What comes after the gates that are tested is switched off."""
HELD = {"gates.delay.stop_ns": 0.01, "gates.delay.action": "hold"}
NEXT = {"gates.gains.tracking_stop_deg": 0.001, "gates.gains.action": "hold"}
CASA_GONE_S = 20.0


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    home = folder / "home"
    home.mkdir()
    running = Service(environment(home), folder)
    try:
        running.start_server()
        running.deployment = running.deploy()
        running.start_worker()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def observation(tiny) -> dict[str, Any]:
    """The request, as the form sends it."""
    found = yaml.safe_load(tiny.read_text())
    return found | {"data": str(tiny.with_suffix(".ms")), "overrides": found["overrides"] | OFF}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workspaces")


@dataclass
class Cancelled:
    """What was seen of a run that was cancelled in the middle of a solve."""

    run: str
    refusal: str
    seconds: float
    left: list[Any]
    outcome: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def cancelled(service, observation, workspace) -> Cancelled:
    root = workspace / "tiny"
    run = service.run(service.deployment, observation=observation, workspace=str(workspace))
    held = caught_in("gaincal", root)
    second = service.run(service.deployment, observation=observation, workspace=str(workspace))
    service.wait_for_state(second, "Refused")
    service.ask(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    began = time.monotonic()
    casa = [held.server, *held.workers]
    with suppress(AssertionError):
        service.wait(lambda: not alive(casa), "CASA has ended", CASA_GONE_S)
    seconds, left = time.monotonic() - began, alive(casa)
    service.wait_for_state(run, "Cancelled")
    service.wait(lambda: not alive([held.process]), "the flow's process has ended", 60.0)
    return Cancelled(run, service.message(second), seconds, left, outcome(root))


def test_a_second_run_on_the_workspace_is_told_who_has_it(cancelled):
    assert "is in use by run 'gatecal tiny'" in cancelled.refusal


def test_cancelling_ends_every_casa_process_within_20_s(cancelled):
    assert cancelled.left == []
    assert cancelled.seconds < CASA_GONE_S


def test_the_outcome_of_a_cancelled_run_says_so(cancelled):
    assert cancelled.outcome["verdict"] == "crashed"
    assert cancelled.outcome["reason"].startswith("cancelled in Prefect")
    assert cancelled.outcome["crash"]["step"] == "delay"


@dataclass
class Held:
    """What was seen of a run that was held."""

    run: str
    outcome: dict[str, Any]
    question: dict[str, Any]
    answers: dict[str, dict[str, Any]]
    refusal: str
    processes: list[Any]


@pytest.fixture(scope="module")
def held(service, observation, workspace, cancelled) -> Held:
    root = workspace / "tiny"
    asked = {"observation": observation, "workspace": str(workspace), "overrides": HELD | NEXT}
    run = service.run(service.deployment, **asked)
    service.wait_for_state(run, "Suspended")
    found = holder(root)
    service.wait(lambda: not alive([found.process]), "no process waits", 60.0)
    answers = {
        "empty": service.ask(f"flow_runs/{run}/resume", {}),
        "nameless": service.answer(run, action="continue", reason="known"),
        "blank": service.answer(run, action="continue", reason="known", decided_by="   "),
        "undecided": service.answer(run, decided_by="A. Stronomer", reason="known"),
    }
    second = service.run(service.deployment, **asked)
    service.wait_for_state(second, "Refused")
    assert service.state(run) == ("PAUSED", "Suspended")
    question = json.loads((root / "hold.json").read_text())
    return Held(run, outcome(root), question, answers, service.message(second), [found.process])


def test_a_gate_that_holds_suspends_the_run_and_no_process_waits(held):
    assert held.outcome["verdict"] == "held"
    assert held.outcome["hold"]["gate"] == "delay"
    assert alive(held.processes) == []


def test_the_run_after_a_cancelled_one_goes_on_from_the_ledger(held):
    steps = {step["step"]: step["reused"] for step in held.outcome["steps"]}
    assert steps == {"ingest": True, "inspect": True, "flag": True, "delay": False}


def test_a_run_links_to_the_runs_before_it_and_is_tagged(held, service, cancelled):
    earlier = held.outcome["earlier_runs"]
    assert [(note["flow_run"], note["verdict"]) for note in earlier] == [(cancelled.run, "crashed")]
    assert earlier[0]["url"].endswith(cancelled.run)
    assert {"observation:tiny", "rerun"} <= set(service.ask(f"flow_runs/{held.run}")["tags"])


@pytest.mark.parametrize("kind", ["empty", "nameless", "blank", "undecided"])
def test_an_answer_without_a_name_or_an_action_is_refused(held, kind):
    assert held.answers[kind]["status"] == "REJECT"


def test_another_run_is_refused_with_the_question_and_the_link(held):
    for words in ("is held since", held.run, "gate delay after delay", f"/flow-run/{held.run}"):
        assert words in held.refusal


@dataclass
class Answered:
    """What was seen of the held run after its answers."""

    run: str
    second_question: dict[str, Any]
    refused: dict[str, Any]
    outcome: dict[str, Any]
    root: Path


@pytest.fixture(scope="module")
def answered(service, workspace, held) -> Answered:
    root = workspace / "tiny"
    for name in ("worker", "server"):
        service.end(name)
    service.start_server()
    service.start_worker()
    given = service.answer(held.run, action="continue", decided_by="A. Stronomer", reason="cables were swapped")
    assert given["status"] == "ACCEPT"
    service.wait(lambda: question(root, held.question["key"]), "the next gate asks")
    service.wait_for_state(held.run, "Suspended")
    second = question(root, held.question["key"])
    wrong = service.answer(
        held.run, action="retry", decided_by="A. Stronomer", reason="too tight", overrides="gates.gains.tracking=80"
    )
    assert wrong["status"] == "ACCEPT"  # its form is right; that the parameter does not exist only the flow can tell
    service.wait(lambda: question(root, second["key"]), "it is asked again")
    service.wait_for_state(held.run, "Suspended")
    refused = question(root, second["key"])
    service.answer(
        held.run,
        action="retry",
        decided_by="A. Stronomer",
        reason="too tight",
        overrides="gates.gains.tracking_stop_deg=80\ngates.gains.action=stop",
    )
    service.wait_for_state(held.run, "QA Warning")
    return Answered(held.run, second, refused, outcome(root), root)


def question(root, before):
    """Return the open question, if it is another than the one before."""
    path = root / "hold.json"
    found = json.loads(path.read_text()) if path.exists() else None
    return found if found is not None and found["key"] != before else None


def test_after_server_and_worker_were_restarted_the_answer_is_taken_up(answered):
    delay = next(report for report in answered.outcome["gates"] if report["gate"] == "delay")
    assert delay["verdict"] == "warned"
    assert any("overridden by A. Stronomer: cables were swapped" in check["reason"] for check in delay["checks"])


def test_the_decisions_are_in_the_outcome(answered):
    seen = [(d["gate"], d["action"], d["decided_by"], d["reason"]) for d in answered.outcome["decisions"]]
    assert seen == [
        ("delay", "continue", "A. Stronomer", "cables were swapped"),
        ("precal.p1", "retry", "A. Stronomer", "too tight"),
    ]
    assert answered.outcome["verdict"] == "warned"
    assert not (answered.root / "hold.json").exists()


def test_an_answer_that_names_no_parameter_is_refused_and_asked_again(answered):
    assert answered.second_question["gate"] == "precal.p1"
    assert "gates.gains.tracking" in answered.refused["refused"]


def test_what_was_solved_before_the_hold_is_not_solved_again(answered):
    steps = {step["step"]: step["reused"] for step in answered.outcome["steps"]}
    assert [name for name in ("delay", "model", "precal") if steps[name]] == ["delay", "model", "precal"]


def test_without_an_answer_in_time_the_run_is_stopped_and_the_workspace_is_free(
    service, observation, workspace, answered
):
    root = workspace / "tiny"
    # Another bound is another question: the decision on the first does not stand for it.
    tight = HELD | {"gates.delay.stop_ns": 0.02, "hold.timeout_hours": 0.002}
    run = service.run(service.deployment, observation=observation, workspace=str(workspace), overrides=tight)
    service.wait_for_state(run, "Failed")
    assert settle_expired_holds(workspace) == [root]
    assert outcome(root)["verdict"] == "stopped"
    assert "nobody answered" in outcome(root)["reason"]
    assert not (root / "hold.json").exists()
    assert "never resumed" in service.message(run)


def test_without_a_deployment_a_hold_ends_the_command_with_4_and_says_how_to_go_on(service, answered, tmp_path):
    command = Gatecal(service.environment, tmp_path)
    request, root = answered.root / "observation.yaml", answered.root
    tight = ("--set", "gates.delay.stop_ns=0.03", "--set", "gates.delay.action=hold", "--workspace", root.parent)
    ran = command("calibrate", request, *tight)
    assert ran.code == 4, ran.output
    assert "--from delay --set NAME=VALUE" in ran.output
    assert gate(root, "delay")["verdict"] == "held"
    assert reused(root)["delay"]
    assert not (root / "hold.json").exists()


# --- a full disk ------------------------------------------------------------------------------------------------------


def may_mount() -> str:
    """Return why a file system cannot be mounted here; empty if it can."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no unshare"
    return "" if ran.returncode == 0 else f"mounting is not permitted: {ran.stderr.strip()}"


@pytest.fixture(scope="module")
def full(service, tiny, tmp_path_factory):
    """What was seen of a run whose disk became full in mid-solve, and of the next one."""
    reason = may_mount()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("small")
    settings = [part for name, value in OFF.items() for part in ("--set", f"{name}={value}")]
    ran = subprocess.run(
        ["unshare", "-rm", sys.executable, "-m", "tests.e2e.full_disk", str(folder), str(tiny), *settings],
        env=service.environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    line = next((line for line in ran.stdout.splitlines() if line.startswith("RESULT ")), None)
    assert line is not None, ran.stdout + ran.stderr
    return json.loads(line.removeprefix("RESULT "))


def test_a_full_disk_in_mid_solve_is_a_clear_error(full):
    first = full["first"]
    assert first["code"] == 1
    assert "Crashed: DiskFull: the disk is full in step delay" in first["output"]
    assert "MB free of" in first["output"]
    assert "make space" in first["output"]


def test_when_there_is_space_again_the_next_run_goes_on(full):
    second = full["second"]
    assert second["code"] == 0, second["output"]
    assert [step for step, again in second["reused"].items() if again] == ["ingest", "inspect", "flag"]
