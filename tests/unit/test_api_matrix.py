"""Every role against every route there is. A route without a row here fails."""

import re

import pytest

from api.auth import is_guarded, is_open, needed_by
from api.declaration import declaration_of
from api.user import Permission, Role, permissions_of
from tests.iam import Iam, call, error_of

# Who signs in is not known yet, and says by the body who it is. Nobody is told that he is nobody by 204.
ANYBODY, ANY_USER, WHO_SIGNS_IN, USER_OR_NOBODY = "anybody", "any user", "who signs in", "a user or nobody"

# What each route needs, without the prefix; also a specification of who may do what.
MATRIX: dict[tuple[str, str], str] = {
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
    ("GET", "/api/docs"): ANYBODY,
    ("GET", "/api/docs/{id}"): ANYBODY,
    ("GET", "/"): ANYBODY,
    ("GET", "/console"): ANYBODY,
    ("GET", "/console/"): ANYBODY,
    ("GET", "/console/{id}"): ANYBODY,
    ("GET", "/console/static/{id}/{id}"): ANYBODY,
    ("GET", "/console/session"): USER_OR_NOBODY,
    ("POST", "/console/session"): WHO_SIGNS_IN,
    ("DELETE", "/console/session"): ANY_USER,
    ("GET", "/compute/hosts"): Permission.HOST_VIEWER,
    ("GET", "/compute/hosts/{id}"): Permission.HOST_VIEWER,
    ("POST", "/compute/hosts/batchCreate"): Permission.HOST_MANAGER,
    ("POST", "/compute/hosts/batchDelete"): Permission.HOST_MANAGER,
    ("POST", "/compute/hosts/batchRestartAgents"): Permission.HOST_MANAGER,
    ("POST", "/compute/hosts/batchStopAgents"): Permission.HOST_MANAGER,
    ("POST", "/compute/hosts/import"): Permission.HOST_MANAGER,
    ("DELETE", "/compute/hosts/{id}"): Permission.HOST_MANAGER,
    ("GET", "/compute/hosts/{id}/agent"): Permission.HOST_VIEWER,
    ("POST", "/compute/hosts/{id}/agent/restart"): Permission.HOST_MANAGER,
    ("POST", "/compute/hosts/{id}/agent/stop"): Permission.HOST_MANAGER,
    ("GET", "/compute/hosts/{id}/agent/processes"): Permission.HOST_VIEWER,
    ("POST", "/compute/hosts/{id}/agent/processes/{id}/restart"): Permission.HOST_MANAGER,
    ("POST", "/compute/hosts/{id}/agent/processes/{id}/stop"): Permission.HOST_MANAGER,
    ("GET", "/tasks/{id}"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/creators"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}/subtasks"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}/subtasks/{id}"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}/grid"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}/failures"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}/events"): Permission.TASK_VIEWER,
    ("GET", "/tasks/instances/{id}/subtasks/{id}/log"): Permission.TASK_VIEWER,
    ("POST", "/tasks/instances/{id}/downloadDiagnosis"): Permission.TASK_VIEWER,
    ("POST", "/tasks/instances/{id}/retry"): Permission.TASK_MANAGER,
    ("POST", "/tasks/instances/{id}/rollback"): Permission.TASK_MANAGER,
    ("POST", "/tasks/instances/{id}/subtasks/{id}/retry"): Permission.TASK_MANAGER,
    ("POST", "/tasks/instances/{id}/subtasks/{id}/skip"): Permission.TASK_MANAGER,
    ("POST", "/tasks/instances/{id}/subtasks/{id}/cancel"): Permission.TASK_MANAGER,
    ("GET", "/iam/users"): Permission.SYSTEM_MANAGER,
    ("POST", "/iam/users"): Permission.SYSTEM_MANAGER,
    ("GET", "/iam/users/{id}"): Permission.SYSTEM_MANAGER,
    ("PATCH", "/iam/users/{id}"): Permission.SYSTEM_MANAGER,
    ("DELETE", "/iam/users/{id}"): Permission.SYSTEM_MANAGER,
    ("GET", "/iam/me"): ANY_USER,
    ("POST", "/iam/me/password"): ANY_USER,
    ("GET", "/iam/roles"): ANY_USER,
    ("GET", "/iam/tokens"): ANY_USER,
    ("POST", "/iam/tokens"): ANY_USER,
    ("DELETE", "/iam/tokens/{id}"): ANY_USER,
    ("GET", "/iam/accessKeys"): ANY_USER,
    ("POST", "/iam/accessKeys"): ANY_USER,
    ("DELETE", "/iam/accessKeys/{id}"): ANY_USER,
    ("GET", "/audit"): Permission.SYSTEM_MANAGER,
    ("GET", "/webhooks"): Permission.SYSTEM_MANAGER,
    ("POST", "/webhooks"): Permission.SYSTEM_MANAGER,
    ("GET", "/webhooks/{id}"): Permission.SYSTEM_MANAGER,
    ("PATCH", "/webhooks/{id}"): Permission.SYSTEM_MANAGER,
    ("DELETE", "/webhooks/{id}"): Permission.SYSTEM_MANAGER,
    ("POST", "/webhooks/{id}/rotateSecret"): Permission.SYSTEM_MANAGER,
    ("POST", "/webhooks/{id}/test"): Permission.SYSTEM_MANAGER,
    ("GET", "/webhooks/{id}/deliveries"): Permission.SYSTEM_MANAGER,
    ("POST", "/webhooks/{id}/deliveries/{id}/redeliver"): Permission.SYSTEM_MANAGER,
}
# Nobody's contract: for load balancers and browsers.
UNPREFIXED = {("GET", path) for path in ("/healthz", "/readyz", "/api/docs", "/api/docs/{id}", "/")} | {
    (method, path) for method, path in MATRIX if path.startswith("/console")
}
SAFE = {"HEAD", "OPTIONS"}


def routes(iam: Iam) -> dict[tuple[str, str], str]:
    """All routes of the app: method and path with its prefix, to the endpoint."""
    return {
        (method, re.sub(r"<[^>]+>", "{id}", rule.rule)): rule.endpoint
        for rule in iam.app.url_map.iter_rules()
        for method in (rule.methods or set()) - SAFE
    }


def plain(path: str) -> str:
    return path.removeprefix("/api/v2")


def test_every_route_has_a_row_and_every_row_a_route(iam: Iam) -> None:
    found = {(method, plain(path)) for method, path in routes(iam)}
    assert found - MATRIX.keys() == set(), "routes without a row"
    assert MATRIX.keys() - found == set(), "rows without a route"


def test_every_route_declares_what_its_row_says(iam: Iam) -> None:
    for (method, path), endpoint in routes(iam).items():
        view, needs = iam.app.view_functions[endpoint], MATRIX[method, plain(path)]
        assert is_guarded(view) is (needs not in (ANYBODY, WHO_SIGNS_IN)), path
        if is_guarded(view):
            for_all = USER_OR_NOBODY if is_open(view) else ANY_USER
            assert (needed_by(view) or for_all) == needs, (method, path)


def test_every_route_of_the_contract_answers_with_and_without_the_prefix(iam: Iam) -> None:
    found = routes(iam).keys()
    without = {(method, path) for method, path in found if not path.startswith("/api/v2")}
    assert {(m, plain(p)) for m, p in found - without} == without - UNPREFIXED


def test_a_change_that_takes_no_query_is_refused_with_one(iam: Iam) -> None:
    """Who adds `?dryRun=true` to what has no dry run must not lose hosts."""
    for (method, path), endpoint in routes(iam).items():
        view, needs = iam.app.view_functions[endpoint], MATRIX[method, plain(path)]
        if method != "GET" and needs != WHO_SIGNS_IN and declaration_of(view).query is None:
            answer = iam.call(method, path.replace("{id}", "1") + "?dryRun=true", {})
            assert error_of(answer, 400, 10001)["target"] == "dryRun", (method, path)
    assert iam.data("GET", "/compute/hosts/1")["name"] == "web-1"


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_what_its_permissions_say_and_no_more(iam: Iam, role: Role) -> None:
    held = permissions_of([role])
    # No task, user or credential has this id, and no body is sent: what passes the guard changes nothing.
    for method, path in routes(iam):
        needs = MATRIX[method, plain(path)]
        answer = iam.call(method, path.replace("{id}", "4711"), user=role.lower())
        if needs in (ANYBODY, ANY_USER, WHO_SIGNS_IN, USER_OR_NOBODY, *held):
            assert answer.status_code in (200, 400, 404), (method, path, answer.text)
        else:
            assert needs in error_of(answer, 403, 30014)["message"]


def test_a_stranger_may_nothing_but_ask_for_health_and_documentation(iam: Iam) -> None:
    for method, path in routes(iam):
        answer = call(iam.app, method, path.replace("{id}", "4711"))
        if MATRIX[method, plain(path)] == ANYBODY:
            # The console has a page for each path below its own.
            assert answer.status_code == (404 if "{id}" in path and path != "/console/{id}" else 200)
        elif MATRIX[method, plain(path)] == WHO_SIGNS_IN:
            error_of(answer, 400, 10001)
        elif MATRIX[method, plain(path)] == USER_OR_NOBODY:
            assert (answer.status_code, answer.data) == (204, b"")
        else:
            error_of(answer, 401, 30000)
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="muster", Bearer'
