"""Selections in flag commands, checked against the data: names that do not exist, times that are none."""

from __future__ import annotations

import difflib
import fnmatch
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.inspection import MsSummary

_DATE_TIME = r"(?:(\d{4})/(\d{1,2})/(\d{1,2})/)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?"
_DURATION = r"(?:\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?|\d+(?:\.\d*)?)"
_RANGE = re.compile(rf"({_DATE_TIME})~({_DATE_TIME})")
_OPEN = re.compile(rf"[<>]({_DATE_TIME})")
_SINCE = re.compile(rf"({_DATE_TIME})\+{_DURATION}")
_INTEGERS = re.compile(r"\d+(?:~\d+)?|[<>]=?\d+")


def check_selection(keys: Mapping[str, str], summary: MsSummary) -> str:
    """Return what is wrong with the selection of one flag command; empty if nothing is."""
    checks: dict[str, Callable[[str, MsSummary], str]] = {
        "field": _check_fields,
        "antenna": _check_antennas,
        "spw": _check_spws,
        "timerange": _check_times,
        "scan": _check_integers,
        "correlation": _check_correlations,
    }
    for key, check in checks.items():
        if keys.get(key):
            problem = check(keys[key], summary)
            if problem:
                return f"{key}={keys[key]!r}: {problem}"
    return ""


def _check_fields(value: str, summary: MsSummary) -> str:
    names = [entry.name for entry in summary.fields]
    return _check_names(value.split(","), names, [entry.id for entry in summary.fields], "field")


def _check_antennas(value: str, summary: MsSummary) -> str:
    # Antennas join with , ; & && &&& and are left out with !; a station may follow an @.
    tokens = [token.split("@")[0] for token in re.split(r"[,;&!]+", value)]
    names = [entry.name for entry in summary.antennas] + [entry.station for entry in summary.antennas]
    return _check_names(filter(None, tokens), names, [entry.id for entry in summary.antennas], "antenna")


def _check_names(tokens: Iterable[str], names: list[str], ids: list[int], what: str) -> str:
    for token in (entry.strip() for entry in tokens):
        if token in names or fnmatch.filter(names, token):
            continue
        if _INTEGERS.fullmatch(token):
            if all(int(number) in ids for number in re.findall(r"\d+", token)):
                continue
            return f"there is no {what} {token}; IDs run from {min(ids)} to {max(ids)}."
        near = difflib.get_close_matches(token, names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"there is no {what} {token!r}.{hint} There are {', '.join(dict.fromkeys(filter(None, names)))}."
    return ""


def _check_spws(value: str, summary: MsSummary) -> str:
    channels = {spw.id: spw.channels for spw in summary.spws}
    for part in value.split(","):
        window, _, selected = part.strip().partition(":")
        if window in {"*", ""} or "Hz" in part:
            continue
        if not _INTEGERS.fullmatch(window):
            return f"{window!r} is no spectral window; write its number, a range 0~3 or *."
        wanted = [int(number) for number in re.findall(r"\d+", window)]
        if window[0].isdigit() and not set(wanted) <= set(channels):
            return f"there is no spectral window {window}; there are {', '.join(map(str, channels))}."
        problem = _check_channels(selected, min(channels.get(number, 1 << 30) for number in wanted))
        if problem:
            return problem
    return ""


def _check_channels(selected: str, channels: int) -> str:
    for part in filter(None, selected.split(";")):
        if not re.fullmatch(r"\d+(~\d+)?(\^\d+)?|[<>]=?\d+", part):
            return f"{part!r} is no range of channels; write for example 0:0~6;60~63."
        numbers = [int(number) for number in re.findall(r"\d+", part.split("^")[0])]
        if max(numbers) >= channels:
            return f"channel {max(numbers)} does not exist; channels run from 0 to {channels - 1}."
        if numbers != sorted(numbers):
            return f"{part!r} runs backwards."
    return ""


def _check_integers(value: str, summary: MsSummary) -> str:
    numbers = {scan.number for scan in summary.scans}
    for part in (entry.strip() for entry in value.split(",")):
        if not _INTEGERS.fullmatch(part):
            return f"{part!r} is no scan; write a number or a range 3~7."
        if part.isdigit() and int(part) not in numbers:
            return f"there is no scan {part}; scans run from {min(numbers)} to {max(numbers)}."
    return ""


def _check_correlations(value: str, summary: MsSummary) -> str:
    known = {name for spw in summary.spws for name in spw.correlations} | {"R", "L", "X", "Y", "I"}
    for part in (entry.strip() for entry in value.split(",")):
        name = re.sub(r"^(ABS|REAL|IMAG|ARG)_", "", part).replace("ALL", "") or "I"
        if name not in known:
            return f"there is no correlation {part!r}; there are {', '.join(sorted(known - set('RLXYI')))}."
    return ""


def _check_times(value: str, summary: MsSummary) -> str:
    del summary  # a time outside the observation flags nothing and harms nothing
    for part in (entry.strip() for entry in value.split(",")):
        problem = _check_time_part(part)
        if problem:
            return problem
    return ""


def _check_time_part(part: str) -> str:
    match = _RANGE.fullmatch(part) or _OPEN.fullmatch(part) or _SINCE.fullmatch(part) or re.fullmatch(_DATE_TIME, part)
    if match is None:
        return f"{part!r} is no time range; write YYYY/MM/DD/hh:mm:ss~YYYY/MM/DD/hh:mm:ss."
    moments: list[datetime] = []
    for found in re.finditer(_DATE_TIME, part.split("+")[0]):
        moment = _moment(found.groups(), moments[0] if moments else None)
        if moment is None:
            return f"{found[0]!r} is no date and time; months run to 12, hours to 23, minutes and seconds to 59."
        moments.append(moment)
    if _RANGE.fullmatch(part) and moments[1] < moments[0]:
        return f"{part!r} ends before it begins."
    return ""


def _moment(parts: tuple[str | None, ...], first: datetime | None) -> datetime | None:
    """Return a date and time; without a date the day of `first`, as CASA takes it. None if there is no such moment."""
    year, month, day, hour, minute, second = parts
    try:
        if year and month and day:
            base = datetime(int(year), int(month), int(day), tzinfo=UTC)
        else:
            base = (first or datetime(2000, 1, 1, tzinfo=UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
        whole = base.replace(hour=int(hour or 0), minute=int(minute or 0))
    except ValueError:
        return None
    seconds = float(second or 0.0)
    return whole + timedelta(seconds=seconds) if seconds < 60.0 else None
