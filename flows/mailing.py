"""Mails what a run or a night came to. Nothing here ever ends a calibration: what goes wrong is said in the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flows.mail_settings import mail_settings
from flows.tables import read_outcome
from qa.mail.compose import compose
from qa.mail.delivery import flush, post
from qa.mail.digest import compose_digest
from qa.mail.spool import Spool
from qa.mail.thread import begin_thread
from schemas.errors import ConfigurationError
from schemas.mail import MailResult, MailSettings
from schemas.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from qa.mail.compose import Composed
    from schemas.outcome import Outcome
    from schemas.service import NoOutcome, Refusal

SPOOL = ".mail-spool"
"""Folder of the mails that wait, beside the workspaces."""

NO_SERVER = (
    "No mail: no server is set. Set GATECAL_MAIL_HOST and GATECAL_MAIL_SENDER, "
    "or name a file with them in GATECAL_MAIL_SETTINGS."
)


def mail_outcome(root: Path, *, again: bool = False, settings: MailSettings | None = None) -> MailResult:
    """Mail what a workspace's last run came to: to its recipients, and to the operators if it did not end well.

    Parameters
    ----------
    root
        The observation's workspace, with its outcome.
    again
        Send it even if it has been sent: for a person who asks for it. Otherwise the same run is mailed once only.
    settings
        How to send; by default as the environment says.

    Returns
    -------
    What became of the mail. Trouble with server, settings or workspace is in it; nothing is raised.
    """
    root = root.absolute()

    def send(how: MailSettings) -> MailResult:
        outcome = read_outcome(root)
        mail = compose(outcome, root, how, again=_now() if again else "")
        if mail is None:
            note = "No mail: the observation names no recipients, and the operators need not hear of this run."
            return _with_earlier(MailResult(status="nobody", note=note), how, root.parent)
        # Before it is sent: a rerun that ends while this mail still waits answers it all the same.
        begin_thread(root, str(mail.message["Message-ID"]), str(mail.message["Subject"]))
        return _posted(mail, how, root.parent)

    return _mailed(send, settings)


def preview_outcome(root: Path, file: Path) -> MailResult:
    """Write the mail about a workspace's last run to a file (.eml) instead of sending it.

    Parameters
    ----------
    root
        The observation's workspace.
    file
        Where to write it.

    Raises
    ------
    ConfigurationError
        There is no outcome, the settings are wrong, or the file cannot be written.
    """
    root = root.absolute()
    mail = compose(read_outcome(root), root, mail_settings(), for_nobody=True)
    assert mail is not None  # noqa: S101 - it is made even for nobody
    return _previewed(mail, file)


def mail_digest(
    entries: Sequence[Outcome | NoOutcome],
    night: str,
    workspaces: Path,
    recipients: Iterable[str] = (),
    *,
    left: Sequence[Refusal] = (),
    again: bool = False,
    settings: MailSettings | None = None,
) -> MailResult:
    """Mail what a night came to, one line per observation, to the operators and `recipients`.

    Parameters
    ----------
    entries
        What each observation came to.
    night
        The night in words, e.g. ``22 November 2026``.
    workspaces
        Folder of the workspaces: the spool is beside them.
    recipients
        Who gets it besides the operators.
    left
        What lay in the inbox and was left there.
    again
        Send it even if the very same digest has been sent.
    settings
        How to send; by default as the environment says.

    Returns
    -------
    What became of the mail; nothing is raised.
    """

    def send(how: MailSettings) -> MailResult:
        mail = compose_digest(entries, night, how, recipients, left=left, again=_now() if again else "")
        if mail is None:
            note = "No digest: there are no operators (GATECAL_MAIL_OPERATORS) and no recipients."
            return _with_earlier(MailResult(status="nobody", note=note), how, workspaces)
        return _posted(mail, how, workspaces)

    return _mailed(send, settings)


def flush_spool(workspaces: Path, *, settings: MailSettings | None = None) -> MailResult:
    """Send the mails that wait; nothing is raised.

    Parameters
    ----------
    workspaces
        Folder of the workspaces.
    settings
        How to send; by default as the environment says.
    """
    nothing = MailResult(status="sent", note="No mail waits.")
    return _mailed(lambda how: _with_earlier(nothing, how, workspaces), settings)


def spool_of(settings: MailSettings, workspaces: Path) -> Spool:
    """Return where mails wait."""
    return Spool(settings.spool or workspaces.absolute() / SPOOL)


def _mailed(send: Callable[[MailSettings], MailResult], settings: MailSettings | None) -> MailResult:
    """Send if there is a server to send by; turn whatever goes wrong into a result."""
    try:
        how = mail_settings() if settings is None else settings
        return send(how) if how.is_on else MailResult(status="off", note=NO_SERVER)
    except ConfigurationError as error:
        return MailResult(status="not set up", note=f"No mail: {error}")
    except Exception as error:
        # A run that has calibrated data is not lost to its mail. The kind of error and its text, no traceback:
        # that could show the settings.
        return MailResult(status="failed", note=f"No mail: {type(error).__name__}: {error}")


def _posted(mail: Composed, settings: MailSettings, workspaces: Path) -> MailResult:
    result = post(mail.message, mail.addresses, settings, spool_of(settings, workspaces))
    return result.evolve(refused={**mail.unreadable, **result.refused}) if mail.unreadable else result


def _with_earlier(result: MailResult, settings: MailSettings, workspaces: Path) -> MailResult:
    """Send what waits from before, though there is no new mail."""
    spool = spool_of(settings, workspaces)
    flushed = flush(spool, settings)
    if not flushed.waiting:
        return result
    note = (
        f"{flushed.waiting} mail{'s wait' if flushed.waiting > 1 else ' waits'} in {spool.folder}: {flushed.trouble}."
    )
    return result.evolve(status="waiting", note=note, waiting=flushed.waiting)


def _previewed(mail: Composed, file: Path) -> MailResult:
    try:
        write_whole(file, mail.message.as_bytes())
    except OSError as error:
        msg = f"the mail cannot be written to {file}: {error.strerror}."
        raise ConfigurationError(msg) from error
    whom = ", ".join(mail.addresses) or "nobody: the observation names no recipients"
    return MailResult(
        status="previewed",
        note=f"The mail is in {file}; nothing was sent. It would go to {whom}.",
        message_id=str(mail.message["Message-ID"]),
        refused=mail.unreadable,
    )


def _now() -> str:
    return str(time.time_ns())
