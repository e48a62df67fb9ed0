"""Schemathesis over the OpenAPI document: no 5xx, every answer as described, wrong data refused."""

from collections.abc import Iterator
from contextlib import contextmanager

import schemathesis
import structlog
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema

from tests.fuzz.result import Result
from tests.fuzz.target import make_app, proof
from tests.openapi import strict

DOCUMENT = "/api/v2/openapi.json"
# These have rules that no JSON Schema can say (names that are taken, an end before its beginning, a task's state,
# fields that no summary has, or that 1.0 is no integer), or a text with a pattern that Schemathesis takes for wider
# than it is (characters that Unicode has not assigned are not printable). So what it holds for right may be refused.
MORE_RULES = [
    "batchCreate",
    "batchDelete",
    "batchRestartAgents",
    "batchStopAgents",
    "cancelSubtask",
    "changeMyPassword",
    "changeUser",
    "createAccessKey",
    "createToken",
    "createUser",
    "getTask",
    "getTask2",
    "importHosts",
    "listAccessKeys",
    "listAudit",
    "listHosts",
    "listTasks",
    "listTokens",
    "listUsers",
    "restartAgent",
    "retry",
    "retrySubtask",
    "rollBack",
    "skipSubtask",
    "stopAgent",
]
REFUSING = {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "400", "401", "403", "404", "409"]}}
RANDOM_ONLY = {"examples": {"enabled": False}, "coverage": {"enabled": False}}


def run(result: Result, examples: int, seed: int, *, random_only: bool = False, as_stranger: bool = False) -> None:
    """Send the examples, the edges of each schema, and so many random requests of each kind to each operation.

    `random_only` leaves the former two out; a stranger proves nothing.
    """
    phases = {"stateful": {"enabled": False}, **(RANDOM_ONLY if random_only else {})}
    config = {
        "seed": seed,
        "headers": {} if as_stranger else proof(),
        "generation": {"max-examples": examples, "database": "none"},
        "phases": phases,
        # Of a stream the first event is enough.
        "max-stream-events": 1,
        # It breaks on apps that are called in the same process; the stranger takes its place.
        "checks": {"ignored_auth": {"enabled": False}},
        "operations": [{"include-operation-id": MORE_RULES, "checks": REFUSING}],
    }
    app = make_app()
    # Strictly: answers may have no field that the document does not show.
    document = strict(app.test_client().get(DOCUMENT).get_json())
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    schema.app = app
    with _quiet():
        for event in from_schema(schema).execute():
            result.note(event)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the app log errors only: it would log a line for each of thousands of refusals."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    try:
        yield
    finally:
        structlog.configure(**before)
