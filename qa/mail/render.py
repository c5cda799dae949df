"""Lays a mail out: the same content as HTML and as text, by templates that escape all they are given."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

TEMPLATES = Path(__file__).parents[1] / "templates"

TEXT_WIDTH = 76
"""Where the text alternative is wrapped [characters]; RFC 5322, 2.1.1 recommends 78."""


def render(name: str, **values: Any) -> tuple[str, str]:  # noqa: ANN401 - what the templates show
    """Return a mail's text and HTML bodies.

    Parameters
    ----------
    name
        The templates are ``mail_<name>.txt.j2`` and ``mail_<name>.html.j2``.
    **values
        What they show.
    """
    environment = _environment()
    text = environment.get_template(f"mail_{name}.txt.j2").render(**values)
    html = environment.get_template(f"mail_{name}.html.j2").render(**values)
    return f"{text.strip()}\n", f"{html.strip()}\n"


def wrapped(text: str, indent: int = 0) -> str:
    """Return text wrapped for the text alternative; a long word (a path, an address) is never broken."""
    return textwrap.fill(
        text,
        TEXT_WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html.j2",), default_for_string=True, default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = wrapped
    return environment
