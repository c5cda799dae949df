"""FITS files in miniature: headers that say what a real one's say, and as many bytes of data."""

from __future__ import annotations

BLOCK = 2880


def header(*cards):
    lines = [f"{key:<8}= {value:>20}" for key, value in cards]
    text = "".join(line.ljust(80) for line in [*lines, "END"])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode()


def padded(data):
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def table(name, rows, width=8):
    cards = [
        ("XTENSION", "'BINTABLE'"),
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", width),
        ("NAXIS2", rows),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
        ("EXTNAME", f"'{name}'"),
    ]
    return header(*cards) + padded(bytes(rows * width))


def uvfits(groups=100, *, antennas=True):
    """100 groups of 6 parameters and 3 x 2 numbers of 4 bytes: 4800 bytes of data."""
    primary = header(
        ("SIMPLE", "T"),
        ("BITPIX", -32),
        ("NAXIS", 3),
        ("NAXIS1", 0),
        ("NAXIS2", 3),
        ("NAXIS3", 2),
        ("GROUPS", "T"),
        ("PCOUNT", 6),
        ("GCOUNT", groups),
    )
    data = padded(bytes(groups * (6 + 6) * 4))
    return primary + data + (table("AIPS AN", 28) if antennas else b"")


def fitsidi(*names):
    primary = header(
        ("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T"), ("GROUPS", "T"), ("GCOUNT", 0), ("PCOUNT", 0)
    )
    return primary + b"".join(table(name, 10) for name in names or ("ARRAY_GEOMETRY", "ANTENNA", "UV_DATA"))
