"""Stand-ins that go in by the seams of the code under test."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tasks.casa import TIMEOUT_S
from tasks.casa_call import plain


class FakeCasa:
    """Replays recorded returns by task name, and keeps the calls.

    Parameters
    ----------
    returns
        By task name: a value, given back on every call; a list, one item a call; an exception, raised; or a function of
        the call's parameters (which can write the table that the caller expects; a list to be given back as it is comes
        from one of those).
    """

    def __init__(self, returns: Mapping[str, Any] | None = None) -> None:
        self.returns = dict(returns or {})
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, task: str, /, *, timeout_s: float = TIMEOUT_S, **parameters: Any) -> Any:
        asked = {name: plain(value) for name, value in parameters.items()}
        self.calls.append((task, asked))
        if task not in self.returns:
            raise AssertionError(f"no recorded return for {task}({asked})")
        return self._replay(self.returns[task], asked, task)

    def _replay(self, value: Any, asked: dict[str, Any], task: str) -> Any:
        if isinstance(value, list):
            if not value:
                raise AssertionError(f"more calls of {task} than recorded returns")
            return self._replay(value.pop(0), asked, task)
        if isinstance(value, BaseException):
            raise value
        if isinstance(value, Callable):
            return value(**asked)
        return copy.deepcopy(value)

    def asked(self, task: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of `task`, in order."""
        return [parameters for name, parameters in self.calls if name == task]
