"""Reruns from the Prefect UI, in a real browser, on a real server with a real worker.

A run is killed in mid-solve and retried with the UI's button; a copy of it is started from a step with an override,
in each of the two UIs. The screenshots are for people to look at.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from schemas.steps import STEPS
from tests.e2e.conftest import environment
from tests.e2e.prefect_pages import NewUi, OldUi
from tests.e2e.running import Gatecal, alive, caught_in, outcome, reused
from tests.e2e.service import ask
from tests.e2e.whole_service import WholeService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.prefect_pages import Ui

pytestmark = [pytest.mark.casa, pytest.mark.slow]

NAME = "ngc5921"
QUICK = {"image.enabled": False, "trial.enabled": False, "plots.enabled": False}
BEFORE_GAINS = list(STEPS[: STEPS.index("gains")])
BEFORE_SPLIT = list(STEPS[: STEPS.index("split")])


class Site(WholeService):
    """A service, its UIs, and what the tests need of both."""

    @property
    def root(self) -> Path:
        return self.workspace / NAME

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def leave_all_to_people(self) -> None:
        """End the schedule, and the automations, which would resume a crashed run before a person could."""
        self.ask(f"deployments/{self.nightly()}/pause_deployment", {})
        for automation in self.ask("automations/filter", {}):
            ask(f"{self.address}/api", f"automations/{automation['id']}", {"enabled": False}, "PATCH")

    def begin(self, data: Path) -> str:
        deployment = self.ask("deployments/name/calibrate/calibrate")
        observation = {"name": NAME, "data": str(data), "profile": "vla", "overrides": QUICK}
        asked = {"parameters": {"observation": observation}}
        return self.ask(f"deployments/{deployment['id']}/create_flow_run", asked)["id"]

    def tags(self, run: str) -> set[str]:
        return set(self.ask(f"flow_runs/{run}")["tags"])


@pytest.fixture(scope="module")
def site(home, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, Gatecal(environment(home) | {"PREFECT_LOGGING_LEVEL": "INFO"}, folder))
    try:
        began = site.up()
        assert began.code == 0, began.output
        site.leave_all_to_people()
        yield site
    finally:
        ended = site.down()
        assert ended.code == 0, ended.output
        shutil.rmtree(site.root, ignore_errors=True)


@pytest.fixture(scope="module")
def browse(chromium, site):
    """Return a maker of pages of a UI, none of which gets beyond this machine."""

    @contextmanager
    def browse(kind: type[Ui]) -> Iterator[Any]:
        context = chromium.new_context()
        context.route(lambda url: urlsplit(url).hostname != "127.0.0.1", lambda route: route.abort())
        try:
            yield kind(context.new_page(), f"{site.address}/v2" if kind is NewUi else site.address)
        finally:
            context.close()

    return browse


@dataclass(frozen=True)
class Seen:
    """What was seen of a run when it had ended."""

    run: str
    outcome: dict[str, Any]
    reused: dict[str, bool]
    task_runs: list[tuple[str, str]]


def seen(site: Site, run: str, task_runs: list[tuple[str, str]]) -> Seen:
    return Seen(run, outcome(site.root), reused(site.root), task_runs)


@pytest.fixture(scope="module")
def retried(site, browse, uvfits, artifacts) -> Seen:
    """A run that was killed in mid-solve, and retried with the UI's button."""
    run = site.begin(uvfits)
    held = caught_in("gaincal", site.root)
    os.kill(held.process.pid, signal.SIGKILL)
    site.wait(lambda: not alive([held.server, *held.workers]), 60.0)
    with browse(NewUi) as ui:
        ui.open_run(run)
        ui.wait_for_badge("Crashed")
        ui.photograph(artifacts / "prefect-crashed.png")
        ui.retry()
        ui.wait_for_badge("Completed")
        ui.photograph(artifacts / "prefect-retried.png")
        return seen(site, run, ui.task_runs())


def test_retry_of_a_killed_run_is_the_same_run_that_goes_on_from_the_ledger(site, retried):
    run = site.ask(f"flow_runs/{retried.run}")
    assert (run["state_name"], run["run_count"]) == ("Completed", 2)
    assert [step for step in STEPS if retried.reused[step]] == ["ingest", "inspect", "flag", "delay", "model"]
    assert retried.outcome["verdict"] == "passed"
    assert retried.outcome["earlier_runs"] == []


def test_what_the_retry_reused_is_shown_as_cached(retried):
    assert {name for name, state in retried.task_runs if state == "Cached"} == {
        step for step, again in retried.reused.items() if again
    }


def copied(ui: Ui, run: str, step: str, overrides: str, pictures: Path) -> str:
    """Copy a run to a new one from a step, with overrides; wait until it has ended, and return its id."""
    ui.open_run(run)
    ui.copy()
    ui.choose_step(step)
    ui.write_overrides(overrides)
    ui.photograph(pictures.with_name(f"{pictures.name}-form.png"))
    new = ui.submit()
    ui.wait_for_badge("Completed")
    ui.photograph(pictures.with_name(f"{pictures.name}.png"))
    return new


@pytest.fixture(scope="module")
def rerun(site, browse, retried, artifacts) -> Seen:
    """A copy of it, from the gains, with another solution interval."""
    with browse(NewUi) as ui:
        run = copied(ui, retried.run, "gains", '{"gains.solint": "60s"}', artifacts / "prefect-rerun")
        task_runs = ui.task_runs()
        ui.photograph(artifacts / "prefect-rerun-cached.png")
        return seen(site, run, task_runs)


def test_a_copy_runs_from_the_chosen_step_with_the_override(retried, rerun):
    assert rerun.run != retried.run
    assert [step for step in STEPS if rerun.reused[step]] == BEFORE_GAINS
    assert rerun.outcome["provenance"]["overrides"]["gains.solint"] == "60s"
    assert rerun.outcome["provenance"]["parameters"]["gains"]["solint"] == "60s"
    assert retried.outcome["provenance"]["parameters"]["gains"]["solint"] != "60s"


def test_reused_stages_are_shown_as_cached_and_no_others(rerun):
    assert [name for name, state in reversed(rerun.task_runs) if state == "Cached"] == BEFORE_GAINS


def test_the_runs_of_one_observation_are_linked_and_tagged(site, retried, rerun):
    (earlier,) = rerun.outcome["earlier_runs"]
    assert (earlier["flow_run"], earlier["verdict"]) == (retried.run, "passed")
    assert site.tags(retried.run) == {"gatecal", f"observation:{NAME}"}
    assert site.tags(rerun.run) == {"gatecal", f"observation:{NAME}", "rerun", "from:gains"}


def test_a_person_gets_from_the_first_run_to_the_rerun_and_back(browse, retried, rerun, artifacts):
    with browse(NewUi) as ui:
        page = ui.page
        ui.open_run(retried.run)
        ui.tab("Artifacts")
        page.get_by_text(f"{NAME}-summary", exact=True).last.click()  # the key's page: one version for each run
        page.wait_for_url("**/artifacts/key/*")
        page.locator("a[href*='/artifacts/artifact/']").first.click()
        page.wait_for_url("**/artifacts/artifact/*")
        forth = page.get_by_role("link", name="All runs of this observation").first
        forth.wait_for()
        ui.photograph(artifacts / "prefect-summary.png")
        back = page.get_by_role("link", name=re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC$"))
        assert [link.get_attribute("href").rpartition("/")[2] for link in back.all()] == [retried.run]
        forth.click()
        for run in (retried.run, rerun.run):
            page.locator(f"a[href*='{run}']").first.wait_for()
        ui.photograph(artifacts / "prefect-runs.png")


@pytest.fixture(scope="module")
def again(site, browse, rerun, artifacts) -> Seen:
    """A copy of the copy, from the split, in the other UI, with a bound besides."""
    overrides = '{"gains.solint": "60s", "gates.result.phase_warn_deg": 30}'
    with browse(OldUi) as ui:
        return seen(site, copied(ui, rerun.run, "split", overrides, artifacts / "prefect-rerun-v1"), [])


def test_the_form_of_the_other_ui_does_the_same(site, again):
    assert [step for step in STEPS if again.reused[step]] == BEFORE_SPLIT
    assert again.outcome["provenance"]["parameters"]["gates"]["result"]["phase_warn_deg"] == 30
    assert len(again.outcome["earlier_runs"]) == 2
    assert site.tags(again.run) == {"gatecal", f"observation:{NAME}", "rerun", "from:split"}
