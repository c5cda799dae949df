"""Both Prefect UIs as a person uses them: open a run, retry it, copy it to a new run, fill the form, look."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

CLICK_S = 90.0
"""A page of the UI may take so long on a busy machine [s]."""
PAGE, FORM = {"width": 1280, "height": 1000}, {"width": 1280, "height": 2400}
"""Sizes at which all of a page, and all of the form, is in the picture [pixels]."""
LOOK_S, RELOADS = 30.0, 20
"""How often, and how many times, a page is loaded again while its run goes on."""
TASK_RUN = re.compile(r"^(\S.*)-[0-9a-f]{3}\n(\w+)$", re.MULTILINE)
"""A task run's name and state, as the list shows them."""


class Ui(ABC):
    """What both have in common.

    Parameters
    ----------
    page
        A page of the browser.
    address
        The UI's address.
    """

    def __init__(self, page: Page, address: str) -> None:
        page.set_default_timeout(1000 * CLICK_S)
        page.set_viewport_size(PAGE)
        self.page = page
        self.address = address

    def open_run(self, run: str) -> None:
        self.page.goto(f"{self.address}/runs/flow-run/{run}")
        self.wait_for_run_page()

    def wait_for_run_page(self) -> None:
        """Wait until it is a run's page that is shown: the address changes before the page does."""
        self.page.get_by_text("Job Variables", exact=True).first.wait_for()
        self.menu().wait_for()

    @abstractmethod
    def menu(self) -> Locator:
        """Return the button of a run's menu."""

    @abstractmethod
    def choose_step(self, step: str) -> None:
        """Choose the step to start from, in the form."""

    @abstractmethod
    def write_overrides(self, text: str) -> None:
        """Write the overrides of the run, in the form."""

    def choose(self, act: str) -> None:
        """Choose an entry of a run's menu."""
        self.menu().click()
        self.page.get_by_text(act, exact=True).click()

    def copy(self) -> None:
        """Open the form with the run's parameters."""
        self.choose("Copy to new run")
        self.page.get_by_text("From step").wait_for()
        self.page.set_viewport_size(FORM)

    def submit(self) -> str:
        """Start the run, go to its page, and return its id."""
        with self.page.expect_response("**/create_flow_run") as answer:
            self.page.get_by_role("button", name="Submit").click()
        run = str(answer.value.json()["id"])
        # From the deployment's list of runs: the button "View run" is gone after four seconds.
        self.page.set_viewport_size(PAGE)
        self.page.locator(f"a[href*='{run}']").first.click()
        self.wait_for_run_page()
        return run

    def wait_for_badge(self, state: str) -> None:
        """Wait until the page says that its run is in a state; a page of an ended run has to be loaded again."""
        badge = self.page.get_by_text(state, exact=True).first
        for _ in range(RELOADS):
            deadline = time.monotonic() + LOOK_S
            while time.monotonic() < deadline:
                if badge.is_visible():
                    return
                self.page.wait_for_timeout(500)
            self.page.reload()
            self.wait_for_run_page()
        badge.wait_for()

    def tab(self, name: str) -> None:
        self.page.get_by_text(name, exact=True).first.click()

    def photograph(self, path: Path) -> None:
        self.page.wait_for_timeout(1500)  # what fades in has done so
        self.page.screenshot(path=path, full_page=True)


class NewUi(Ui):
    """The one at ``/v2``, which Prefect opens by default."""

    def menu(self) -> Locator:
        return self.page.get_by_role("button", name="Open menu").first

    def retry(self) -> None:
        self.choose("Retry")
        self.page.get_by_role("alertdialog").get_by_role("button", name="Retry").click()

    def choose_step(self, step: str) -> None:
        self.page.get_by_label("Select From step").click()
        self.page.get_by_role("option", name=step, exact=True).click()

    def write_overrides(self, text: str) -> None:
        self.page.locator(".cm-content").last.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def task_runs(self) -> list[tuple[str, str]]:
        """Return name and state of every task run, newest first, from all pages of the list."""
        self.tab("Task Runs")
        found: list[tuple[str, str]] = []
        forward = self.page.get_by_label("Go to next page")
        while True:
            self.page.get_by_text(re.compile(r"^Page \d+ of \d+$")).wait_for()
            self.page.wait_for_timeout(1500)  # the page before is shown until this one has come
            found += TASK_RUN.findall(self.page.get_by_role("tabpanel", name="Task Runs").inner_text())
            if forward.is_disabled():
                return found
            forward.click()


class OldUi(Ui):
    """The one at the root, to which links in mails and reports lead."""

    def menu(self) -> Locator:
        return self.page.locator(".page-heading__trailing button").last

    def choose_step(self, step: str) -> None:
        self._field("From step").locator("fieldset button").focus()
        self.page.keyboard.press("Space")
        self.page.get_by_role("option", name=step, exact=True).click()

    def write_overrides(self, text: str) -> None:
        self._field("Overrides for this run").locator("textarea").fill(text)

    def _field(self, title: str) -> Locator:
        return self.page.locator(".schema-form-property").filter(has_text=title).last
