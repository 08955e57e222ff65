"""The gate of REST: every route, with no key, with too little of one, by cookie, from foreign pages."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from api.access.keyrings import key, keyring_of, revoked, tell
from lumina_api.access.keyring import Keyring
from lumina_api.access.secret import MadeKey
from lumina_api.access.session import COOKIE
from lumina_api.access.throttle import FREE
from lumina_api.gateway.app import otlp_routes
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.sink import Sink
from lumina_api.rest import create_app
from lumina_api.rest.gate import CSRF, LOGIN
from lumina_api.views import Views
from lumina_api.views.store import Store
from lumina_schemas.settings import Settings

# Whoever adds a route here says that everybody may see it.
OPEN = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/api/v1/login"),
    ("POST", "/api/v1/login"),
    ("DELETE", "/api/v1/login"),
}
INGEST = {("POST", "/v1/traces"), ("POST", "/v1/logs"), ("POST", "/v1/metrics")}

KEYS = {scope: key(scope) for scope in ("ingest", "read", "write", "admin")}


class Api:
    """The application over an empty file, with keys that a test knows."""

    def __init__(self, folder: Path, base: str = "http://127.0.0.1:8080", **given: Any) -> None:
        path = folder / "views.duckdb"
        settings = Settings(views_path=path, **given)
        self.views = Views(settings)
        self.store = self.views._store = Store.open(path, self.views.applied)
        self.keyring = keyring_of(settings, *(made.record for made in KEYS.values()), now=time.time)
        self.app = create_app(self.views, keyring=self.keyring)
        self.doorway = Doorway(settings, Sink(settings), keyring=self.keyring)
        self.app.router.routes.extend(otlp_routes(self.doorway))
        self.client = TestClient(self.app, base, raise_server_exceptions=False)

    def ask(self, method: str, path: str, made: MadeKey | None = None, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {made.text}"} if made else {}
        headers |= more.pop("headers", {})
        return self.client.request(method, path, headers=headers, **more)

    def log_in(self, made: MadeKey, expect: int = 200) -> Any:
        answer = self.client.post(LOGIN, json={"key": made.text})
        assert answer.status_code == expect, answer.text
        return answer


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path, auth_required=True)
    yield api
    api.store.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path)
    yield api
    api.store.close()


def routes_of(api: Api) -> list[tuple[str, str]]:
    """Method and path, as a request has it, of every route there is."""
    found = []
    pending = list(api.app.routes)
    while pending:
        route = pending.pop()
        pending += getattr(getattr(route, "original_router", None), "routes", ())
        if not isinstance(route, Route):
            continue
        for method in route.methods or {"POST"}:  # OTLP's take every method, and answer POST
            found.append((method, route.path))
    described = {(method.upper(), path) for path, one in api.app.openapi()["paths"].items() for method in one}
    assert described <= {(method, re.sub(r":\w+}", "}", path)) for method, path in found}
    assert set(found) >= INGEST
    return sorted(found)


def path_of(path: str) -> str:
    """A path with something in the place of its parameters."""
    return "/".join("0123456789abcdef" if part.startswith("{") else part for part in path.split("/"))


def is_problem(answer: Any, status: int) -> bool:
    if answer.request.method == "HEAD":
        return bool(answer.status_code == status)
    if answer.headers["content-type"] == "application/problem+json":
        return bool(answer.json()["status"] == answer.status_code == status)
    assert answer.headers["content-type"] in ("application/x-protobuf", "application/json")
    return bool(answer.status_code == status)


def test_without_a_key_nothing_answers_but_what_is_open(closed: Api) -> None:
    answered = set()
    for method, path in routes_of(closed):
        answer = closed.ask(method, path_of(path))
        if (method, path) not in OPEN:
            assert is_problem(answer, 401), f"{method} {path}: {answer.status_code} {answer.text}"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        else:
            answered.add((method, path))
    assert answered == OPEN
    assert closed.ask("GET", "/no/such/path").status_code == 401


def test_a_key_of_too_little_scope_is_refused_by_every_route(closed: Api) -> None:
    for method, path in routes_of(closed):
        if (method, path) in OPEN:
            continue
        if (method, path) in INGEST:
            poor = [KEYS["read"], KEYS["write"]]
        elif method in ("GET", "HEAD"):
            poor = [KEYS["ingest"]]
        else:
            poor = [KEYS["ingest"], KEYS["read"]]
        if path.startswith(("/api/v1/keys", "/api/v1/query")):
            poor += [KEYS["read"], KEYS["write"]]
        for made in poor:
            answer = closed.ask(method, path_of(path), made)
            assert is_problem(answer, 403), (
                f"{method} {path} by {made.record.scopes}: {answer.status_code} {answer.text}"
            )


def test_a_key_of_enough_scope_is_let_in_by_every_route(closed: Api) -> None:
    for method, path in routes_of(closed):
        # A stream has no end: asked for what it does not take, it answers at once.
        wrong = "?surprise=1" if path.endswith("/stream") else ""
        answer = closed.ask(method, path_of(path) + wrong, KEYS["admin"])
        assert answer.status_code not in (401, 403), f"{method} {path}: {answer.text}"
    assert closed.ask("GET", "/metrics", KEYS["read"]).status_code == 200
    assert closed.ask("GET", "/openapi.json", KEYS["read"]).status_code == 200


def test_ready_tells_strangers_whether_and_no_more(closed: Api) -> None:
    for made, told in ((None, False), (KEYS["ingest"], False), (KEYS["read"], True)):
        page = closed.ask("GET", "/ready", made)
        assert page.status_code == 503
        assert bool(page.json()["reasons"]) == told
    here = TestClient(closed.app, "http://127.0.0.1", client=("127.0.0.1", 5000))
    assert here.get("/ready").json()["reasons"]
    assert not here.get("/ready", headers={"x-forwarded-for": "192.0.2.1"}).json()["reasons"]


def test_without_auth_nobody_needs_a_key_and_a_given_one_counts(opened: Api) -> None:
    assert opened.ask("GET", "/api/v1/traces").status_code == 200
    assert opened.ask("GET", "/api/v1/traces", headers={"authorization": "Basic eDp5"}).status_code == 200
    assert opened.ask("GET", "/api/v1/traces", headers={"authorization": "Bearer x.y"}).status_code == 200
    assert opened.ask("GET", "/api/v1/traces", key("admin")).status_code == 401
    assert opened.ask("GET", "/api/v1/traces", KEYS["ingest"]).status_code == 403
    assert opened.ask("POST", "/v1/traces", KEYS["read"]).status_code == 403
    assert opened.ask("POST", "/v1/traces", key("ingest")).status_code == 401


def test_until_the_keys_are_read_it_stays_shut(tmp_path: Path) -> None:
    api = Api(tmp_path, auth_required=True)
    api.keyring._follower._caught_up.clear()
    for path in ("/api/v1/traces", "/metrics"):
        answer = api.ask("GET", path, KEYS["admin"])
        assert is_problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert api.ask("GET", path).status_code == 401
    sent = api.ask("POST", "/v1/traces", KEYS["ingest"], headers={"content-type": "application/json"})
    assert (sent.status_code, sent.json()["code"]) == (503, 14)
    assert api.ask("GET", "/health").status_code == 200
    assert api.ask("POST", LOGIN, json={"key": KEYS["read"].text}).status_code == 503
    api.store.close()


def test_a_websocket_is_closed(closed: Api) -> None:
    from starlette.websockets import WebSocketDisconnect

    with (
        pytest.raises(WebSocketDisconnect),
        closed.client.websocket_connect("/api/v1/traces", headers={}),
    ):
        pass


class TestLogin:
    def test_the_cookie_opens_what_the_key_opens(self, closed: Api) -> None:
        answer = closed.log_in(KEYS["write"])
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}={KEYS['write'].id}.")
        for attribute in ("HttpOnly", "SameSite=strict", "Path=/", "expires="):
            assert attribute in cookie
        assert "Secure" not in cookie
        assert "Domain" not in cookie
        told = answer.json()
        assert (told["name"], told["scopes"]) == (KEYS["write"].id, ["read", "write"])
        assert KEYS["write"].secret not in answer.text + cookie
        assert closed.ask("GET", "/api/v1/traces").status_code == 200
        assert closed.ask("GET", LOGIN).json() == told

    def test_the_cookie_of_https_goes_by_https_alone(self, tmp_path: Path) -> None:
        api = Api(tmp_path, "https://lumina.example", auth_required=True)
        answer = api.log_in(KEYS["read"])
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        api.store.close()

    def test_changes_by_cookie_need_the_token(self, closed: Api) -> None:
        token = closed.log_in(KEYS["admin"]).json()["csrf_token"]
        change = ("POST", "/api/v1/keys/0123456789abcdef/revoke")
        for headers in ({}, {CSRF: ""}, {CSRF: token[:-1] + "x"}, {CSRF: "é"}):
            answer = closed.ask(*change, headers={k: v.encode() for k, v in headers.items()})
            assert is_problem(answer, 403)
            assert CSRF in answer.json()["detail"]
        assert closed.ask(*change, headers={CSRF: token}).status_code == 404
        closed.client.cookies.clear()
        assert closed.ask(*change, KEYS["admin"]).status_code == 404  # a key in a header is no cookie
        assert closed.ask(*change, headers={CSRF: token}).status_code == 401

    def test_the_token_is_of_this_login(self, closed: Api) -> None:
        other = closed.log_in(KEYS["write"]).json()["csrf_token"]
        closed.log_in(KEYS["admin"])
        change = ("POST", "/api/v1/keys/0123456789abcdef/revoke")
        assert closed.ask(*change, headers={CSRF: other}).status_code == 403

    def test_a_cookie_sends_no_otlp(self, closed: Api) -> None:
        token = closed.log_in(KEYS["admin"]).json()["csrf_token"]
        assert closed.ask("POST", "/v1/traces", headers={CSRF: token}).status_code == 401

    def test_logging_out_takes_the_cookie_away(self, closed: Api) -> None:
        token = closed.log_in(KEYS["read"]).json()["csrf_token"]
        assert closed.ask("DELETE", LOGIN).status_code == 403
        assert closed.ask("DELETE", LOGIN, headers={CSRF: token}).status_code == 204
        assert COOKIE not in closed.client.cookies
        assert closed.ask("GET", LOGIN).status_code == 401
        assert closed.ask("DELETE", LOGIN).status_code == 204

    def test_revoking_the_key_ends_it(self, closed: Api) -> None:
        made = key("read")
        tell(closed.keyring, made.record)
        closed.log_in(made)
        assert closed.ask("GET", "/api/v1/traces").status_code == 200
        tell(closed.keyring, revoked(made))
        assert closed.ask("GET", "/api/v1/traces").status_code == 401
        assert closed.ask("GET", LOGIN).status_code == 401
        closed.log_in(made, 401)

    def test_a_stale_cookie_shuts_nobody_out_where_no_key_is_required(self, opened: Api) -> None:
        opened.client.cookies.set(COOKIE, f"{'0' * 16}.1.{'0' * 64}")
        assert opened.ask("GET", "/api/v1/traces").status_code == 200
        told = opened.ask("GET", LOGIN).json()
        assert (told["name"], told["auth_required"], told["csrf_token"]) == ("anonymous", False, None)
        opened.log_in(KEYS["read"])
        assert opened.ask("GET", LOGIN).json()["name"] == KEYS["read"].id

    def test_failed_logins_are_slowed_and_others_are_not(self, closed: Api) -> None:
        for _ in range(FREE):
            closed.log_in(key("read"), 401)
        answer = closed.log_in(KEYS["read"], 429)
        assert answer.headers["retry-after"] == "1"
        elsewhere = TestClient(closed.app, "http://127.0.0.1", client=("192.0.2.9", 5000))
        assert elsewhere.post(LOGIN, json={"key": KEYS["read"].text}).status_code == 200

    @pytest.mark.parametrize(
        "body", [{}, {"key": ""}, {"key": 1}, {"key": "x", "more": 1}, {"key": "x" * 1001}]
    )
    def test_what_is_no_login(self, closed: Api, body: Any) -> None:
        assert is_problem(closed.client.post(LOGIN, json=body), 422)
        assert is_problem(closed.client.post(LOGIN, content=b"key=x"), 415)
        assert is_problem(closed.client.post(LOGIN, json={"key": "password"}), 401)


class TestForeignPages:
    CHANGE = ("POST", "/api/v1/keys/0123456789abcdef/revoke")

    def test_a_page_of_another_site_changes_nothing(self, opened: Api) -> None:
        for site in ("cross-site", "same-site"):
            headers = {"sec-fetch-site": site, "origin": "https://evil.example"}
            assert is_problem(opened.ask(*self.CHANGE, headers=headers), 403)
        for site in ("same-origin", "none"):
            assert opened.ask(*self.CHANGE, headers={"sec-fetch-site": site}).status_code == 404

    def test_one_that_is_named_does(self, tmp_path: Path) -> None:
        api = Api(tmp_path, cors_origins="https://good.example")
        headers = {"sec-fetch-site": "cross-site", "origin": "https://good.example"}
        assert api.ask(*self.CHANGE, headers=headers).status_code == 404
        headers["origin"] = "https://evil.example"
        assert api.ask(*self.CHANGE, headers=headers).status_code == 403
        api.store.close()

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("127.0.0.1:8080", 200),
            ("localhost:8080", 200),
            ("[::1]:8080", 200),
            ("lumina.localhost", 200),
            ("evil.example:8080", 403),
            ("localhost.evil.example", 403),
            ("evil.example.", 403),
        ],
    )
    def test_a_name_that_points_here_reads_nothing(self, opened: Api, host: str, status: int) -> None:
        assert opened.ask("GET", "/api/v1/traces", headers={"host": host}).status_code == status

    def test_a_key_opens_by_any_name(self, opened: Api) -> None:
        host = {"host": "lumina.example"}
        assert opened.ask("GET", "/api/v1/traces", KEYS["read"], headers=host).status_code == 200


class TestCrossOrigin:
    PREFLIGHT = {  # noqa: RUF012 - pytest collects classes without annotations
        "origin": "https://good.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,authorization,x-lumina-project",
    }

    @pytest.mark.parametrize("path", ["/api/v1/traces", "/v1/traces"])
    def test_named_origins_may_and_others_may_not(self, tmp_path: Path, path: str) -> None:
        api = Api(tmp_path, auth_required=True, cors_origins="https://good.example")
        allowed = api.ask("OPTIONS", path, headers=self.PREFLIGHT)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://good.example"
        assert "x-lumina-project" in allowed.headers["access-control-allow-headers"]
        assert "POST" in allowed.headers["access-control-allow-methods"]
        other = api.ask("OPTIONS", path, headers=self.PREFLIGHT | {"origin": "https://evil.example"})
        assert other.status_code == 400
        assert "access-control-allow-origin" not in other.headers
        refused = api.ask("GET", "/api/v1/traces", headers={"origin": "https://good.example"})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://good.example"
        api.store.close()

    def test_any_origin_comes_without_cookies(self, tmp_path: Path) -> None:
        api = Api(tmp_path, cors_origins="*")
        answer = api.ask("GET", "/api/v1/traces", headers={"origin": "https://a.example", "cookie": "a=b"})
        assert "access-control-allow-credentials" not in answer.headers
        assert api.ask("OPTIONS", "/v1/traces", headers=self.PREFLIGHT).status_code == 200
        api.store.close()

    def test_none_is_the_default(self, closed: Api) -> None:
        answer = closed.ask("OPTIONS", "/api/v1/traces", headers=self.PREFLIGHT)
        assert answer.status_code == 401
        assert "access-control-allow-origin" not in answer.headers


def test_every_answer_has_the_headers_of_security(closed: Api) -> None:
    for answer in (
        closed.ask("GET", "/api/v1/traces", KEYS["read"]),
        closed.ask("GET", "/api/v1/traces"),
        closed.ask("GET", "/health"),
        closed.ask("POST", "/v1/traces"),
        closed.ask("GET", "/no/such", KEYS["read"]),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers


def test_a_keyring_that_was_never_started_lets_nobody_in(tmp_path: Path) -> None:
    settings = Settings(views_path=tmp_path / "v.duckdb", auth_required=True)
    client = TestClient(create_app(Views(settings), keyring=Keyring(settings)), "http://127.0.0.1")
    assert client.get("/api/v1/traces").status_code == 401
    shown = {"authorization": f"Bearer {KEYS['admin'].text}"}
    assert client.get("/api/v1/traces", headers=shown).status_code == 503
