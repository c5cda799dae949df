"""Every error gatecal raises on purpose.

::

    CalibrationError                exit 1
    ├── ConfigurationError          exit 2  the request is wrong: never retry, correct it
    │   └── WorkspaceBusy           exit 2  another run holds the workspace: wait for it
    ├── DataUnusable                exit 2  the data cannot be calibrated as asked: a verdict on the data
    ├── GateFailed                  exit 3  a gate stopped the run: look at its report
    ├── SolveError                  exit 1  a solve gave no table
    ├── DiskFull                    exit 1  the workspace's file system is full: make space, run again
    ├── Interrupted                 exit 1  a person or the system ended the run: run again to go on
    └── CasaError                   exit 1  CASA raised an exception
        ├── CasaCrashed             exit 1  CASA's process died; worth one retry
        └── CasaTimeout             exit 1  CASA's process ran over its limit; worth one retry

Messages are whole sentences that name the field, antenna, spw or file, and what to do. All survive pickling, because
Prefect and the CASA children send them between processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class CalibrationError(Exception):
    """Anything gatecal reports to a person; retrying is up to the subclass."""

    exit_code = 1


class ConfigurationError(CalibrationError):
    """Raise when the request itself is wrong, before any work. A retry cannot help."""

    exit_code = 2


class WorkspaceBusy(ConfigurationError):
    """Raise when another live run holds the workspace. A retry helps once that run has ended."""


class DataUnusable(CalibrationError):
    """Raise when the data cannot be calibrated as asked (one correlation, no calibrator left). A retry cannot help."""

    exit_code = 2


class GateFailed(CalibrationError):
    """Raise in a gate's stage when its report says stop; nothing downstream runs."""

    exit_code = 3


class SolveError(CalibrationError):
    """Raise when a solve returns but its table is missing or unreadable. A retry cannot help."""


class DiskFull(CalibrationError):
    """Raise when a write failed for want of space. A retry helps once there is some; finished steps are kept."""


class Interrupted(CalibrationError):
    """Raise, or note, when the run was cancelled or its process told to end. Running again goes on from the ledger."""


class CasaError(CalibrationError):
    """Raise when a CASA call fails; carries what was asked and the end of CASA's log.

    Attributes
    ----------
    task : str
        Name of the CASA task or function, e.g. ``gaincal``.
    parameters : Mapping[str, object]
        The parameters it was called with.
    log_tail : str
        The last lines of that call's log.
    """

    def __init__(self, reason: str, task: str, parameters: Mapping[str, Any], log_tail: str) -> None:
        # All four go to Exception.args, so that pickling rebuilds the error through this constructor.
        super().__init__(reason, task, dict(parameters), log_tail)
        self.reason = reason
        self.task = task
        self.parameters = dict(parameters)
        self.log_tail = log_tail

    def __str__(self) -> str:
        asked = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        tail = f"\nThe end of its log:\n{self.log_tail}" if self.log_tail else "\nIts log is empty."
        return f"{self.task}: {self.reason}\nIt was called with {asked or 'no parameters'}.{tail}"


class CasaCrashed(CasaError):
    """Raise when a CASA child died without an answer (a crash in C++, the kernel's out-of-memory kill). Retry once."""


class CasaTimeout(CasaError):
    """Raise when a CASA child ran over its time limit and was ended. Retry once."""
