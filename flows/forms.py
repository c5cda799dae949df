"""Titles and descriptions of flow parameters, as both Prefect UIs show them in their forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def titled(title: str, description: str, **bounds: Any) -> FieldInfo:  # noqa: ANN401 - pydantic's own arguments
    """Return the `Field` of a flow parameter, for ``Annotated``.

    Prefect 3.8 puts a parameter's Python name in the place of ``Field(title=...)``, and the docstring's text in the
    place of ``Field(description=...)`` (``prefect._internal.pydantic.v2_schema.process_v2_params``); what stands in
    ``json_schema_extra`` it leaves alone.
    """
    field: FieldInfo = Field(json_schema_extra={"title": title, "description": description}, **bounds)
    return field
