"""Talks to a mail server: connects, logs in, hands a mail over, and says what became of each address.

Nothing here waits without end: each answer has a time limit, and the connection as a whole is cut at its deadline,
so that a server that sends a byte now and then cannot hold up a run. The password stays in the settings: it is in no
message of any error.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.mail import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.mail import MailSettings

FAREWELL_S = 2.0
"""Longest wait for the answer to QUIT [s]: the mail has already gone."""

LONGEST_ANSWER = 200
"""Where a server's answer is cut [characters]."""

AUTHENTICATED = 235
TOO_LARGE = 552
CLOSING = 421


class MailTrouble(Exception):
    """The server could not be used; the mail waits.

    Attributes
    ----------
    lasting
        True if it will not go away by itself (wrong password, certificate, refused sender): not worth another try now.
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


@dataclass(frozen=True)
class Answer:
    """What a server said about a mail, by address.

    Attributes
    ----------
    delivered
        Taken by the server.
    refused
        Refused for good (5yz), with the answer.
    deferred
        Refused for now (4yz), with the answer.
    """

    delivered: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)


class Deadline:
    """A point in time after which nothing is begun.

    Parameters
    ----------
    seconds
        From now [s].
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """What is left [s]; zero when it has passed."""
        return max(0.0, self._end - time.monotonic())


@contextlib.contextmanager
def connected(settings: MailSettings, deadline: Deadline) -> Iterator[smtplib.SMTP]:
    """Give a connection that is protected and logged in as the settings ask.

    Raises
    ------
    MailTrouble
        There is none to be had.
    """
    client: _Limited | None = None
    try:
        with _explained(settings):
            client = _open(settings, deadline)
            _protect(client, settings)
        yield client
    finally:
        if client is not None:
            client.leave()


def hand_over(
    client: smtplib.SMTP, settings: MailSettings, content: bytes, addresses: tuple[str, ...], *, utf8: bool
) -> Answer:
    """Hand one mail over for these addresses.

    If the connection is lost after the server has the whole mail and before its answer is here, nobody can know
    whether it took it (RFC 5321, 4.5.4.1): the mail is then sent once more, with the same Message-ID, by which mail
    programs and people can tell that it is the same one.

    Raises
    ------
    MailTrouble
        The connection was lost, or the server does not take mails from this sender.
    """
    with _explained(settings):
        options = ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else []
        if client.has_extn("size"):
            options.append(f"SIZE={len(content)}")
        code, words = client.mail(settings.from_address.address, options)
        if code == TOO_LARGE:
            client.rset()
            return Answer(refused=dict.fromkeys(addresses, _said(code, words, settings)))
        if code != 250:
            raise MailTrouble(
                f"{_named(settings)} refuses the sender: {_said(code, words, settings)}", lasting=code >= 500
            )
        accepted, refused, deferred = _recipients(client, settings, addresses)
        if not accepted:
            client.rset()
            return Answer((), refused, deferred)
        code, words = _content(client, content)
    if code == 250:
        return Answer(accepted, refused, deferred)
    said = dict.fromkeys(accepted, _said(code, words, settings))
    if code == CLOSING:
        raise MailTrouble(f"{_named(settings)} closed the connection: {_said(code, words, settings)}")
    return Answer((), refused | said, deferred) if code >= 500 else Answer((), refused, deferred | said)


def _recipients(
    client: smtplib.SMTP, settings: MailSettings, addresses: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, str], dict[str, str]]:
    accepted: list[str] = []
    refused: dict[str, str] = {}
    deferred: dict[str, str] = {}
    for address in addresses:
        code, words = client.rcpt(address)
        if code == CLOSING:
            raise MailTrouble(f"{_named(settings)} closed the connection: {_said(code, words, settings)}")
        if code in {250, 251}:
            accepted.append(address)
        else:
            (refused if code >= 500 else deferred)[address] = _said(code, words, settings)
    return tuple(accepted), refused, deferred


def _content(client: smtplib.SMTP, content: bytes) -> tuple[int, bytes]:
    try:
        return client.data(content)
    except smtplib.SMTPDataError as error:  # not even DATA was taken
        words = error.smtp_error
        return error.smtp_code, words if isinstance(words, bytes) else words.encode()


class _Limited(smtplib.SMTP):
    """A connection that is cut at a deadline, whatever it is waiting for."""

    def __init__(self, host: str, port: int, timeout: float, limit_s: float, **changes: Any) -> None:  # noqa: ANN401
        self._cutter = threading.Timer(limit_s, self._cut)
        self._cutter.daemon = True
        self._cutter.start()
        try:
            super().__init__(host, port, local_hostname=_our_name(), timeout=timeout, **changes)
        except BaseException:
            self._cutter.cancel()
            self.close()
            raise

    def leave(self) -> None:
        """Say good-bye without waiting long for an answer."""
        self._cutter.cancel()
        with contextlib.suppress(smtplib.SMTPException, OSError, ValueError):
            if self.sock is not None:
                self.sock.settimeout(FAREWELL_S)
                self.quit()
        self.close()

    def _cut(self) -> None:
        connection = self.sock
        if connection is not None:
            with contextlib.suppress(OSError):
                # The plain socket's: that of a TLS one would change its state under the thread that reads from it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _LimitedTls(_Limited, smtplib.SMTP_SSL):
    """As above, TLS from the start."""


def _open(settings: MailSettings, deadline: Deadline) -> _Limited:
    left = deadline.remaining
    if not left:
        raise MailTrouble("the time for this mailing is over")
    timeout = min(settings.timeout_s, left)
    if settings.security == "ssl":
        return _LimitedTls(settings.host, settings.server_port, timeout, left, context=_tls(settings))
    return _Limited(settings.host, settings.server_port, timeout, left)


def _protect(client: smtplib.SMTP, settings: MailSettings) -> None:
    client.ehlo_or_helo_if_needed()
    if settings.security == "starttls":
        code, words = client.starttls(context=_tls(settings))
        if code != 220:
            raise MailTrouble(
                f"{_named(settings)} does not begin TLS: {_said(code, words, settings)}", lasting=code >= 500
            )
        client.ehlo()
    if settings.username:
        _login(client, settings.username, settings.password.get_secret_value())


def _login(client: smtplib.SMTP, username: str, password: str) -> None:
    if f"{username}{password}".isascii():
        client.login(username, password)
        return
    # The library's login encodes in ASCII; RFC 4616 says UTF-8.
    code, words = client.docmd("AUTH", f"PLAIN {_base64(_plain(username, password))}")
    if code != AUTHENTICATED:
        raise smtplib.SMTPAuthenticationError(code, words)


def _plain(username: str, password: str) -> str:
    """Return what goes to the server with AUTH PLAIN (RFC 4616)."""
    return f"\0{username}\0{password}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _tls(settings: MailSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        msg = f"the certificates in {settings.ca_file} cannot be read: {error.strerror or error}"
        raise MailTrouble(msg, lasting=True) from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _our_name() -> str:
    """Return how we greet the server; the full name is not looked up: that could wait for a name server."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


@contextlib.contextmanager
def _explained(settings: MailSettings) -> Iterator[None]:
    """Turn what the library raises into trouble with a reason that holds no secret."""
    server = _named(settings)
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        said = _said(error.smtp_code, error.smtp_error, settings)
        msg = f"{server} does not let {settings.username} log in: {said}"
        raise MailTrouble(msg, lasting=error.smtp_code >= 500) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailTrouble(
            f"{server} cannot do what the settings ask: {_clean(str(error), settings)}", lasting=True
        ) from None
    except smtplib.SMTPResponseException as error:
        said = _said(error.smtp_code, error.smtp_error, settings)
        raise MailTrouble(f"{server} answered {said}", lasting=error.smtp_code >= 500) from None
    except ssl.SSLCertVerificationError as error:
        msg = f"the certificate of {server} does not hold: {_clean(error.verify_message, settings)}"
        raise MailTrouble(msg, lasting=True) from None
    except TimeoutError:
        raise MailTrouble(f"{server} did not answer in time") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise MailTrouble(f"{server}: {_clean(str(error) or type(error).__name__, settings)}") from None


def _named(settings: MailSettings) -> str:
    return f"the mail server {settings.host}:{settings.server_port}"


def _said(code: int, words: bytes | str, settings: MailSettings) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {_clean(text, settings)}"


def _clean(text: str, settings: MailSettings) -> str:
    """Return a text for people without the password, in any of the forms in which it goes to the server."""
    secret = settings.password.get_secret_value()
    if secret:
        for form in (secret, _base64(secret), _base64(_plain(settings.username, secret))):
            text = text.replace(form, "********")
    clean = one_line(text)
    return clean if len(clean) <= LONGEST_ANSWER else f"{clean[:LONGEST_ANSWER]}…"
