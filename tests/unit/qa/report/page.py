"""Reads a report as a program would: its numbers, its cells, its addresses; and looks each number up in its file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote

from schemas.profiles import PROFILES

VOID = {"meta", "link", "img", "br", "hr", "input", "use", "path", "circle", "rect"}
SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@dataclass
class Shown:
    """One number on the page."""

    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """A parsed report."""

    numbers: list[Shown] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    """Text of each table cell, without its numbers."""
    addresses: list[tuple[str, str, str]] = field(default_factory=list)
    """Tag, attribute and value of everything that could be fetched or followed."""
    identifiers: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    """Attributes that run script."""
    text: str = ""

    def __post_init__(self):
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.handlers += [name for name in attributes if name.startswith("on")]
        self.addresses += [(tag, name, attributes[name]) for name in ("href", "src", "srcset") if name in attributes]
        if "id" in attributes:
            self.identifiers.append(attributes["id"])
        if tag == "data":
            self.numbers.append(Shown(attributes))
        if tag in {"td", "th"}:
            self.cells.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if "style" in self._open or "script" in self._open:
            return
        self.text += data
        if "data" in self._open:
            self.numbers[-1].text += data
        elif "td" in self._open or "th" in self._open:
            self.cells[-1] += data


def parse(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


def at(tree, pointer):
    """Follow a JSON pointer (RFC 6901, percent-encoded)."""
    for part in pointer.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        tree = tree[int(name)] if isinstance(tree, list) else tree[name]
    return tree


def sources(root):
    """The files that numbers are looked up in, by their name on the page."""
    outcome = json.loads((root / "outcome.json").read_text())
    ledger = root / "ledger.json"
    return {
        "outcome.json": outcome,
        "ledger.json": json.loads(ledger.read_text()) if ledger.exists() else {},
        "profile": PROFILES[outcome["provenance"]["profile"]].model_dump(mode="json", by_alias=True),
    }


def wrong_numbers(root, page: Page) -> list[str]:
    """Return what is wrong with any number on the page: not the file's, or not that rounded."""
    files = sources(root)
    return [problem for shown in page.numbers if (problem := _problem(files, shown))]


def _problem(files, shown: Shown) -> str:
    attributes = shown.attributes
    tree = files[attributes.get("data-source", "outcome.json")]
    found = [at(tree, key) for key in attributes["data-key"].split(" ")]
    how = attributes.get("data-derived", "")
    expected = {"": lambda: found[0], "sum": lambda: sum(found), "difference": lambda: found[0] - found[1]}[how]()
    if json.loads(attributes["value"]) != expected:
        return f"{attributes} is not {expected!r}"
    scaled = expected * float(attributes.get("data-scale", "1"))
    value, half = read_number(shown.text)
    return "" if abs(value - scaled) <= half * (1 + 1e-9) + 1e-12 * abs(scaled) else f"{shown.text!r} is not {scaled!r}"


def read_number(text: str) -> tuple[float, float]:
    """Return a shown number, and half a unit of its last digit."""
    plain = text.replace("\u202f", "").replace("−", "-")
    mantissa, _, power = plain.partition("×10")
    exponent = int(power.translate(SUPERSCRIPTS)) if power else 0
    decimals = len(mantissa.partition(".")[2])
    return float(mantissa) * 10.0**exponent, 0.5 * 10.0 ** (exponent - decimals)


def stray_digits(root, page: Page, *known: str) -> list[str]:
    """Return words with digits in table cells that are neither numbers of the page nor words of the run's own files."""
    words = {word for source in sources(root).values() for text in _texts(source) for word in _words(text)}
    words |= {word for text in known for word in _words(text)}
    return [word for cell in page.cells for word in _words(cell) if re.search(r"\d", word) and word not in words]


def _words(text: str) -> list[str]:
    return re.findall(r"[\w.+-]*\w", text)


def _texts(tree):
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield str(name)
            yield from _texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _texts(value)
    elif isinstance(tree, str):
        yield tree
