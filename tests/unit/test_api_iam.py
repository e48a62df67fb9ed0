"""Users, tokens and access keys through the API."""

import json
from typing import Any

import pytest

from api.credential import MOST_A_USER, NOTED_EVERY_SECONDS, CredentialStore, TooManyCredentials, Wish
from api.user import KEY as USERS
from config.settings import ApiSettings
from tests.iam import PASSWORD, Iam, bearer, call, error_of

NEW = {"name": "ann", "password": "open sesame", "roles": ["VIEWER"]}


def test_a_user_is_made_listed_changed_and_deleted(iam: Iam) -> None:
    made = iam.data("POST", "/iam/users", NEW)
    assert (made["name"], made["roles"], made["enabled"]) == ("ann", ["VIEWER"], True)
    assert made["permissions"] == ["HOST_VIEWER", "TASK_VIEWER"]
    path = f"/api/v2/iam/users/{made['id']}"
    assert iam.data("GET", path) == made
    assert iam.data("GET", "/iam/users?name=ann")["contents"] == [made]
    assert iam.data("GET", "/iam/users?size=2&page=2")["page"]["totalElements"] == 9
    changed = iam.data("PATCH", path, {"roles": ["OPERATOR", "VIEWER", "VIEWER"]})
    assert changed["roles"] == ["OPERATOR", "VIEWER"]
    assert iam.data("DELETE", path) is None
    iam.refused(404, 10002, "GET", path)


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"password": "open sesame", "roles": ["VIEWER"]}, "name"),
        ({**NEW, "name": "a:b"}, "name"),
        ({**NEW, "name": ""}, "name"),
        ({**NEW, "name": "a" * 65}, "name"),
        ({**NEW, "name": "admin"}, "name"),
        ({**NEW, "password": "planted"}, "password"),
        ({**NEW, "password": 12345678}, "password"),
        ({**NEW, "password": "planted\x00planted"}, "password"),
        ({**NEW, "roles": []}, "roles"),
        ({**NEW, "roles": ["ROOT"]}, "roles"),
        ({**NEW, "roles": "ADMIN"}, "roles"),
        ({**NEW, "pasword": "planted"}, "pasword"),
    ],
)
def test_a_user_that_can_not_be_made_is_refused_by_field(iam: Iam, body: dict[str, Any], target: str) -> None:
    before = iam.redis.hgetall(USERS)
    found = iam.refused(400, 10001, "POST", "/iam/users", body)
    assert found["target"] == target
    assert "planted" not in json.dumps(found)
    assert iam.redis.hgetall(USERS) == before


@pytest.mark.parametrize("body", [{}, {"enabled": "yes"}, {"enabled": None}, {"roles": []}, {"name": "bob"}])
def test_a_change_of_nothing_or_of_something_else_is_refused(iam: Iam, body: dict[str, Any]) -> None:
    iam.refused(400, 10001, "PATCH", "/iam/users/1", body)


def test_the_last_administrator_can_not_be_lost(iam: Iam) -> None:
    iam.data("DELETE", f"/iam/users/{user_id(iam, 'system_manager')}")
    for method, body in (("DELETE", None), ("PATCH", {"enabled": False}), ("PATCH", {"roles": ["OPERATOR"]})):
        found = iam.refused(409, 10001, method, "/iam/users/1", body)
        assert "SYSTEM_MANAGER" in found["message"]


def user_id(iam: Iam, name: str) -> int:
    found: int = iam.data("GET", f"/iam/users?name={name}")["contents"][0]["id"]
    return found


def test_a_change_is_in_force_on_another_api_process_at_once(iam: Iam) -> None:
    other, auth = iam.another(), ("viewer", PASSWORD)
    token = iam.data("POST", "/iam/tokens", {"name": "t"}, user="viewer")["token"]
    path = f"/iam/users/{user_id(iam, 'viewer')}"

    def statuses() -> list[int]:
        by_token = call(other, "GET", "/compute/hosts", headers=bearer(token))
        return [call(other, "GET", "/compute/hosts", auth=auth).status_code, by_token.status_code]

    assert statuses() == [200, 200]
    iam.data("PATCH", path, {"roles": ["TASK_VIEWER"]})
    assert statuses() == [403, 403]
    iam.data("PATCH", path, {"roles": ["VIEWER"], "enabled": False})
    assert statuses() == [401, 401]
    iam.data("PATCH", path, {"enabled": True})
    assert statuses() == [200, 200]
    iam.data("PATCH", path, {"password": "something else"})
    assert statuses() == [401, 200]
    iam.data("DELETE", path)
    assert statuses() == [401, 401]


def test_everybody_changes_their_own_password_knowing_the_present_one(iam: Iam) -> None:
    body = {"currentPassword": PASSWORD, "password": "something else"}
    wrong = iam.refused(400, 10001, "POST", "/iam/me/password", {**body, "currentPassword": "planted"}, user="viewer")
    assert wrong["target"] == "currentPassword"
    assert "planted" not in json.dumps(wrong)
    iam.data("POST", "/iam/me/password", body, user="viewer")
    iam.refused(401, 30000, "GET", "/iam/me", user="viewer")
    assert call(iam.app, "GET", "/iam/me", auth=("viewer", "something else")).status_code == 200


def test_me_tells_what_this_call_may(iam: Iam) -> None:
    token = iam.data("POST", "/iam/tokens", {"name": "t", "permissions": ["HOST_MANAGER"]})["token"]
    found = json.loads(call(iam.app, "GET", "/iam/me", headers=bearer(token)).data)["data"]
    assert (found["name"], found["permissions"]) == ("admin", ["HOST_MANAGER", "HOST_VIEWER"])
    assert found["proof"].startswith("token ")
    assert iam.data("GET", "/iam/me")["proof"] == "password"


def test_roles_are_listed_with_their_permissions(iam: Iam) -> None:
    found = {row["name"]: row["permissions"] for row in iam.data("GET", "/iam/roles", user="viewer")["contents"]}
    assert len(found["ADMIN"]) == 5
    assert found["VIEWER"] == ["HOST_VIEWER", "TASK_VIEWER"]


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(iam: Iam) -> None:
    made = iam.data("POST", "/iam/tokens", {"name": "ci", "expiresInDays": 7}, user="operator")
    token = made.pop("token")
    listed = iam.data("GET", "/iam/tokens", user="operator")["contents"]
    assert listed == [made]
    assert made["user"]["name"] == "operator"
    assert made["lastUseTime"] is None
    assert call(iam.app, "GET", "/compute/hosts", headers=bearer(token)).status_code == 200
    assert iam.data("GET", "/iam/tokens", user="operator")["contents"][0]["lastUseTime"] is not None
    assert iam.data("GET", "/iam/tokens", user="viewer")["contents"] == []
    assert [row["id"] for row in iam.data("GET", "/iam/tokens?user=operator")["contents"]] == [made["id"]]
    iam.refused(404, 10002, "DELETE", f"/iam/tokens/{made['id']}", user="viewer")
    iam.data("DELETE", f"/iam/tokens/{made['id']}", user="operator")
    error_of(call(iam.app, "GET", "/compute/hosts", headers=bearer(token)), 401, 30000)
    iam.refused(404, 10002, "DELETE", f"/iam/tokens/{made['id']}", user="operator")


def test_a_token_may_no_more_than_its_owner_and_than_it_says(iam: Iam) -> None:
    found = iam.refused(
        400, 10001, "POST", "/iam/tokens", {"name": "t", "permissions": ["TASK_MANAGER"]}, user="viewer"
    )
    assert found["target"] == "permissions"
    token = iam.data("POST", "/iam/tokens", {"name": "t", "permissions": ["TASK_VIEWER"]}, user="operator")["token"]
    assert call(iam.app, "GET", "/tasks/7", headers=bearer(token)).status_code == 404
    error_of(call(iam.app, "GET", "/compute/hosts", headers=bearer(token)), 403, 30014)


def test_only_administrators_make_tokens_for_others(iam: Iam) -> None:
    wish = {"name": "t", "user": "viewer"}
    iam.refused(403, 30014, "POST", "/iam/tokens", wish, user="operator")
    token = iam.data("POST", "/iam/tokens", wish)["token"]
    found = json.loads(call(iam.app, "GET", "/iam/me", headers=bearer(token)).data)["data"]
    assert (found["name"], found["roles"]) == ("viewer", ["VIEWER"])
    assert iam.refused(400, 10001, "POST", "/iam/tokens", {**wish, "user": "nobody"})["target"] == "user"
    more = {**wish, "permissions": ["HOST_MANAGER"]}
    assert iam.refused(400, 10001, "POST", "/iam/tokens", more)["target"] == "permissions"


@pytest.mark.parametrize("path", ["/iam/tokens", "/iam/accessKeys"])
def test_a_token_makes_no_tokens_and_no_access_keys(iam: Iam, path: str) -> None:
    token = iam.data("POST", "/iam/tokens", {"name": "t"})["token"]
    error_of(call(iam.app, "POST", path, {"name": "u"}, headers=bearer(token)), 403, 30014)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": 1},
        {"name": "t", "expiresInDays": 0},
        {"name": "t", "expiresInDays": 3651},
        {"name": "t", "permissions": []},
        {"name": "t", "permissions": ["ADMIN"]},
        {"name": "t", "token": "mine"},
    ],
)
@pytest.mark.parametrize("path", ["/iam/tokens", "/iam/accessKeys"])
def test_a_bad_wish_is_refused(iam: Iam, path: str, body: dict[str, Any]) -> None:
    iam.refused(400, 10001, "POST", path, body)
    assert iam.data("GET", path)["contents"] == []


def test_a_new_user_of_an_old_name_has_not_the_old_ones_tokens(iam: Iam) -> None:
    token = iam.data("POST", "/iam/tokens", {"name": "t", "user": "viewer"})["token"]
    kept: Any = iam.redis.hgetall("{iam}:tokens")
    iam.data("DELETE", f"/iam/users/{user_id(iam, 'viewer')}")
    assert iam.redis.hgetall("{iam}:tokens") == {}
    iam.redis.hset("{iam}:tokens", mapping=kept)
    iam.data("POST", "/iam/users", {"name": "viewer", "password": "something", "roles": ["ADMIN"]})
    error_of(call(iam.app, "GET", "/iam/me", headers=bearer(token)), 401, 30000)


@pytest.mark.parametrize("text", ["", "x", "muster_000000000000_" + "A" * 43, "muster_{id}_" + "A" * 43, "{token}A"])
def test_what_is_no_token_is_refused(iam: Iam, text: str) -> None:
    made = iam.data("POST", "/iam/tokens", {"name": "t"})
    error_of(call(iam.app, "GET", "/iam/me", headers=bearer(text.format(**made))), 401, 30000)


def test_access_keys_need_a_key_to_encrypt_them(redis: Any) -> None:
    bare = Iam(redis, ApiSettings())
    found = bare.refused(409, 10001, "POST", "/iam/accessKeys", {"name": "k"})
    assert "MUSTER_API_SECRET_KEY" in found["message"]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_credential_expires_and_makes_room(iam: Iam) -> None:
    clock, owner = Clock(), iam.users.get(1)
    store = CredentialStore(iam.redis, "{iam}:tokens", clock)
    for n in range(MOST_A_USER):
        store.add(f"t{n}", owner, Wish("t", seconds=60), "digest")
    with pytest.raises(TooManyCredentials):
        store.add("one more", owner, Wish("t"), "digest")
    assert store.find("t0") is not None
    clock.now += 60
    assert store.find("t0") is None
    store.add("new", owner, Wish("new"), "digest")
    assert [one.id for one, _ in store.list()] == ["new"]


def test_a_use_is_noted_once_a_minute(iam: Iam) -> None:
    clock = Clock()
    store = CredentialStore(iam.redis, "{iam}:tokens", clock)
    store.add("t", iam.users.get(1), Wish("t"), "digest")
    used = []
    for step in (0.0, NOTED_EVERY_SECONDS - 1, 1.0):
        clock.now += step
        store.note_use("t")
        used.append(store.list()[0][1])
    first = 1_000_000_000
    assert used == [first, first, first + 60_000]
