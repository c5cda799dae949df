"""Reads how mail is sent: from the environment, a file and a Prefect block, in this order of precedence.

Every field of `schemas.mail.MailSettings` can be given as ``GATECAL_MAIL_<FIELD>``, or in the file that
``GATECAL_MAIL_SETTINGS`` names (YAML, or INI with a section ``[mail]``); server and login also as a Prefect block
``EmailServerCredentials``, named by ``GATECAL_MAIL_BLOCK``. Never as a flow parameter: Prefect shows and logs those.
"""

from __future__ import annotations

import configparser
import os
import stat
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import ConfigurationError
from schemas.mail import MailSettings

PREFIX = "GATECAL_MAIL_"

SOURCES = ("settings", "block")
"""What names a further source: the file, the Prefect block."""

SECURITY = {"SSL": "ssl", "STARTTLS": "starttls", "INSECURE": "plain"}
"""Security by the block's word for it."""


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")


def mail_settings() -> MailSettings:
    """Return how mail is sent; where nothing is given, settings that are off.

    Raises
    ------
    ConfigurationError
        A setting is wrong, a source cannot be read, or a file with a password can be read by everybody.
    """
    given = _from_environment()
    file, block = (given.pop(name, "") for name in SOURCES)
    values = {**(_from_block(block) if block else {}), **(_from_file(Path(file)) if file else {}), **given}
    try:
        return MailSettings.model_validate(values)
    except ValidationError as error:
        # Not the values: one of them may be the password.
        wrong = "; ".join(f"{'.'.join(map(str, issue['loc'])) or 'all'}: {issue['msg']}" for issue in error.errors())
        msg = f"the mail settings are wrong ({wrong}). They are {PREFIX}... in the environment{_named(file, block)}."
        raise ConfigurationError(msg) from None


def _named(file: str, block: str) -> str:
    parts = ((file, f", the file {file}"), (block, f", the Prefect block {block}"))
    return "".join(text for name, text in parts if name)


def _from_environment() -> dict[str, Any]:
    names = (*MailSettings.model_fields, *SOURCES)
    unknown = {name for name in os.environ if name.startswith(PREFIX)} - {PREFIX + name.upper() for name in names}
    if unknown:
        known = ", ".join(PREFIX + name.upper() for name in names)
        msg = f"there is no mail setting {', '.join(sorted(unknown))}; there are {known}."
        raise ConfigurationError(msg)
    # As texts: the record makes numbers and lists of them, and its messages name the field.
    fields = cast("dict[str, Any]", dict.fromkeys(names, (str | None, None)))
    texts = create_model("MailEnvironment", __base__=_Environment, **fields)()
    return {name: value for name, value in texts.model_dump().items() if value is not None}


def _from_file(path: Path) -> dict[str, Any]:
    path = path.expanduser()
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        msg = f"the mail settings in {path} ({PREFIX}SETTINGS) cannot be read: {reason}."
        raise ConfigurationError(msg) from None
    values = _ini(path, text) if path.suffix.lower() in {".ini", ".cfg", ".conf"} else _yaml(path, text)
    if values.get("password") and mode & stat.S_IROTH:
        msg = f"{path} holds a password and everybody can read it; run: chmod 600 {path}"
        raise ConfigurationError(msg)
    return values


def _yaml(path: Path, text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # Only where: the message itself quotes the line, which may hold the password.
        mark = getattr(error, "problem_mark", None)
        msg = f"the mail settings in {path} are not YAML{f' (line {mark.line + 1})' if mark else ''}."
        raise ConfigurationError(msg) from None
    content = content.get("mail", content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        msg = f"the mail settings in {path} hold no fields; they need at least host: and sender:."
        raise ConfigurationError(msg)
    return {str(name): value for name, value in content.items()}


def _ini(path: Path, text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None)  # a % in a password is a %
    try:
        parser.read_string(text)
        return dict(parser["mail"])
    except (configparser.Error, KeyError):
        msg = f"the mail settings in {path} need a section [mail] with lines such as host = mail.example.org."
        raise ConfigurationError(msg) from None


def _from_block(name: str) -> dict[str, Any]:
    """Read server and login from a Prefect block; only its values are used, not its way of sending."""
    from prefect_email import EmailServerCredentials  # type: ignore[import-untyped]

    try:
        block = EmailServerCredentials.load(name)
    except Exception as error:
        # Whatever the server or the block answers: not its text, which may hold the block's values.
        msg = (
            f"the Prefect block email-server-credentials/{name} ({PREFIX}BLOCK) cannot be read "
            f"({type(error).__name__}); see: prefect block ls"
        )
        raise ConfigurationError(msg) from None
    values = {
        "host": getattr(block.smtp_server, "value", block.smtp_server),
        "port": block.smtp_port,
        "security": SECURITY[getattr(block.smtp_type, "name", block.smtp_type)],
        "verify": block.verify,
        "username": block.username,
        "password": block.password,
    }
    return {key: value for key, value in values.items() if value is not None}
