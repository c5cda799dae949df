"""The mail: how it is sent, what waits to be sent, and what became of it."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from email.utils import getaddresses
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from schemas.record import Record

Security = Literal["plain", "starttls", "ssl"]
"""How the connection is protected: not at all, by STARTTLS (required, not merely tried), or by TLS from the start."""

PORTS: dict[Security, int] = {"plain": 25, "starttls": 587, "ssl": 465}
"""Port by security: SMTP (RFC 5321), submission (RFC 6409), submission over TLS (RFC 8314)."""


class MailAddress(Record):
    """One mail address and the name it is shown with."""

    name: str = ""
    """The person's name; may be empty."""
    address: str
    """``local@domain``, the domain in ASCII (RFC 5891); the local part may need a server with SMTPUTF8."""

    @property
    def is_ascii(self) -> bool:
        """True if every mail server can deliver to it."""
        return self.address.isascii()


def mail_address(text: str) -> MailAddress:
    """Read ``local@domain`` or ``Name <local@domain>``.

    Line breaks and control characters in the name become blanks; in the address they are refused.

    Raises
    ------
    ValueError
        It is not one mail address.
    """
    plain = one_line(text)
    found = getaddresses([plain])
    name, address = found[0] if len(found) == 1 else ("", "")
    local, _, domain = address.rpartition("@")
    if not local or not domain or "@" in local or any(not c.isprintable() or c in ' <>()[],;:\\"' for c in address):
        msg = f"{text!r} is not a mail address; write name@example.org or Name <name@example.org>"
        raise ValueError(msg)
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        msg = f"the domain of {text!r} is no domain name"
        raise ValueError(msg) from error
    return MailAddress(name=one_line(name), address=f"{local}@{domain}")


def one_line(text: str) -> str:
    """Return text without what could break a header or change how it reads.

    Control characters, line and paragraph separators become blanks; invisible format characters (direction marks and
    overrides among them) go; lone surrogates, which cannot be encoded, become replacement characters.
    """

    def safe(character: str) -> str:
        kind = unicodedata.category(character)
        if kind in {"Cc", "Zl", "Zp"}:
            return " "
        return {"Cf": "", "Cs": "\ufffd"}.get(kind, character)

    return " ".join("".join(safe(character) for character in text).split())


class MailSettings(Record):
    """How mail is sent. Without `host` none is."""

    # A message about a wrong field must not show the password beside it.
    model_config = ConfigDict(hide_input_in_errors=True)

    host: str = ""
    """Mail server; empty: no mail is sent."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port; by default 25, 587 or 465, as `security` asks."""
    security: Security = "starttls"
    """``starttls``, ``ssl`` or ``plain``; in ``plain`` a password goes over the network as it is."""
    verify: bool = True
    """Check the server's certificate."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, e.g. an observatory's own authority (PEM)."""
    username: str = ""
    """User to log in as; empty: no login."""
    password: SecretStr = SecretStr("")
    """The user's password."""
    sender: str = ""
    """From whom, ``gatecal <gatecal@example.org>``; by default `username` where that is an address."""
    operators: tuple[str, ...] = ()
    """Who else gets the mail of a run that stopped, is held or crashed, and the digest of a night."""
    timeout_s: float = Field(default=20.0, gt=0)
    """Longest wait for any one answer of the server [s]; RFC 5321 allows servers minutes, a finished run does not."""
    total_s: float = Field(default=90.0, gt=0)
    """Longest time one mailing may take, all tries together [s]; what is not sent by then waits in the spool."""
    pause_s: float = Field(default=2.0, gt=0)
    """Pause before the second try [s]; doubled before each further one, to 30 s at most."""
    spool: Path | None = None
    """Folder of the mails that wait; by default ``.mail-spool`` beside the workspaces."""
    attach_mb: float = Field(default=10.0, ge=0)
    """Largest report to attach [MB]; a larger one is linked. Many servers refuse mails over 10 to 25 MB."""
    report_url: str = ""
    """Where reports can be read, e.g. ``https://example.org/{observation}/report.html``; empty: its path is given."""

    @field_validator("operators", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Read operators from one line, as the environment gives them."""
        if not isinstance(value, str):
            return value
        found = ((name.translate({34: None, 92: None}), address) for name, address in getaddresses([value]) if address)
        return tuple(f'"{name}" <{address}>' if name else address for name, address in found)

    @field_validator("operators")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            mail_address(text)
        return value

    @model_validator(mode="after")
    def _has_a_sender(self) -> MailSettings:
        if self.sender or self.host:
            text = self.sender or self.username
            if "@" not in text:
                msg = "a sender is needed: gatecal <gatecal@example.org>"
                raise ValueError(msg)
            mail_address(text)
        return self

    @property
    def is_on(self) -> bool:
        """True if there is a server to send by."""
        return bool(self.host)

    @property
    def server_port(self) -> int:
        """The port in force."""
        return self.port or PORTS[self.security]

    @property
    def from_address(self) -> MailAddress:
        """From whom; for a preview without settings, from nobody in particular."""
        text = self.sender or (self.username if "@" in self.username else "gatecal <gatecal@localhost>")
        return mail_address(text)


class Envelope(Record):
    """One mail in the spool: who is still to get it. Its text lies beside it and never changes."""

    message_id: str
    """The mail's identity, the same in every try."""
    subject: str
    """For people who look into the spool."""
    created: datetime
    """When it was put there (UTC)."""
    waiting: tuple[str, ...] = ()
    """Addresses that are still to get it."""
    delivered: tuple[str, ...] = ()
    """Addresses for which the server has taken it."""
    refused: dict[str, str] = Field(default_factory=dict)
    """Addresses the server refused for good, and its answers."""
    attempts: int = 0
    """Tries so far in which this mail was handed to a server."""
    last_trouble: str = ""
    """Why the last try failed."""


class MailThread(Record):
    """What ties the mails of one observation together; a small file in its workspace."""

    first: str
    """Message-ID of the observation's first mail: later ones answer it."""
    subject: str = ""
    """Subject of the first mail."""


MailStatus = Literal["sent", "already sent", "waiting", "refused", "nobody", "off", "not set up", "previewed", "failed"]
"""What became of a mail."""


class MailResult(Record):
    """What became of a mail, for a person; nothing here stops a run."""

    status: MailStatus
    """``waiting``: it is in the spool; ``off``: no server is set; ``nobody``: there is no one to send it to."""
    note: str
    """The same in a sentence."""
    message_id: str = ""
    """The mail's identity; empty where none was made."""
    delivered: tuple[str, ...] = ()
    """Addresses for which the server has taken it."""
    refused: dict[str, str] = Field(default_factory=dict)
    """Addresses the server refused for good, and its answers."""
    waiting: int = 0
    """Mails that wait in the spool now, this one and earlier ones."""

    @property
    def arrived(self) -> bool:
        """True if nothing is left to do for this mail."""
        return self.status in {"sent", "already sent", "previewed"}
