"""Mail settings and addresses: what is refused, and what harmless form the rest takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.mail import MailResult, MailSettings, mail_address, one_line

HIDDEN = "s3cret"


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("zoe@example.org", "", "zoe@example.org"),
        ("Zoë Müller <zoe@example.org>", "Zoë Müller", "zoe@example.org"),
        ('"Müller, Zoë" <zoe@example.org>', "Müller, Zoë", "zoe@example.org"),
        ("zoe@exämple.org", "", "zoe@xn--exmple-cua.org"),
        ("Zoë\r\nBcc <zoe@example.org>", "Zoë Bcc", "zoe@example.org"),
    ],
)
def test_an_address_is_read_with_its_name(text, name, address):
    found = mail_address(text)
    assert (found.name, found.address) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zoe",
        "@example.org",
        "zoe@",
        "a@b@c.d",
        "zoe@example.org\r\nBcc: all@example.org",
        "a@b.c, d@e.f",
        "a b@c.d",
    ],
)
def test_what_is_not_one_address_is_refused(text):
    with pytest.raises(ValueError, match="not a mail address"):
        mail_address(text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\r\nBcc: b", "a Bcc: b"),
        ("a\u2028b\x00c\x1b[31m", "a b c [31m"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\ud800", "\ufffd"),
        ("  Zoë\t Müller ", "Zoë Müller"),
    ],
)
def test_one_line_leaves_nothing_that_breaks_a_header(text, safe):
    assert one_line(text) == safe


def test_the_password_is_shown_nowhere():
    settings = MailSettings(host="mail.example.org", sender="a@example.org", password=HIDDEN)
    assert HIDDEN not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_wrong_setting_is_told_without_the_password():
    with pytest.raises(ValidationError) as error:
        MailSettings(host="mail.example.org", password=HIDDEN)
    assert "a sender is needed" in str(error.value)
    assert HIDDEN not in str(error.value)


def test_a_user_name_that_is_an_address_is_the_sender():
    settings = MailSettings(host="mail.example.org", username="night@example.org")
    assert settings.from_address.address == "night@example.org"


def test_operators_can_be_given_in_one_line():
    settings = MailSettings(operators='ops@example.org, "Müller, Zoë" <zoe@example.org>')
    assert [mail_address(text).name for text in settings.operators] == ["", "Müller, Zoë"]


@pytest.mark.parametrize(("security", "port"), [("plain", 25), ("starttls", 587), ("ssl", 465)])
def test_the_port_follows_from_the_security(security, port):
    assert MailSettings(security=security).server_port == port
    assert MailSettings(security=security, port=2525).server_port == 2525


def test_without_a_host_no_mail_is_sent():
    assert not MailSettings().is_on


@pytest.mark.parametrize(
    ("status", "arrived"), [("sent", True), ("waiting", False), ("refused", False), ("off", False)]
)
def test_a_result_tells_whether_something_is_left_to_do(status, arrived):
    assert MailResult(status=status, note="n").arrived is arrived
