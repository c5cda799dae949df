"""The service on a real server with a real worker: up, two data sets, a schedule that fires, a kill, mail, down."""

from __future__ import annotations

import email
import json
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from email.policy import default
from pathlib import Path

import pytest

from flows import keeper, processes
from flows.service import check_port
from tests.contract.mail_servers import Mailbox, mail_server
from tests.e2e.conftest import environment
from tests.e2e.running import Gatecal, caught_in, outcome
from tests.e2e.whole_service import NIGHT_S, WholeService
from tests.ports import free_port

pytestmark = [pytest.mark.casa, pytest.mark.slow]

QUICK = "{image.enabled: false, trial.enabled: false}"
RESUMED_S = 900.0
"""A killed run goes on without a person within 15 minutes."""
ASTRONOMER, OBSERVATORY, OPERATOR = "zoe@example.org", "nights@example.org", "operator@example.org"


@pytest.fixture(scope="module")
def post():
    """A mail server and what has arrived there."""
    mailbox = Mailbox()
    mailbox.port = free_port()
    with mail_server(mailbox, port=mailbox.port):
        yield mailbox


@pytest.fixture(scope="module")
def service(home, tmp_path_factory, uvfits, tiny, post):
    """A service that is up, with two data sets and a few hostile names in its inbox."""
    folder = tmp_path_factory.mktemp("service")
    extra = {
        "GATECAL_QUIET_MINUTES": "0.05",
        "GATECAL_MIN_FREE_GB": "0",
        "GATECAL_RECIPIENTS": OBSERVATORY,
        "GATECAL_MAIL_HOST": "127.0.0.1",
        "GATECAL_MAIL_PORT": str(post.port),
        "GATECAL_MAIL_SECURITY": "plain",
        "GATECAL_MAIL_SENDER": "gatecal@example.org",
        "GATECAL_MAIL_OPERATORS": OPERATOR,
    }
    one = WholeService(folder, Gatecal(environment(home) | extra, folder))
    one.inbox.mkdir()
    shutil.copy(uvfits, one.inbox / "ngc5921.fits")
    (one.inbox / "ngc5921.yaml").write_text(f"profile: vla\noverrides: {QUICK}\nrecipients: [{ASTRONOMER}]\n")
    shutil.copytree(tiny.with_suffix(".ms"), one.inbox / "tiny.ms")
    shutil.copy(f"{tiny.with_suffix('.ms')}.flagcmd.txt", one.inbox / "tiny.ms.flagcmd.txt")
    overrides = QUICK.replace("{", "{flag.bad_times: tiny.ms.flagcmd.txt, ")
    lines = tiny.read_text().splitlines()
    roles = "\n".join(lines[lines.index("roles:") :])
    (one.inbox / "tiny.yaml").write_text(f"profile: emerlin\noverrides: {overrides}\n{roles}\n")
    (one.inbox / "secret.ms").symlink_to("/etc/passwd")
    (one.inbox / "$(touch x).fits").write_bytes(uvfits.read_bytes()[:3_000_000])
    (one.inbox / "cut.fits").write_bytes(uvfits.read_bytes()[:3_000_000])
    try:
        began = one.up()
        assert began.code == 0, began.output
        yield one
    finally:
        ended = one.down()
        assert ended.code == 0, ended.output
        for large in (one.inbox, *(path.parent for path in one.workspace.glob("*/outcome.json"))):
            shutil.rmtree(large, ignore_errors=True)  # the service's logs stay, for who asks why


@pytest.fixture(scope="module")
def first_night(service):
    """The schedule fires, a person too; the worker and its run are killed in the middle of the second calibration."""
    runs = [service.scheduled(), service.fire()]
    service.wait(lambda: outcome_of(service, "ngc5921") or outcome_of(service, "tiny"), NIGHT_S)
    last = "tiny" if outcome_of(service, "ngc5921") else "ngc5921"
    root = service.workspace / last
    assert outcome_of(service, last) is None, "both ended at once"
    held = caught_in("gaincal", root)
    for pid in (service.process("worker-1"), held.process.pid):
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    service.wait(lambda: outcome_of(service, last), RESUMED_S)
    return {"runs": [service.ended(run) for run in runs], "killed": last, "took": time.monotonic() - killed}


def arrived(post):
    """Return each mail that has arrived, parsed as a client would, with whom it was delivered to."""
    parsed = [email.message_from_bytes(content, policy=default) for content in post.mails]
    return list(zip(post.recipients, parsed, strict=True))


def outcome_of(service, name):
    path = service.workspace / name / "outcome.json"
    return outcome(path.parent) if path.exists() else None


def test_up_again_says_what_is_up_and_starts_nothing(service):
    before = keeper.read_state(service.folder)
    again = service.up()
    assert (again.code, "is up already" in again.output) == (0, True)
    assert keeper.read_state(service.folder) == before


def test_the_server_is_reached_from_this_machine_alone(service):
    listening = Path("/proc/net/tcp").read_text().splitlines()
    ours = [line.split()[1] for line in listening if line.split()[1].endswith(f":{service.port:04X}")]
    assert ours
    assert all(address.startswith("0100007F:") for address in ours)


def test_both_data_sets_are_calibrated_though_worker_and_run_were_killed(service, first_night):
    assert {name: outcome_of(service, name)["verdict"] for name in ("ngc5921", "tiny")} == {
        "ngc5921": "passed",
        "tiny": "passed",
    }
    assert first_night["took"] < RESUMED_S
    assert list((service.workspace / "ngc5921" / "products").glob("*.ms"))
    assert list((service.workspace / "tiny" / "products").glob("*.ms"))


def test_the_killed_run_is_the_same_run_resumed_from_its_ledger(service, first_night):
    run = service.calibrations()[first_night["killed"]]
    assert (run["state_name"], run["state"]["message"]) == ("Completed", f"{first_night['killed']}: passed")
    assert "resumed-1" in run["tags"]
    reused = [step["step"] for step in outcome_of(service, first_night["killed"])["steps"] if step["reused"]]
    assert "ingest" in reused


def test_each_report_is_mailed_once_though_its_run_was_killed(service, first_night, post):
    expected = {"ngc5921": (ASTRONOMER,), "tiny": (OBSERVATORY,)}
    mails = [(to, mail) for to, mail in arrived(post) if not str(mail["Subject"]).startswith("Night of")]
    assert sorted((str(mail["Subject"]).partition(":")[0], to) for to, mail in mails) == sorted(expected.items())
    for _, mail in mails:
        name = str(mail["Subject"]).partition(":")[0]
        (report,) = (part for part in mail.walk() if part.get_filename() == f"{name}-report.html")
        assert report.get_content() == (service.workspace / name / "report.html").read_text()


def test_one_digest_tells_of_both_and_of_what_was_left_in_the_inbox(service, first_night, post):
    ((to, digest),) = [found for found in arrived(post) if str(found[1]["Subject"]).startswith("Night of")]
    assert sorted(to) == sorted([OBSERVATORY, OPERATOR])
    assert str(digest["Subject"]).endswith(": 2 calibrated; 3 left in the inbox")
    text = " ".join(digest.get_body(("plain",)).get_content().split())
    for words in ("ngc5921: CALIBRATED", "tiny: CALIBRATED", "secret.ms: REFUSED", "$(touch x).fits: REFUSED"):
        assert words in text
    assert "leads outside the inbox" in text
    assert "Fetch it again" in text.partition("cut.fits: UNREADABLE")[2]


def test_a_killed_run_is_one_run_of_the_history(service, first_night):
    with closing(sqlite3.connect(service.workspace / "history.sqlite")) as history:
        runs = history.execute("SELECT observation, verdict FROM gatecal_run ORDER BY observation").fetchall()
    assert runs == [("ngc5921", "passed"), ("tiny", "passed")]


def test_each_was_begun_once_though_two_fired_at_once(service, first_night):
    assert set(service.calibrations()) == {"ngc5921", "tiny"}
    assert len(service.ask("flow_runs/filter", {"flows": {"name": {"any_": ["calibrate"]}}})) == 2


def test_what_cannot_be_calibrated_is_in_the_table_with_its_reason(service, first_night):
    (table,) = service.ask("artifacts/latest/filter", {"artifacts": {"key": {"any_": ["nightly"]}}})
    rows = {row["entry"]: row for row in json.loads(table["data"])}
    states = {name: row["state"] for name, row in rows.items()}
    assert states["secret.ms"] == "refused"
    assert states["$(touch x).fits"] == "refused"
    assert states["cut.fits"] == "unreadable"
    assert "Fetch it again" in rows["cut.fits"]["reason"]


def test_fired_again_nothing_is_done_or_told_twice(service, first_night, post):
    mailed = len(post.mails)
    before = {name: outcome_of(service, name)["provenance"]["finished"] for name in ("ngc5921", "tiny")}
    again = service.ended(service.fire())
    assert again["state_type"] == "COMPLETED"
    assert "0 begun" in again["state"]["message"]
    assert len(service.ask("flow_runs/filter", {"flows": {"name": {"any_": ["calibrate"]}}})) == 2
    assert {name: outcome_of(service, name)["provenance"]["finished"] for name in before} == before
    assert len(post.mails) == mailed


def test_down_leaves_no_process(service, first_night):
    mark = service.mark()
    assert processes.marked(mark)
    ended = service.down()
    assert (ended.code, processes.marked(mark)) == (0, [])
    check_port("127.0.0.1", service.port)
    assert "was down already" in service.down().output
