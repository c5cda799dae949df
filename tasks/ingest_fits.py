"""FITS files of visibilities, told apart and measured by their headers alone (FITS standard 4.0, sections 3 and 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from schemas.errors import ConfigurationError, DataUnusable

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 2880
"""FITS files consist of blocks of this size [bytes]."""
CARD = 80
"""Length of a header card [bytes]."""
MAX_HEADER_BLOCKS = 4000
"""A header longer than this is none: 11.5 MB, where long HISTORY headers take under one."""

_VALUE = re.compile(r"^\s*('(?:[^']|'')*'|[^/]*)")


@dataclass(frozen=True)
class Hdu:
    """One header-data unit."""

    cards: dict[str, str]
    """Keyword to value, as text without quotes."""
    data_start: int
    """Where its data begin [bytes]."""
    data_bytes: int
    """How long they are, without the padding [bytes]."""

    @property
    def name(self) -> str:
        """Its EXTNAME; empty for the primary one."""
        return self.cards.get("EXTNAME", "")


def fits_kind(path: Path) -> Literal["uvfits", "fits-idi"]:
    """Tell UVFITS from FITS-IDI, and check that the file is whole.

    Raises
    ------
    ConfigurationError
        It is a FITS file of something else.
    DataUnusable
        It is cut short: says by how much.
    """
    hdus = read_hdus(path)
    names = {hdu.name for hdu in hdus}
    # FITS-IDI sets GROUPS = T as well, but has no primary data (AIPS Memo 114, section 2.1).
    if hdus[0].cards.get("GROUPS") == "T" and hdus[0].cards.get("NAXIS") != "0":
        if "AIPS AN" not in names:
            msg = f"{path} is a UVFITS file without an antenna table (AIPS AN); it is incomplete, write it again."
            raise DataUnusable(msg)
        return "uvfits"
    if "UV_DATA" in names and "ARRAY_GEOMETRY" in names:
        return "fits-idi"
    missing = {"UV_DATA", "ARRAY_GEOMETRY"} & names
    if missing:
        absent = ({"UV_DATA", "ARRAY_GEOMETRY"} - names).pop()
        msg = f"{path} looks like FITS-IDI but has no {absent} table; it is incomplete, fetch it again."
        raise DataUnusable(msg)
    listed = ", ".join(sorted(names - {""})) or "no tables"
    msg = (
        f"{path} is a FITS file, but neither UVFITS (random groups) nor FITS-IDI (tables ARRAY_GEOMETRY and UV_DATA); "
        f"it has {listed}."
    )
    raise ConfigurationError(msg)


def read_hdus(path: Path) -> list[Hdu]:
    """Read the headers of a FITS file; data are skipped over.

    Raises
    ------
    DataUnusable
        The file ends before its headers say.
    """
    size = path.stat().st_size
    hdus: list[Hdu] = []
    with path.open("rb") as stream:
        position = 0
        while position < size:
            cards = _read_header(stream, path, position)
            if cards is None:
                break
            start, length = stream.tell(), _data_bytes(cards, path)
            hdus.append(Hdu(cards, start, length))
            if start + length > size:
                what = hdus[-1].name or "visibility data"
                msg = (
                    f"{path} is truncated: its {what} should end at byte {start + length}, the file has {size}: "
                    f"{start + length - size} bytes are missing. Fetch it again."
                )
                raise DataUnusable(msg)
            position = start + -(-length // BLOCK) * BLOCK
            stream.seek(position)
    return hdus


def _read_header(stream: BinaryIO, path: Path, position: int) -> dict[str, str] | None:
    cards: dict[str, str] = {}
    for _ in range(MAX_HEADER_BLOCKS):
        block = stream.read(BLOCK)
        if position and not cards and not block.startswith(b"XTENSION"):
            return None  # special records after the last extension; the standard lets them be
        if len(block) < BLOCK and b"END" + b" " * 77 not in block:
            msg = (
                f"{path} is truncated: it ends within the header that begins at byte {position}; at least "
                f"{BLOCK - len(block)} bytes are missing. Fetch it again."
            )
            raise DataUnusable(msg)
        for start in range(0, len(block), CARD):
            card = block[start : start + CARD].decode("latin-1")
            if card[:8].rstrip() == "END":
                return cards
            if card[8:10] == "= " and (value := _VALUE.match(card[10:])):
                cards.setdefault(card[:8].rstrip(), value[1].strip().strip("'").strip())
    msg = f"{path} has a FITS header without an end at byte {position}; the file is damaged."
    raise DataUnusable(msg)


def _data_bytes(cards: dict[str, str], path: Path) -> int:
    try:
        axes = [int(cards[f"NAXIS{axis}"]) for axis in range(1, int(cards.get("NAXIS", "0")) + 1)]
        groups, parameters = int(cards.get("GCOUNT", "1")), int(cards.get("PCOUNT", "0"))
        width = abs(int(cards["BITPIX"])) // 8
    except (KeyError, ValueError) as error:
        msg = f"{path} has a damaged FITS header ({error}); fetch it again."
        raise DataUnusable(msg) from error
    if axes and axes[0] == 0 and cards.get("GROUPS") == "T":
        axes = axes[1:]  # random groups: NAXIS1 = 0 marks them
    elements = 1
    for length in axes:
        elements *= length
    return width * groups * (parameters + (elements if axes else 0))
