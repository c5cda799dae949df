"""The user's flag command file, checked line by line before any work: a typing error must not cost a night."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError
from tasks.flag_selection import check_selection

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.inspection import MsSummary

SELECTION_KEYS = (
    "field spw antenna timerange correlation scan intent array uvrange observation feed autocorr".split()  # noqa: SIM905
)
MODE_KEYS: dict[str, frozenset[str]] = {
    # flagdata's sub-parameters by mode, casatasks 6.7 (casadocs, global-task-list, flagdata).
    "manual": frozenset(),
    "clip": frozenset(
        {"datacolumn", "clipminmax", "clipoutside", "channelavg", "chanbin", "timeavg", "timebin", "clipzeros"}
    ),
    "quack": frozenset({"quackinterval", "quackmode", "quackincrement"}),
    "shadow": frozenset({"tolerance", "addantenna"}),
    "elevation": frozenset({"lowerlimit", "upperlimit"}),
    "tfcrop": frozenset(
        {"ntime", "combinescans", "datacolumn", "timecutoff", "freqcutoff", "timefit", "freqfit", "maxnpieces"}
        | {"flagdimension", "usewindowstats", "halfwin", "extendflags", "channelavg", "chanbin", "timeavg", "timebin"}
    ),
    "rflag": frozenset(
        {"ntime", "combinescans", "datacolumn", "winsize", "timedev", "freqdev", "timedevscale", "freqdevscale"}
        | {"spectralmax", "spectralmin", "extendflags", "channelavg", "chanbin", "timeavg", "timebin"}
    ),
    "extend": frozenset(
        {"ntime", "combinescans", "extendpols", "growtime", "growfreq", "growaround", "flagneartime", "flagnearfreq"}
    ),
    "unflag": frozenset(),
}
"""The modes that a flag file may use, with what each may be told besides the selection."""

_TOKEN = re.compile(r"""(?P<key>\w+)=(?P<value>'[^']*'|"[^"]*"|[^\s'"]+)(?=\s|$)""")


def check_flag_file(path: Path, summary: MsSummary) -> tuple[str, ...]:
    """Check a file of flag commands as ``flagdata(mode='list')`` takes it.

    Parameters
    ----------
    path
        The file: one command a line, ``key='value'`` separated by spaces; empty lines and lines from ``#`` are passed
        over.
    summary
        The data, against which names are checked.

    Returns
    -------
    The commands, without comments.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or a line is wrong: every wrong line is named with its number and what is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        msg = f"flag.bad_times: the flag file {path} cannot be read: {reason}."
        raise ConfigurationError(msg) from error
    commands, wrong = [], []
    for number, line in enumerate(lines, start=1):
        command = line.strip()
        if not command or command.startswith("#"):
            continue
        problem = check_command(command, summary)
        if problem:
            wrong.append(f"{path}, line {number}: {problem}\n    {command}")
        commands.append(command)
    if wrong:
        msg = "flag.bad_times: the flag file has a bad line.\n" + "\n".join(wrong)
        raise ConfigurationError(msg)
    return tuple(commands)


def check_command(command: str, summary: MsSummary) -> str:
    """Return what is wrong with one flag command; empty if nothing is."""
    keys, problem = parse_command(command)
    if problem:
        return problem
    mode = keys.get("mode", "manual")
    if mode not in MODE_KEYS:
        return f"there is no mode {mode!r}; known are {', '.join(MODE_KEYS)}."
    allowed = {"mode", "reason", *SELECTION_KEYS, *MODE_KEYS[mode]}
    for key in keys:
        if key not in allowed:
            return f"mode {mode!r} takes no {key!r}; it takes {', '.join(sorted(allowed - {'mode'}))}."
    if set(keys) <= {"mode", "reason"} and mode in {"manual", "unflag"}:
        return f"it selects everything: mode {mode!r} needs at least one of {', '.join(SELECTION_KEYS)}."
    return check_selection(keys, summary)


def parse_command(command: str) -> tuple[dict[str, str], str]:
    """Split ``key='value' key=value`` into a dictionary, and what is wrong (empty if nothing)."""
    keys: dict[str, str] = {}
    position = 0
    while position < len(command):
        found = _TOKEN.match(command, position)
        if found is None:
            rest = command[position:]
            return keys, f"{_why_not(rest)} at {rest[:40]!r}; write key='value' pairs separated by spaces."
        if found["key"] in keys:
            return keys, f"{found['key']!r} stands twice."
        keys[found["key"]] = found["value"].strip("'\"")
        position = found.end() + len(command[found.end() :]) - len(command[found.end() :].lstrip())
    return keys, ""


def _why_not(rest: str) -> str:
    if re.match(r"\w+\s+=|\w+=\s", rest):
        return "there is a space beside the '='"
    first = rest.split(None, 1)[0] if rest.split() else rest
    if "=" not in first:
        return "there is no '='"
    if rest.count("'") % 2 or rest.count('"') % 2:
        return "a quote is not closed"
    return "it cannot be understood"
