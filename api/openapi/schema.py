"""From marshmallow to JSON Schema: apispec's plugin, and what our own fields, validators and schemas add."""

import inspect
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields, missing

from api.schema.answer import AnswerSchema
from api.schema.field import JsonSchema, WordedSchema


class SchemaConverter(OpenAPIConverter):
    """Describes schemas by their docstrings, their rules and their examples."""

    def reference(self, schema: Schema | type[Schema]) -> JsonSchema:
        """Return a reference to the schema's component, which is made at its first use."""
        found: JsonSchema = self.resolve_nested_schema(schema)
        return found

    def parameters(self, schema: Schema) -> list[JsonSchema]:
        """Return the fields of a query's schema as parameters."""
        return list(self.schema2parameters(schema, location="query"))

    def schema2jsonschema(self, schema: Schema) -> JsonSchema:
        """Return the JSON Schema of a schema."""
        found: JsonSchema = super().schema2jsonschema(schema)
        found["description"] = inspect.cleandoc(type(schema).__doc__ or "")
        # Requests are taken with known fields only; answers may have more in a later release.
        found.pop("additionalProperties", None)
        if isinstance(schema, WordedSchema):
            found["additionalProperties"] = False
        if isinstance(schema, WordedSchema | AnswerSchema):
            found |= schema.rules
            if schema.example:
                found["examples"] = [dict(schema.example)]
        return found

    def field2property(self, field: fields.Field[Any]) -> JsonSchema:
        """Return the JSON Schema of a field; one of our own says itself what it takes."""
        found: JsonSchema = super().field2property(field)
        own = getattr(field, "json_schema", None)
        if own is not None:
            found |= own()
            if field.allow_none:
                found["type"] = [found["type"], "null"]
        for validator in field.validators:
            pattern = getattr(validator, "pattern", None)
            if pattern is not None:
                found["pattern"] = pattern
        if "default" in found and field.load_default in (None, "", (), {}, missing):
            # Such a default only means that nothing was said.
            del found["default"]
        return found


class Plugin(MarshmallowPlugin):
    """apispec's plugin with that converter; components are named after the schemas' classes."""

    Converter = SchemaConverter

    def __init__(self) -> None:
        super().__init__(schema_name_resolver=lambda schema: schema_class(schema).__name__)

    @property
    def schemas(self) -> SchemaConverter:
        """The converter, which exists once the plugin belongs to a document."""
        assert isinstance(self.converter, SchemaConverter)
        return self.converter


def schema_class(schema: Schema | type[Schema]) -> type[Schema]:
    """Return the class of a schema that is given as such or as an instance."""
    return schema if isinstance(schema, type) else type(schema)
