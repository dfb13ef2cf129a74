"""JSON schemas of payloads, for the OpenAPI and the AsyncAPI document."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]
Shape = tuple[type[Any], Mode]
References = dict[Shape, Schema]

NULL: Schema = {"type": "null"}


class _Generator(GenerateJsonSchema):
    """Leaves out titles, which repeat names, and null for fields that are left out instead."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False

    def model_field_schema(self, schema: core_schema.ModelField) -> JsonSchemaValue:
        made = super().model_field_schema(schema)
        if self.mode == "serialization" and schema.get("serialization_exclude_if") is not None:
            return without_null(made)
        return made


def make_schemas(shapes: Iterable[Shape]) -> tuple[References, Schema]:
    """Return a reference to the schema of each shape, and all schemas by name, for `#/components/schemas`."""
    references, schemas = models_json_schema(
        list(dict.fromkeys(shapes)), ref_template="#/components/schemas/{model}", schema_generator=_Generator
    )
    return references, schemas["$defs"]


def without_null(schema: Schema) -> Schema:
    """Return the schema of a field that is left out instead of null, as in a query."""
    if "anyOf" not in schema:
        return schema
    outer = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    choices = [choice for choice in schema["anyOf"] if choice != NULL]
    return outer | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def first_line(documented: object) -> str:
    """Return the first line of a docstring; empty without one."""
    return (documented.__doc__ or "").strip().partition("\n")[0]


def referred(reference: Schema, schemas: Schema) -> Schema:
    """Return the schema to which a `$ref` points."""
    schema: Schema = schemas[reference["$ref"].rpartition("/")[2]]
    return schema
