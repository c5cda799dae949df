"""The report in a real browser: opened, looked at, listened to; nothing leaves the page and nobody is kept out."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from qa.report import write_report
from schemas.outcome import Crash, Outcome
from tests.e2e.running import copy_workspace
from tests.unit.qa.report.page import parse, wrong_numbers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.casa, pytest.mark.slow]

RUNS = ("ngc5921", "emerlin", "stopped", "crashed")
WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
LARGEST_BYTES = 6_000_000
ONE_OF_A_KIND = {"exclude": [["tbody tr:nth-child(n+4)"]]}
"""Rows of a table are all made alike, and their colours stand in its legend: axe need not see them all."""
ONLY_FAULTS = {"resultTypes": ["violations"]}
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="session")
def crashed(ngc5921, tmp_path_factory) -> Path:
    """A workspace whose run crashed in the gains: what a finished one held until then."""
    root = tmp_path_factory.mktemp("crashed") / ngc5921.root.name
    root.mkdir()
    for name in ("ledger.json", "observation.yaml"):
        if (ngc5921.root / name).exists():
            shutil.copy(ngc5921.root / name, root)
    done = Outcome.model_validate_json((ngc5921.root / "outcome.json").read_bytes())
    before = [step for step in done.steps if step.step in {"ingest", "inspect", "flag", "delay", "model", "precal"}]
    outcome = done.evolve(
        verdict="crashed",
        reason="CasaCrashed: gaincal: the process died",
        steps=tuple(before),
        gates=tuple(gate for gate in done.gates if gate.step in {step.step for step in before}),
        crash=Crash(
            step="gains", error="CasaCrashed", message="gaincal: the process died", log_tail="SEVERE\tgaincal\tthe end"
        ),
        images=(),
        fluxes={},
        spw_fluxes=(),
        products={},
        provenance=done.provenance.evolve(flow_run_url="http://127.0.0.1:4200/runs/flow-run/1"),
    )
    (root / "outcome.json").write_text(outcome.model_dump_json(indent=1), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def roots(ngc5921, demo, stopped, crashed, tmp_path_factory) -> dict[str, Path]:
    """Each run's workspace with its report, copied where it is another test's."""
    copies = tmp_path_factory.mktemp("reports")
    found = {"crashed": crashed}
    for name, ran in (("ngc5921", ngc5921), ("emerlin", demo), ("stopped", stopped)):
        (copies / name).mkdir()
        found[name] = copy_workspace(ran.root, copies / name)
    for root in found.values():
        write_report(root)
    return found


@pytest.fixture(params=RUNS)
def root(request, roots) -> Path:
    return roots[request.param]


@pytest.fixture
def opened(chromium):
    """Return a function that opens a report; whatever it asks for or complains about fails the test."""
    contexts, asked, complaints = [], [], []

    def open_report(root: Path, width: int = 1280, scheme: str = "light", **settings):
        context = chromium.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((root / "report.html").as_uri())
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)
    assert complaints == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_screen_and_is_kept_as_a_picture(root, opened, artifacts, request, width, scheme):
    page = opened(root, width, scheme)
    name = f"report-{request.node.callspec.params['root']}-{width}-{scheme}"
    page.screenshot(path=artifacts / f"{name}-first.png")
    page.screenshot(path=artifacts / f"{name}.png", full_page=True)
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_axe_finds_no_serious_fault_with_everything_opened(root, opened, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(root, width, scheme)
    open_everything(page)
    violations = axe.Axe().run(page, context=ONE_OF_A_KIND, options=ONLY_FAULTS).response["violations"]
    assert [(entry["id"], entry["nodes"][0]["html"]) for entry in violations if entry["impact"] in SERIOUS] == []


def open_everything(page):
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")


def test_every_number_is_the_outcomes(root):
    page = parse((root / "report.html").read_text(encoding="utf-8"))
    assert len(page.numbers) > 10
    assert wrong_numbers(root, page) == []


def test_it_is_one_file_of_modest_size(root):
    assert (root / "report.html").stat().st_size < LARGEST_BYTES


def test_a_light_of_the_strip_opens_its_section(roots, opened):
    page = opened(roots["emerlin"])
    section = page.locator("#gate-bandpass1")
    assert not section.is_visible()
    page.locator(".strip a[href='#gate-bandpass1']").click()
    section.wait_for(state="visible")


def test_a_section_opens_by_keyboard(roots, opened):
    page = opened(roots["emerlin"])
    page.locator("details.stage > summary").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.locator("details.stage").nth(3).get_attribute("open") is not None


def test_a_section_opens_without_javascript(roots, opened):
    page = opened(roots["emerlin"], java_script_enabled=False)
    page.locator(".strip a[href='#stage-flag']").click()
    page.locator("#stage-flag").wait_for(state="visible")


def test_a_table_sorts_by_the_full_number_both_ways(roots, opened):
    page = opened(roots["emerlin"])
    table = page.locator("#flags table").last
    button = table.locator("thead button").last
    column = table.locator("thead th").last

    def values():
        return table.locator("tbody tr").evaluate_all(
            "rows => rows.map(row => Number(row.lastElementChild.querySelector('data').value))"
        )

    found = values()
    assert len({*found}) > 1
    button.click()
    assert values() == sorted(found)
    assert column.get_attribute("aria-sort") == "ascending"
    button.click()
    assert values() == sorted(found, reverse=True)
    assert column.get_attribute("aria-sort") == "descending"


def test_only_failing_checks_are_left_when_asked_for(roots, opened):
    page = opened(roots["stopped"])
    page.locator("#only-failing").click()
    rows = page.locator(".checks > tbody > tr:visible")
    assert rows.count() == page.locator(".checks > tbody > tr.failing").count() >= 1


def test_the_way_from_a_stop_to_its_gate_and_to_the_command(roots, opened):
    page = opened(roots["stopped"])
    page.locator(".finding.is-stopped a").first.click()
    page.locator("#gate-result").wait_for(state="visible")
    command = page.locator("#run-again + .code code").inner_text()
    assert "--from split" in command
    assert str(roots["stopped"] / "observation.yaml") in command


def test_the_command_is_copied(roots, opened):
    page = opened(roots["crashed"], permissions=["clipboard-read", "clipboard-write"])
    page.locator("#run-again + .code .copy").click()
    page.locator("#run-again + .code .copy:has-text('Copied')").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#run-again + .code code").inner_text()


def test_the_link_to_the_run_in_the_ui_leads_there(roots, opened):
    page = opened(roots["crashed"])
    page.context.route("http://127.0.0.1:4200/**", lambda route: route.abort())
    link = page.locator("a.ui")
    assert link.get_attribute("href") == "http://127.0.0.1:4200/runs/flow-run/1"


def test_print_shows_what_was_folded(roots, opened, artifacts):
    page = opened(roots["emerlin"])
    page.pdf(path=artifacts / "report-emerlin.pdf")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#gate-bandpass1").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert not page.locator("#gate-bandpass1").is_visible()


def test_the_report_is_rebuilt_without_casa_and_without_prefect(roots):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from qa.report import write_report; write_report(Path(sys.argv[1]));"
        "sys.exit(any(name in sys.modules for name in ('casatools', 'casatasks', 'prefect', 'great_expectations')))"
    )
    before = (roots["emerlin"] / "report.html").read_bytes()
    subprocess.run([sys.executable, "-c", code, str(roots["emerlin"])], check=True)
    assert (roots["emerlin"] / "report.html").read_bytes() == before
