"""Mail servers on loopback: a real one, and ones that misbehave."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.ports import free_port

USER, PASSWORD = "gatecal", "s3cret, with % and ü"
HANGS_S = 60.0
"""How long a server that does not answer holds a connection: much longer than any mail here may take."""


@dataclass
class Mailbox:
    """What a server was given, and what it answers on the way."""

    mails: list = field(default_factory=list)
    recipients: list = field(default_factory=list)
    answers: dict = field(default_factory=dict)  # address -> answers to RCPT, used up one by one; the last one stays
    to_data: list = field(default_factory=list)  # answers to the message, used up one by one; then 250
    senders: dict = field(default_factory=dict)

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.senders:
            return self.senders[address]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answers = self.answers.get(address, ["250 OK"])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self.to_data.pop(0) if self.to_data else "250 OK"
        if answer == "taken, but the answer is lost":
            self.mails.append(envelope.content)
            self.recipients.append(tuple(envelope.rcpt_tos))
        if not answer.startswith(("2", "4", "5")):
            server.transport.abort()
            return "421 gone"
        if answer.startswith("250"):
            self.mails.append(envelope.content)
            self.recipients.append(tuple(envelope.rcpt_tos))
        return answer


def authenticator(server, session, envelope, mechanism, data):
    good = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def mail_server(mailbox, *, security="plain", login=False, certificate=None, port=0, **options):
    """Run a real server in a thread; give the port it listens on."""
    context = None
    if security != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port or free_port(),
        ssl_context=context if security == "ssl" else None,
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        authenticator=authenticator if login else None,
        auth_required=login,
        auth_require_tls=False,
        **options,
    )
    # The controller looks whether it answers; over TLS it does not trust our certificate, and need not.
    if context is not None:
        controller._trigger_server = controller._factory_invoked.set
        controller.smtpd = "not looked at"
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop(no_assert=True)


@contextlib.contextmanager
def talking(talk, port=0):
    """Run a server that does with each connection what `talk` says; give its port and the number of connections."""
    listener = socket.create_server(("127.0.0.1", port))
    ended = threading.Event()
    connections = []

    def serve():
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            with contextlib.suppress(OSError):
                talk(connection, ended)
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], connections
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def says_nothing(connection, ended):
    """Accept and never answer."""
    ended.wait(HANGS_S)


def drips(connection, ended):
    """Send a greeting without end, a byte at a time: no single wait is long."""
    while not ended.is_set():
        connection.sendall(b"2")
        ended.wait(0.05)


def drops_in_mid_message(connection, ended):
    """Take the envelope and a part of the message, then close."""
    converse_until_data(connection).read(200)


def hangs_in_mid_message(connection, ended):
    """Take the whole message, and never say so."""
    converse_until_data(connection)
    ended.wait(HANGS_S)


def converse_until_data(connection):
    """Agree to everything up to the message; return the stream on which it comes."""
    stream = connection.makefile("rwb")

    def say(line):
        stream.write(line + b"\r\n")
        stream.flush()

    say(b"220 here")
    for line in stream:
        if line.upper().startswith(b"DATA"):
            say(b"354 go on")
            break
        say(b"250 OK")
    return stream
