"""Titles, descriptions and choices of flow parameters, as both Prefect UIs show them in their forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from schemas.steps import STEPS, Step

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

AUTOMATIC = "automatic"
"""The form's choice for no start step: both UIs show an optional value as a switch between "str" and "None"."""


def titled(title: str, description: str, *, shown: str = "", **bounds: Any) -> FieldInfo:  # noqa: ANN401 - pydantic's
    """Return the `Field` of a flow parameter, for ``Annotated``; `shown` is its default in the form, where it differs.

    Prefect 3.8 puts a parameter's Python name in the place of ``Field(title=...)``, and the docstring's text in the
    place of ``Field(description=...)`` (``prefect._internal.pydantic.v2_schema.process_v2_params``); what stands in
    ``json_schema_extra`` it leaves alone.
    """
    default: dict[str, JsonValue] = {"default": shown} if shown else {}
    field: FieldInfo = Field(json_schema_extra={"title": title, "description": description, **default}, **bounds)
    return field


def _chosen(value: object) -> object:
    return None if value == AUTOMATIC else value


StartStep = Annotated[
    Step | None,
    BeforeValidator(_chosen),
    WithJsonSchema({"type": "string", "enum": [AUTOMATIC, *STEPS]}),
    titled(
        "From step",
        "Run this step and all after it again; what is before it is reused. "
        f"{AUTOMATIC}: from the first step whose parameters, input or results have changed.",
        shown=AUTOMATIC,
    ),
]
"""The step to start from; None: the first that does not hold any more."""
