"""Titles, descriptions and choices of flow parameters, as both Prefect UIs show them in their forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from schemas.steps import STEPS, Step

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

AUTOMATIC = "automatic"
"""The form's choice for no start step: both UIs show an optional value as a switch between "str" and "None"."""


def titled(title: str, description: str, **bounds: Any) -> FieldInfo:  # noqa: ANN401 - pydantic's own arguments
    """Return the `Field` of a flow parameter, for ``Annotated``.

    Prefect 3.8 puts a parameter's Python name in the place of ``Field(title=...)``, and the docstring's text in the
    place of ``Field(description=...)`` (``prefect._internal.pydantic.v2_schema.process_v2_params``); what stands in
    ``json_schema_extra`` it leaves alone.
    """
    field: FieldInfo = Field(json_schema_extra={"title": title, "description": description}, **bounds)
    return field


def _chosen(value: object) -> object:
    return None if value == AUTOMATIC else value


StartStep = Annotated[
    Step | None,
    BeforeValidator(_chosen),
    WithJsonSchema({"type": "string", "enum": [AUTOMATIC, *STEPS]}),
    Field(
        json_schema_extra={
            "title": "From step",
            "description": (
                "Run this step and all after it again; what is before it is reused. "
                f"{AUTOMATIC}: from the first step whose parameters, input or results have changed."
            ),
            "default": AUTOMATIC,
        }
    ),
]
"""The step to start from; None: the first that does not hold any more."""
