"""With which settings no server starts."""

import subprocess
import sys
from typing import Any

import pytest

from lumina_api.access.binding import check_access, is_loopback
from lumina_api.access.origins import allowed_origins, cross_origin
from lumina_api.access.refused import AccessSettingsError
from lumina_api.stack.environment import environment
from lumina_schemas.settings import Settings

STRONG = "k" * 32


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("no-such-host.invalid", False),
        ("a" * 300, False),
    ],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "0.0.0.0", "auth_required": True},
        {"host": "0.0.0.0", "allow_open": True},
        {"admin_key": STRONG},
        {"cors_origins": "https://a.example, http://localhost:5173"},
    ],
)
def test_these_may_start(given: dict[str, Any]) -> None:
    check_access(Settings(**given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "AUTH_REQUIRED=1"),
        ({"host": "::"}, "LUMINA_ALLOW_OPEN=1"),
        ({"host": ""}, "bind 127.0.0.1"),
        ({"admin_key": STRONG[1:]}, "must have 32"),
        ({"admin_key": "lk_" + STRONG}, "must not begin"),
        ({"admin_key": STRONG + " "}, "cannot be sent"),
        ({"cors_origins": "https://a.example/path"}, "LUMINA_CORS_ORIGINS"),
        ({"cors_origins": "a.example"}, "LUMINA_CORS_ORIGINS"),
        ({"cors_origins": "null"}, "LUMINA_CORS_ORIGINS"),
    ],
)
def test_these_may_not_and_hear_what_to_do(given: dict[str, Any], said: str) -> None:
    with pytest.raises(AccessSettingsError) as caught:
        check_access(Settings(**given))
    assert said in str(caught.value)
    assert STRONG[1:] not in str(caught.value)


@pytest.mark.parametrize("module", ["lumina_api.gateway", "lumina_api.server"])
def test_the_process_ends_with_status_1(module: str) -> None:
    env = environment(Settings(host="0.0.0.0", port=23_001, otlp_http_port=23_002, otlp_grpc_port=23_003))
    ended = subprocess.run(
        [sys.executable, "-m", module], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "LUMINA_HOST" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_stack_says_so_before_it_starts_anything(tmp_path: Any) -> None:
    env = environment(Settings(host="0.0.0.0", data_dir=tmp_path, demo=False))
    ended = subprocess.run(
        [sys.executable, "-c", "from lumina_api.cli import app; app()", "up"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "AUTH_REQUIRED=1" in ended.stderr
    assert "Starting" not in ended.stderr


def test_any_origin_never_goes_with_cookies() -> None:
    assert allowed_origins(Settings(cors_origins="https://a.example,*")) == ["*"]
    assert cross_origin(["*"], cookies=True)["allow_credentials"] is False
    assert cross_origin(["https://a.example"], cookies=True)["allow_credentials"] is True
    assert cross_origin(["https://a.example"], cookies=False)["allow_credentials"] is False
    assert allowed_origins(Settings()) == []
