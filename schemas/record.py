"""The base of every typed record."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen, strict record: unknown fields, NaN and infinity are refused; defaults are validated too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
        populate_by_name=True,
        serialize_by_alias=True,
    )

    def evolve(self, **changes: Any) -> Self:  # noqa: ANN401 - any field may change; validation types it
        """Return a copy with `changes`, validated as a new record (``model_copy`` would not validate).

        Raises
        ------
        pydantic.ValidationError
            A change does not fit its field.
        """
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(fields | changes)
