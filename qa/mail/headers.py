"""Writes a mail's headers so that every client reads them as they were meant.

The standard library (3.11 to 3.13) folds badly where text beyond ASCII is in a long header: it doubles blanks, writes
empty encoded words, and loses the quotes around a name with a comma. Subject and addresses are therefore encoded here
as RFC 2047 has it, by the library's older encoder; everything else is as the library writes it.
"""

from __future__ import annotations

from email.header import Header
from email.policy import EmailPolicy
from typing import Any

ADDRESSES = {"from", "to", "cc", "reply-to"}

ENCODED_LINE = 72
"""Length of lines with encoded words [characters]; RFC 2047, 2 allows 76."""


class HeaderPolicy(EmailPolicy):
    """How our mails are written."""

    def fold(self, name: str, value: Any) -> str:  # noqa: ANN401 - as in the base class
        """Return a header as it goes over the wire."""
        if not hasattr(value, "name"):  # as it was read, not yet parsed
            value = self.header_factory(name, "".join(value.splitlines()))
        if name.lower() == "subject":
            return f"{name}: {self._text(name, str(value))}{self.linesep}"
        if name.lower() in ADDRESSES:
            entries = (self._address(entry.display_name, entry.addr_spec) for entry in value.addresses)
            return f"{name}: {f',{self.linesep} '.join(entries)}{self.linesep}"
        folded: str = super().fold(name, value)
        # No header begins with an empty line: some clients show the fold's blank.
        return folded.replace(f"{name}:{self.linesep} ", f"{name}: ", 1)

    def fold_binary(self, name: str, value: Any) -> bytes:  # noqa: ANN401 - as in the base class
        """Return a header as it goes over the wire."""
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii", "surrogateescape")

    def _address(self, name: str, address: str) -> str:
        if not name:
            return address
        plain = self.utf8 or (name.isascii() and "=?" not in name)
        return f"{_quoted(name) if plain else self._text('', name)} <{address}>"

    def _text(self, header: str, text: str) -> str:
        """Return text in one line where it may stand as it is, else as encoded words; the first after `header`."""
        # RFC 5322, 2.1.1: lines of up to 998 characters must be taken; ours are cut far below.
        if "=?" not in text and (self.utf8 or text.isascii()):
            return text
        return Header(text, "utf-8", maxlinelen=ENCODED_LINE, header_name=header).encode(linesep=self.linesep)


def _quoted(name: str) -> str:
    """Return a name as RFC 5322, 3.2.4 has it: in quotes where it holds more than words."""
    if all(character.isalnum() or character in " !#$%&'*+-/=?^_`{|}~" for character in name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
