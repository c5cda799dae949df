"""Numbers as the report shows them: each carries where it stands in the run's files, so that a test can look it up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

from qa.words import UNITS
from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_MEASURED = "–"
"""Shown where there is no number."""

NARROW_SPACE = "\u202f"
"""Between the groups of three digits of a large whole number."""

MINUS = "−"

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Source = Literal["outcome.json", "ledger.json", "profile"]
"""The file a number comes from; ``profile`` for the profile's own value of a parameter."""


class Form(NamedTuple):
    """How a quantity is written.

    Attributes
    ----------
    unit
        Its unit; empty for a ratio.
    scale
        What the stored number is multiplied by to be in `unit`.
    digits
        Significant digits.
    decimals
        Decimals, where they are fixed; goes before `digits`.
    """

    unit: str = ""
    scale: float = 1.0
    digits: int = 4
    decimals: int | None = None


PLAIN = Form()
PERCENT = Form("%", 100.0, decimals=1)
DEGREES = Form("°", digits=3)
NANOSECONDS = Form("ns", decimals=2)
SECONDS = Form("s", decimals=1)
GIGAHERTZ = Form("GHz", 1e-9, decimals=4)
MEGAHERTZ = Form("MHz", 1e-6)
JANSKY = Form("Jy")


def brightness(value: float | None) -> Form:
    """Return Jy, mJy or µJy per beam, whichever gives a number between 1 and 1000."""
    size = abs(value or 1.0)
    if size >= 1.0:
        return Form("Jy/beam")
    return Form("mJy/beam", 1e3) if size >= 1e-3 else Form("µJy/beam", 1e6)


def angle(arcsec: float) -> Form:
    """Return arcsec, or mas for angles under one arcsec."""
    return Form("arcsec", digits=3) if arcsec >= 1.0 else Form("mas", 1e3, digits=3)


class Number(Record):
    """One number on the page."""

    value: int | float
    """As stored, in full."""
    keys: tuple[str, ...]
    """JSON pointers (RFC 6901, percent-encoded) of what it is, or is made from."""
    shown: str
    """Rounded, in its unit."""
    unit: str = ""
    """What is written behind it, with the space before it."""
    scale: float = 1.0
    """`shown` is `value` times this, rounded."""
    source: Source = "outcome.json"
    """The file that `keys` point into."""
    derived: Literal["", "sum", "difference"] = ""
    """How it is made from several: their sum, or the first less the second."""


Part = str | Number
"""A piece of a line: words or a number."""
Parts = tuple[Part, ...]
"""A line of words and numbers."""


class Numbers:
    """The numbers of one file.

    Parameters
    ----------
    tree
        The file's content.
    source
        Which file.
    """

    def __init__(self, tree: Any, source: Source = "outcome.json") -> None:  # noqa: ANN401 - JSON
        self._tree = tree
        self._source = source

    def at(self, *place: str | int, form: Form = PLAIN) -> Part:
        """Return the number at a place as it is shown, or a dash where there is none."""
        value = self.value(*place)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return NOT_MEASURED
        return Number(
            value=value,
            keys=(pointer(place),),
            shown=written(value, form),
            unit=suffix(form.unit),
            scale=form.scale,
            source=self._source,
        )

    def total(self, places: Sequence[Sequence[str | int]], form: Form = PLAIN) -> Part:
        """Return the sum of the numbers at several places."""
        return self._derived("sum", sum(self.value(*place) for place in places), places, form)

    def difference(self, first: Sequence[str | int], second: Sequence[str | int], form: Form = PLAIN) -> Part:
        """Return the first number less the second."""
        return self._derived("difference", self.value(*first) - self.value(*second), (first, second), form)

    def _derived(
        self, how: Literal["sum", "difference"], value: float, places: Sequence[Sequence[str | int]], form: Form
    ) -> Number:
        return Number(
            value=value,
            keys=tuple(pointer(place) for place in places),
            shown=written(value, form),
            unit=suffix(form.unit),
            scale=form.scale,
            source=self._source,
            derived=how,
        )

    def value(self, *place: str | int) -> Any:  # noqa: ANN401 - JSON
        """Return what stands at a place."""
        node = self._tree
        for part in place:
            node = node[part]
        return node


def pointer(place: Sequence[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a place, percent-encoded as in an address: it holds no space."""
    return "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="+") for part in place)


def suffix(unit: str) -> str:
    """Return a unit as it is written behind a number: percent and degrees without a space, ratios without a unit."""
    name = UNITS.get(unit, unit)
    return name if name in {"", "°", "%"} else f"\u00a0{name}"


def written(value: float, form: Form) -> str:
    """Return a number rounded in its unit: whole numbers in full, others to `form`'s digits."""
    return _rounded(value * form.scale, form).replace("-", MINUS)


def _rounded(scaled: float, form: Form) -> str:
    if form.decimals is not None:
        return _grouped(f"{scaled:.{form.decimals}f}")
    if scaled == round(scaled) and abs(scaled) < 1e9:
        return _grouped(f"{scaled:.0f}")
    exponent = math.floor(math.log10(abs(scaled)))
    if not -4 <= exponent < 6:
        mantissa, _, power = f"{scaled:.{form.digits - 1}e}".partition("e")
        return f"{mantissa}×10{str(int(power)).translate(SUPERSCRIPTS)}"
    return _grouped(f"{scaled:.{max(0, form.digits - 1 - exponent)}f}")


def beside_error(error: float | None, form: Form = PLAIN) -> Form:
    """Return the form of a value and its error: the error's second significant digit is the last of both."""
    scaled = abs(error or 0.0) * form.scale
    if scaled == 0.0:
        return form
    return form._replace(decimals=min(8, max(0, 1 - math.floor(math.log10(scaled)))))


def _grouped(text: str) -> str:
    whole, point, decimals = text.partition(".")
    if len(whole.lstrip("-")) < 5:
        return text
    return f"{int(whole):,}".replace(",", NARROW_SPACE) + point + decimals
