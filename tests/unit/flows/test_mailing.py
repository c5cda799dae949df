"""Mailing at the end of a run: settings from where they are given, and a result instead of an error, always."""

from __future__ import annotations

import email
import email.policy
import socket

import pytest

from flows import mail_settings as source
from flows.mail_settings import mail_settings
from flows.mailing import flush_spool, mail_digest, mail_outcome, preview_outcome
from schemas.errors import ConfigurationError
from schemas.mail import MailSettings
from tests.unit.qa.mail.test_compose import STOPPED
from tests.unit.qa.mail.workspaces import an_outcome, make_workspace

HIDDEN = "s3cret%"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    import os

    for name in [name for name in os.environ if name.startswith("GATECAL_MAIL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def given(monkeypatch):
    def give(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"GATECAL_MAIL_{name}", str(value))

    return give


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)


OFFLINE = MailSettings(host="mail.invalid", sender="g@example.org", total_s=0.05, pause_s=0.01)


def test_without_settings_no_mail_is_sent_and_that_is_said(tmp_path):
    result = mail_outcome(make_workspace(tmp_path))
    assert result.status == "off"
    assert "GATECAL_MAIL_HOST" in result.note
    assert not (tmp_path / ".mail-spool").exists()


def test_the_environment_gives_every_setting(given):
    given(HOST="mail.example.org", SENDER="g@example.org", PORT=2525, VERIFY="false", PASSWORD=HIDDEN, TOTAL_S="7")
    given(OPERATORS="Ops <ops@example.org>, zoe@example.org")
    settings = mail_settings()
    assert (settings.host, settings.port, settings.verify, settings.total_s) == ("mail.example.org", 2525, False, 7.0)
    assert settings.password.get_secret_value() == HIDDEN
    assert len(settings.operators) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mail.yaml", "host: mail.example.org\nsender: g@example.org\npassword: 's3cret%'\nport: 2525\n"),
        (
            "mail.yaml",
            "mail:\n  host: mail.example.org\n  sender: g@example.org\n  password: 's3cret%'\n  port: 2525\n",
        ),
        ("mail.ini", "[mail]\nhost = mail.example.org\nsender = g@example.org\npassword = s3cret%\nport = 2525\n"),
    ],
    ids=["yaml", "yaml with a section", "ini"],
)
def test_a_file_gives_them_and_the_environment_goes_before(tmp_path, given, name, text):
    file = tmp_path / name
    file.write_text(text)
    file.chmod(0o600)
    given(SETTINGS=file, PORT=99)
    settings = mail_settings()
    assert (settings.host, settings.port) == ("mail.example.org", 99)
    assert settings.password.get_secret_value() == HIDDEN


def test_a_password_that_everybody_can_read_is_refused(tmp_path, given):
    file = tmp_path / "mail.yaml"
    file.write_text("host: h\nsender: g@example.org\npassword: s3cret%\n")
    file.chmod(0o644)
    given(SETTINGS=file)
    with pytest.raises(ConfigurationError, match="chmod 600") as error:
        mail_settings()
    assert HIDDEN not in str(error.value)


def test_a_file_without_a_password_may_be_read_by_everybody(tmp_path, given):
    file = tmp_path / "mail.yaml"
    file.write_text("host: h\nsender: g@example.org\n")
    file.chmod(0o644)
    given(SETTINGS=file)
    assert mail_settings().host == "h"


@pytest.mark.parametrize(
    "text",
    ["password: [s3cret%", "password: !!python/object/apply:os.system ['s3cret%']", "- s3cret%", "passwort: s3cret%"],
)
def test_a_wrong_file_is_told_without_what_is_in_it(tmp_path, given, text):
    file = tmp_path / "mail.yaml"
    file.write_text(text)
    file.chmod(0o600)
    given(SETTINGS=file)
    with pytest.raises(ConfigurationError) as error:
        mail_settings()
    assert str(file) in str(error.value)
    assert HIDDEN not in str(error.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"HOST": "h"}, "sender"),
        ({"HOST": "h", "SENDER": "g@example.org", "PORT": "many"}, "port"),
        ({"HOST": "h", "SENDER": "g@example.org", "SECURITY": "tls"}, "security"),
        ({"HOTS": "h"}, "GATECAL_MAIL_HOTS"),
        ({"SETTINGS": "/nowhere/mail.yaml"}, "/nowhere/mail.yaml"),
    ],
)
def test_a_wrong_setting_is_named_and_costs_no_run(tmp_path, given, values, says):
    given(PASSWORD=HIDDEN, **values)
    result = mail_outcome(make_workspace(tmp_path))
    assert result.status == "not set up"
    assert says in result.note
    assert HIDDEN not in result.note


def test_a_prefect_block_gives_server_and_login(monkeypatch, given):
    from prefect_email import EmailServerCredentials

    block = EmailServerCredentials(
        username="night@example.org", password=HIDDEN, smtp_server="mail.example.org", smtp_type="STARTTLS"
    )
    monkeypatch.setattr(EmailServerCredentials, "load", lambda name: {"mail": block}[name])
    given(BLOCK="mail", PORT=2525)
    settings = mail_settings()
    assert (settings.host, settings.security, settings.server_port) == ("mail.example.org", "starttls", 2525)
    assert settings.from_address.address == "night@example.org"
    assert settings.password.get_secret_value() == HIDDEN


def test_a_block_that_cannot_be_read_is_named(monkeypatch, given):
    from prefect_email import EmailServerCredentials

    def load(_name):
        raise ValueError(HIDDEN)

    monkeypatch.setattr(EmailServerCredentials, "load", load)
    given(BLOCK="mail")
    with pytest.raises(ConfigurationError, match="email-server-credentials/mail") as error:
        mail_settings()
    assert HIDDEN not in str(error.value)


def test_every_kind_of_protection_of_a_block_is_known():
    from prefect_email.credentials import SMTPType

    assert {kind.name for kind in SMTPType} == set(source.SECURITY)


@pytest.mark.usefixtures("no_network")
def test_without_a_network_the_mail_waits_beside_the_workspaces(tmp_path):
    result = mail_outcome(make_workspace(tmp_path), settings=OFFLINE)
    assert (result.status, result.waiting) == ("waiting", 1)
    assert "Connection refused" in result.note
    assert len(list((tmp_path / ".mail-spool" / "waiting").iterdir())) == 1


@pytest.mark.usefixtures("no_network")
def test_a_run_is_mailed_once_and_again_for_who_asks(tmp_path):
    root = make_workspace(tmp_path)
    first = mail_outcome(root, settings=OFFLINE)
    assert mail_outcome(root, settings=OFFLINE).message_id == first.message_id
    assert flush_spool(tmp_path, settings=OFFLINE).waiting == 1
    assert mail_outcome(root, again=True, settings=OFFLINE).message_id != first.message_id
    assert flush_spool(tmp_path, settings=OFFLINE).waiting == 2


@pytest.mark.usefixtures("no_network")
def test_where_the_spool_cannot_be_written_that_is_said_and_nothing_is_raised(tmp_path):
    (tmp_path / "file").write_text("")
    result = mail_outcome(make_workspace(tmp_path), settings=OFFLINE.evolve(spool=tmp_path / "file" / "spool"))
    assert result.status == "failed"
    assert "cannot be written" in result.note


def test_an_unreadable_outcome_is_a_result_not_an_error(tmp_path):
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "outcome.json").write_text("{")
    assert mail_outcome(tmp_path / "night", settings=OFFLINE).status == "not set up"


def test_what_nobody_foresaw_is_a_result_too(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("in a template")

    monkeypatch.setattr("flows.mailing.compose", broken)
    result = mail_outcome(make_workspace(tmp_path), settings=OFFLINE)
    assert result.status == "failed"
    assert "ZeroDivisionError" in result.note


def test_a_passed_run_without_recipients_is_not_mailed(tmp_path):
    assert mail_outcome(make_workspace(tmp_path, recipients=()), settings=OFFLINE).status == "nobody"


@pytest.mark.usefixtures("no_network")
def test_the_digest_of_a_night_waits_in_the_same_spool(tmp_path):
    result = mail_digest([an_outcome(**STOPPED)], "22 November 2026", tmp_path, ["zoe@example.org"], settings=OFFLINE)
    assert (result.status, result.waiting) == ("waiting", 1)
    assert mail_digest([], "22 November 2026", tmp_path, settings=OFFLINE).status == "waiting"  # the earlier one does


def test_a_preview_needs_no_server_and_sends_nothing(tmp_path):
    file = tmp_path / "night.eml"
    result = preview_outcome(make_workspace(tmp_path), file)
    assert result.status == "previewed"
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["Message-ID"] == result.message_id
    assert not (tmp_path / ".mail-spool").exists()


def test_a_preview_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        preview_outcome(make_workspace(tmp_path), tmp_path / "nowhere" / "night.eml")
