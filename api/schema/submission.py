"""The query of calls that make a task."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields

from api.schema.field import Example, JsonSchema, RequestSchema, Sent, documented


class Flag(fields.Field[bool]):
    """A yes or no of a query: `true` or `false`, and nothing that might mean it."""

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("must be true or false")
        return bool(value == "true")

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        return {"type": "boolean"}


def dry_run_flag() -> Flag:
    """Return the field `dryRun`, the same in each query that has it."""
    return Flag(load_default=False, metadata=documented("Answer with the plan, and make no task."))


class Submission(RequestSchema):
    """`dryRun`: answer with the plan and make no task.

    A name that is not known is refused: a `dryrun` that nobody reads would stop agents.
    """

    dryRun = dry_run_flag()

    example: ClassVar[Example] = {"dryRun": "true"}
