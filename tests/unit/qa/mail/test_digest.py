"""A night in one mail."""

from __future__ import annotations

import re

from qa.mail.digest import compose_digest
from schemas.mail import MailSettings
from tests.unit.qa.mail.test_compose import STOPPED, WARNED
from tests.unit.qa.mail.workspaces import TARGET, an_outcome, make_workspace

SETTINGS = MailSettings(
    host="h", sender="g@example.org", operators="ops@example.org", report_url="https://example.org/{observation}/"
)
NIGHT = "22 November 2026"


def digest(entries, **changes):
    return compose_digest(entries, NIGHT, SETTINGS, **changes).message


def test_it_has_one_line_per_observation_with_what_needs_a_person_first(tmp_path):
    good = make_workspace(tmp_path, "good")
    bad = make_workspace(tmp_path, "bad", **STOPPED)
    mail = digest([good, bad, an_outcome("odd", **WARNED)])
    assert mail["Subject"] == f"Night of {NIGHT}: 1 stopped; 1 calibrated, with warnings; 1 calibrated"
    html = mail.get_body(("html",)).get_content()
    assert re.findall(r'<th scope="row"[^>]*>(\w+)<br>', html) == ["bad", "odd", "good"]
    text = " ".join(mail.get_body(("plain",)).get_content().split())
    for words in ("80 ns at antenna Cm, spw 3, L", f"target {TARGET} peak 139.3 mJy/beam", "1.903 ± 0.010 Jy"):
        assert words in text
        assert words in html
    assert 'href="https://example.org/good/"' in html


def test_a_workspace_without_an_outcome_has_its_line(tmp_path):
    mail = digest([tmp_path / "gone"])
    assert "1 no outcome" in mail["Subject"]
    assert "gone: NO OUTCOME" in mail.get_body(("plain",)).get_content()


def test_it_goes_to_the_operators_and_whom_else_is_named(tmp_path):
    assert str(digest([], recipients=["zoe@example.org"])["To"]) == "zoe@example.org, ops@example.org"
    assert compose_digest([], NIGHT, SETTINGS.evolve(operators=())) is None


def test_a_night_without_observations_says_so():
    mail = digest([])
    assert mail["Subject"] == f"Night of {NIGHT}: no observation"
    assert "No observation was calibrated." in mail.get_body(("plain",)).get_content()


def test_the_same_night_is_the_same_mail_and_another_one_is_not():
    one, same, other = digest([an_outcome()]), digest([an_outcome()]), digest([an_outcome(**STOPPED)])
    assert one["Message-ID"] == same["Message-ID"] != other["Message-ID"]


def test_a_name_with_markup_does_no_harm():
    mail = digest([an_outcome("<img src=x>\r\nBcc: a@b.c")])
    assert "<img" not in mail.get_body(("html",)).get_content()
    assert mail["Bcc"] is None
