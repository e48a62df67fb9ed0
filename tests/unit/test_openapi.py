"""The OpenAPI document is true: nothing is missing in it, nothing is made up, and its examples work."""

import json
import re
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
from flask import Flask

from api import error
from api.app import create_app
from api.auth import is_guarded, is_open, needed_by
from api.credential import CredentialStore, Wish
from api.declaration import declaration_of
from api.openapi.document import method_of, path_of, shown_rules
from api.openapi.operation import PATH, camel_case
from api.printable import PATTERN
from api.user import Permission, Role, UserStore
from api.webhook.delivery import Deliveries, Delivery
from api.webhook.hook import Hook, Hooks
from config.settings import ApiSettings, Settings
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.store import Store
from tests.openapi import resolved, schema_validator, whole_document
from tests.played import at_work

ADMIN = ("admin", "correct horse")
DOCUMENT = whole_document()
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
# Where the examples' task 1 is not FAILED, as it is for all others.
RUNNING, NO_TASK = {"cancelSubtask"}, {"deleteHost", "batchDelete", "restartProcess", "stopProcess"}
LOOKS = {"getAgent", "listProcesses", "restartProcess", "stopProcess"}
# Whose names are the data's own, or which one subtask has and another has not.
FREE = {"labels", "listMap", "stringMap", "details", "upstreams", "downstreams"}


class World:
    """An API in which what the examples name exists."""

    def __init__(self, operation_id: str) -> None:
        redis = fakeredis.FakeRedis(decode_responses=True)
        self.store, self.users, self.registry = Store(redis), UserStore(redis), HostRegistry(redis)
        self.admin = self.users.add(*ADMIN, [Role.ADMIN])
        self.users.add("bob", "battery staple", [Role.VIEWER])
        self.registry.create([Host(0, f"10.0.0.{n}", name=f"web-{n}", labels={"env": "test"}) for n in range(1, 4)])
        api = ApiSettings(secret_key="a key that is long enough for tests", look_seconds=5, operation_seconds=5)
        self.app: Flask = create_app(self.store, self.registry, self.users, Settings(api=api))
        for name, key in (("token_id", "{iam}:tokens"), ("access_key", "{iam}:access-keys")):
            CredentialStore(redis, key).add(PATH[name][2], self.admin, Wish("ci", (Permission.HOST_MANAGER,)), "digest")
        hooks = Hooks(redis, api.secret_key)
        hooks.add(Hook(0, "https://ops.example.org/", ("task.ended",), "", "", True, 1, "whsec_"))
        deliveries = Deliveries(redis, most=10, keep_seconds=60)
        deliveries.add(Delivery(PATH["delivery_id"][2], 1, "test", 0, deliveries.now(), "{}"))
        self.app.test_client().delete("/compute/hosts/99", auth=ADMIN)
        if operation_id not in NO_TASK:
            self._task(ended=operation_id not in RUNNING)

    def _task(self, *, ended: bool) -> None:
        """Submit task 1 on host 1, and let its first subtask begin, or fail."""
        task = self.store.submit(BATCH_RESTART, [1], creator="admin", executor="e", trace_id="t")
        leases = Leases(self.store, lease_seconds=60, retention_seconds=60)
        hand = HandOut(self.store, retention_seconds=60)
        assert hand.info(task)
        [(offset, attempt)] = hand.ready_nodes(task, 0, 1, begin_within_ms=1000)
        run = Run(task, offset, attempt, 1, 0)
        assert leases.begin(run, "worker")
        if ended:
            assert leases.fail(run, Report("############{EXECUTE}{now}############\nno route to host\n"))


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Every object schema of a part of the document."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and "type" in part:
            yield part
        for inner in part.values():
            yield from schemas(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from schemas(inner)


def shape(value: Any, name: str = "") -> Any:
    """The names in a value, at all depths; of a list of objects those of the first."""
    if name in FREE:
        return None
    if isinstance(value, dict):
        return {key: shape(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value and isinstance(value[0], dict) else []
    return None


def test_every_route_is_documented_and_every_documented_route_exists() -> None:
    app = World("deleteHost").app
    rules = shown_rules(app)
    assert {(path_of(rule), method_of(rule)) for rule in rules} == {
        (path, method) for path, method, _ in OPERATIONS.values()
    }
    plain = {rule.rule for rule in app.url_map.iter_rules()} - {rule.rule for rule in rules}
    assert {f"/api/v2{rule}" for rule in plain} <= {rule.rule for rule in rules}
    assert all(declaration_of(app.view_functions[rule.endpoint]).is_complete for rule in rules)


def test_every_operation_has_a_name_of_its_own_and_words() -> None:
    assert len(OPERATIONS) == sum(map(len, DOCUMENT["paths"].values()))
    groups = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    for path, method, operation in OPERATIONS.values():
        assert operation["summary"], (method, path)
        assert set(operation["tags"]) <= groups, (method, path)
        assert all(parameter["description"] for parameter in operation["parameters"]), (method, path)


def test_every_permission_is_documented() -> None:
    app = World("deleteHost").app
    documented = {}
    for rule in shown_rules(app):
        view = app.view_functions[rule.endpoint]
        operation = DOCUMENT["paths"][path_of(rule)][method_of(rule)]
        documented[rule.rule] = operation.get("security"), operation.get("x-permission")
        needs = needed_by(view) if is_guarded(view) else None
        optional = [{}, *DOCUMENT["security"]]
        assert operation.get("security") == (optional if is_open(view) else None if is_guarded(view) else [])
        assert operation.get("x-permission") == needs
        assert needs is None or needs in operation["description"]
        assert ("403" in operation["responses"]) >= (needs is not None)
    assert DOCUMENT["security"] == [{"basic": []}, {"bearer": []}, {"signature": []}, {"session": []}]


def test_every_error_code_is_documented_and_every_documented_one_exists() -> None:
    codes = {
        value for name, value in vars(error).items() if name.isupper() and isinstance(value, int) and value >= 10_000
    }
    assert codes == error.MEANINGS.keys()
    failure = DOCUMENT["components"]["schemas"]["Failure"]["properties"]["error"]["properties"]["code"]
    assert set(failure["enum"]) == codes
    assert all(f"| {code} | {text} |" in DOCUMENT["info"]["description"] for code, text in error.MEANINGS.items())
    answered = {int(code) for name in DOCUMENT["components"]["responses"] for code in name.split("-")[1:]}
    assert answered == codes


def test_every_field_of_every_request_and_answer_has_words_and_a_type() -> None:
    found = list(schemas(DOCUMENT))
    assert len(found) > 50
    for schema in found:
        for name, field in schema["properties"].items():
            assert field.keys() & {"description", "$ref", "anyOf", "items"}, (schema.get("description"), name)
            assert field.keys() & {"type", "$ref", "allOf", "anyOf", "enum", "const"} or name == "rejectedValue", name


def test_every_field_that_a_request_may_have_is_documented() -> None:
    app = World("deleteHost").app
    for rule in shown_rules(app):
        declared = declaration_of(app.view_functions[rule.endpoint])
        operation = DOCUMENT["paths"][path_of(rule)][method_of(rule)]
        if declared.body:
            body = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
            assert body["properties"].keys() == declared.body.of(ApiSettings()).fields.keys()
            assert body["additionalProperties"] is False
        if declared.query:
            names = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
            assert names == {field.data_key or name for name, field in declared.query.of(ApiSettings()).fields.items()}


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from parts(inner)


def test_every_pattern_is_one_for_clients_in_python_too() -> None:
    """JSON Schema's are those of ECMAScript; what checks the document in Python, or by it, takes its own."""
    texts = {one["pattern"] for one in parts(DOCUMENT) if isinstance(one.get("pattern"), str)}
    found = {text: re.compile(text) for text in texts}
    assert len(found) > 10
    printable = found[PATTERN]
    assert all(printable.search(text) for text in ("", "rack 7/a-ö_日本 🙂"))
    assert not any(printable.search(f"a{char}b") for char in "\n\t\x00\x1b\x7f\x85\xa0\u200b\u202e\ufeff")


def test_every_default_fits_its_schema() -> None:
    found = [one for one in parts(DOCUMENT) if "default" in one and isinstance(one.get("type"), str | list)]
    assert len(found) > 10
    for schema in found:
        schema_validator(schema).validate(schema["default"])


def test_limits_are_those_of_the_settings() -> None:
    redis = fakeredis.FakeRedis(decode_responses=True)
    settings = Settings(api=ApiSettings(max_hosts=7))
    app = create_app(Store(redis), HostRegistry(redis), UserStore(redis), settings)
    shown = app.test_client().get("/openapi.json").get_json()["components"]["schemas"]
    assert shown["HostIds"]["properties"]["hostIds"]["maxItems"] == 7
    assert shown["HostCreation"]["properties"]["hostBasicDataList"]["maxItems"] == 7


def test_the_document_is_the_same_under_both_paths_and_has_an_etag() -> None:
    client = World("deleteHost").app.test_client()
    first = client.get("/api/v2/openapi.json")
    assert first.data == client.get("/openapi.json").data
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_every_example_of_an_answer_fits_its_schema_strictly() -> None:
    for operation_id, (_, _, operation) in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            for content in resolved(answer).get("content", {}).values():
                examples = examples_of(content)
                assert examples or int(status) == 200, (operation_id, status)
                for example in examples:
                    schema_validator(content["schema"]).validate(example)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_the_example_of_a_request_works_and_is_answered_like_the_example(operation_id: str) -> None:
    path, method, operation = OPERATIONS[operation_id]
    given = {
        kind: {
            one["name"]: example_of(one)
            for one in operation["parameters"]
            if one["in"] == kind and example_of(one) is not None
        }
        for kind in ("path", "query")
    }
    query = {name: as_sent(value) for name, value in given["query"].items()}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    world = World(operation_id)
    client = world.app.test_client()
    call = {"query_string": query, "auth": ADMIN, **({} if body is None else {"json": body})}
    if operation_id in LOOKS:
        with at_work(world.store, world.registry):
            answer = client.open(path.format(**given["path"]), method=method.upper(), **call)
    else:
        answer = client.open(path.format(**given["path"]), method=method.upper(), **call)
    assert answer.status_code == 200, answer.text
    content = operation["responses"]["200"]["content"][answer.mimetype]
    if examples := examples_of(content):
        # The plan is the last one, and so is the part of a log.
        assert shape(json.loads(answer.data)) == shape(examples[-1 if {"dryRun", "from"} & query.keys() else 0])


def as_sent(value: Any) -> str:
    """An example as it stands in a URL."""
    return ",".join(value) if isinstance(value, list) else json.dumps(value).strip('"')


def example_of(parameter: dict[str, Any]) -> Any:
    """A parameter's example: in a query within its schema, where nobody fills it in."""
    assert parameter["in"] != "query" or "example" not in parameter, parameter["name"]
    [found] = parameter["schema"].get("examples", [parameter.get("example")])
    return found


def examples_of(content: dict[str, Any]) -> list[Any]:
    """All examples of a body; of several shapes that of the whole is the first."""
    if "example" in content:
        return [content["example"]]
    return [example["value"] for example in content.get("examples", {}).values()]


@pytest.mark.parametrize(("query", "at"), [("view=summary", 1), ("fields=id,status", 2)])
def test_the_example_of_a_part_of_a_task_is_like_the_answer(query: str, at: int) -> None:
    path, _, operation = OPERATIONS["getTask"]
    answer = World("getTask").app.test_client().get(f"{path.format(taskId=1)}?{query}", auth=ADMIN)
    example = examples_of(operation["responses"]["200"]["content"]["application/json"])[at]
    assert shape(json.loads(answer.data)) == shape(example)


@pytest.mark.parametrize("operation_id", ["batchCreate", "importHosts"])
def test_the_example_of_a_host_that_is_enrolled_shows_what_is_known_of_it(operation_id: str) -> None:
    path, _, operation = OPERATIONS[operation_id]
    body = operation["requestBody"]["content"]["application/json"]["example"]
    [example] = examples_of(operation["responses"]["200"]["content"]["application/json"])
    answer = json.loads(World(operation_id).app.test_client().post(path, json=body, auth=ADMIN).data)
    shown, made = example["data"]["contents"][0], answer["data"]["contents"][0]
    for name in ("status", "agentStatus", "agentVersion", "lastSeenTime", "operatingSystem", "architecture", "idcName"):
        assert shown[name] == made[name], name


def test_path_examples_are_named_as_the_paths_are() -> None:
    named = {name for path, _, _ in OPERATIONS.values() for name in re.findall("{([^}]+)}", path)}
    assert named == {camel_case(name) for name in PATH}
