"""Records are frozen, strict, and validated when they are changed."""

from __future__ import annotations

import math

import pytest
from pydantic import Field, ValidationError

from schemas.record import Record


class Inner(Record):
    """One field."""

    level: float = Field(default=1.0, ge=0.0)
    """A number of zero or more."""


class Outer(Record):
    """A record in a record, an alias."""

    inner: Inner = Inner()
    """Inside."""
    try_: str = Field(default="", alias="try")
    """A Python keyword outside."""


def test_a_record_cannot_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        Inner().level = 2.0


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Inner(levle=2.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(value):
    with pytest.raises(ValidationError, match="finite"):
        Inner(level=value)


def test_a_change_is_validated():
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Inner().evolve(level=-1.0)


def test_a_change_to_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Inner().evolve(other=1.0)


def test_a_change_leaves_the_first_record_and_the_other_fields():
    first = Outer(inner=Inner(level=3.0))
    second = first.evolve(try_="again")
    assert (first.try_, second.try_, second.inner.level) == ("", "again", 3.0)


def test_a_wrong_default_is_found_when_it_is_used():
    class Wrong(Record):
        level: float = Field(default=-1.0, ge=0.0)

    with pytest.raises(ValidationError):
        Wrong()


def test_aliases_go_out_and_come_back():
    record = Outer(try_="again")
    assert record.model_dump()["try"] == "again"
    assert Outer.model_validate_json(record.model_dump_json()) == record


def test_docstrings_of_fields_become_their_descriptions():
    assert Inner.model_fields["level"].description == "A number of zero or more."
