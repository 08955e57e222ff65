"""Who comes with which key, on a clock of the test's own."""

import hmac
from datetime import timedelta

import pytest

from api.access.keyrings import NOW, NOW_AT, Lying, key, keyring_of, lying, revoked, tell
from lumina_api.access.keyring import ADMIN_KEY, Keyring
from lumina_api.access.principal import ANONYMOUS
from lumina_api.access.refused import Refused
from lumina_api.access.uses import EVERY_S
from lumina_schemas.settings import Settings

OPEN, CLOSED = Settings(), Settings(auth_required=True)


def refused(keyring: Keyring, token: str) -> Refused:
    with pytest.raises(Refused) as caught:
        keyring.caller([f"Bearer {token}"])
    return caught.value


@pytest.mark.parametrize("settings", [OPEN, CLOSED])
def test_a_key_says_who_comes(settings: Settings) -> None:
    made = key("ingest", "read", project="shop")
    caller = keyring_of(settings, made.record).caller([f"Bearer {made.text}"])
    assert caller is not None
    assert (caller.name, caller.project) == (made.id, "shop")
    assert caller.open == {"ingest", "read"}


@pytest.mark.parametrize("settings", [OPEN, CLOSED])
def test_a_key_that_opens_nothing_is_refused_whether_one_is_required_or_not(settings: Settings) -> None:
    good, other = key("admin"), key("admin")
    keyring = keyring_of(settings, good.record)
    assert refused(keyring, other.text).status == 401
    assert refused(keyring, f"lk_{good.id}_{other.secret}").status == 401
    assert refused(keyring, f"lk_{other.id}_{good.secret}").status == 401
    assert refused(keyring, good.text[:-1]).status == 401


def test_unknown_and_wrong_are_told_alike() -> None:
    good, other = key(), key()
    keyring = keyring_of(CLOSED, good.record)
    unknown, wrong = refused(keyring, other.text), refused(keyring, f"lk_{good.id}_{other.secret}")
    assert unknown.message == wrong.message


def test_a_key_ends_when_it_expires() -> None:
    now = [NOW]
    made = key(expires_at=NOW_AT + timedelta(seconds=10))
    keyring = keyring_of(CLOSED, made.record, now=lambda: now[0])
    now[0] += 9.9
    assert keyring.caller([f"Bearer {made.text}"])
    now[0] += 0.1
    assert "expired" in refused(keyring, made.text).message


def test_a_key_ends_when_it_is_revoked_removed_or_unreadable() -> None:
    first, second, third, fourth = (key() for _ in range(4))
    keyring = keyring_of(CLOSED, first.record, second.record, third.record, fourth.record)
    tell(
        keyring,
        revoked(first),
        Lying(b"keys/" + second.id.encode(), None),
        Lying(b"keys/" + third.id.encode(), b"{}"),
        Lying(b"keys/" + fourth.id.encode(), lying(first.record).value),
    )
    assert "revoked" in refused(keyring, first.text).message
    for made in (second, third, fourth):
        assert refused(keyring, made.text).status == 401


def test_what_a_key_has_opened_ends_with_it() -> None:
    made, other = key(), key()
    keyring = keyring_of(CLOSED, made.record, other.record)
    holder, stays = keyring.holder(made.text), keyring.holder(other.text)
    assert holder is not None
    assert stays is not None
    assert keyring.still(holder)
    tell(keyring, revoked(made))
    assert not keyring.still(holder)
    assert keyring.still(stays)
    assert not keyring.still(ANONYMOUS)
    assert keyring_of(OPEN).still(ANONYMOUS)


def test_reading_anew_keeps_the_known_until_all_is_read() -> None:
    made, gone = key(), key()
    keyring = keyring_of(CLOSED, made.record, gone.record)
    keyring._keys.begin()
    assert keyring.caller([f"Bearer {gone.text}"])
    tell(keyring, made.record)
    keyring._keys.complete()
    assert keyring.caller([f"Bearer {made.text}"])
    assert refused(keyring, gone.text).status == 401


@pytest.mark.parametrize("settings", [OPEN, CLOSED])
def test_until_the_keys_are_read_no_key_is_good_and_none_is_bad(settings: Settings) -> None:
    keyring = Keyring(settings)
    failure = refused(keyring, key().text)
    assert (failure.status, failure.headers["Retry-After"]) == (503, "1")
    with pytest.raises(Refused) as caught:
        keyring.entered("0123456789abcdef.9999999999." + "0" * 64)
    assert caught.value.status == 503


def test_without_a_key_comes_anybody_or_nobody() -> None:
    assert Keyring(OPEN).anybody() is ANONYMOUS
    with pytest.raises(Refused, match="lumina keys create"):
        Keyring(CLOSED).anybody()


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer eyJhbGciOi.J9.x", "Digest x"])
def test_another_systems_authorization_is_not_looked_at(header: str) -> None:
    assert keyring_of(OPEN).caller([header]) is None


def test_the_admin_key_needs_no_kafka() -> None:
    secret = "s3cret-" * 6
    keyring = Keyring(Settings(admin_key=secret, auth_required=True))
    caller = keyring.caller([f"Bearer {secret}"])
    assert caller is not None
    assert (caller.name, caller.project, caller.may("ingest")) == (ADMIN_KEY, "", True)
    assert keyring.caller([f"Bearer {secret[:-1]}"]) is None
    session = keyring.log_in(caller)
    entered = keyring.entered(session.cookie)
    assert entered is not None
    assert entered.principal == caller
    other = Keyring(Settings(admin_key=secret[::-1], auth_required=True))
    assert other.entered(session.cookie) is None


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []
    real = hmac.compare_digest

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    made, other = key(), key()
    keyring = keyring_of(Settings(admin_key="a" * 32), made.record)
    assert keyring.caller([f"Bearer {made.text}"])
    assert [b for _, b in compared][1] == made.record.sha256
    count = len(compared)
    assert refused(keyring, other.text).status == 401
    assert len(compared) == count * 2  # an unknown id is compared too
    cookie = keyring.log_in(keyring.caller([f"Bearer {made.text}"])).cookie  # type: ignore[arg-type]
    compared.clear()
    assert keyring.entered(cookie)
    assert len(compared) == 1


def test_sessions_end_with_time_and_with_their_key() -> None:
    now = [NOW]
    made = key("read", expires_at=NOW_AT + timedelta(minutes=30))
    settings = Settings(auth_required=True, session_hours=1)
    keyring = keyring_of(settings, made.record, now=lambda: now[0])
    replica = keyring_of(settings, made.record, now=lambda: now[0])
    caller = keyring.caller([f"Bearer {made.text}"])
    assert caller is not None
    session = keyring.log_in(caller)
    assert session.ends == int(NOW) + 1_800  # not longer than the key
    entered = replica.entered(session.cookie)
    assert entered is not None
    assert entered.principal == caller
    tell(replica, revoked(made))
    assert replica.entered(session.cookie) is None
    now[0] += 1_800
    assert keyring.entered(session.cookie) is None
    assert keyring.entered("no cookie of ours") is None
    assert keyring.entered(f"{'f' * 16}.9999999999.{'0' * 64}") is None


def test_a_use_is_told_once_a_minute() -> None:
    now = [NOW]
    made = key()
    keyring = keyring_of(CLOSED, made.record, now=lambda: now[0])
    for _ in range(100):
        keyring.caller([f"Bearer {made.text}"])
    ((use, _),) = keyring.uses._due.values()
    assert (use.id, use.at) == (made.id, NOW_AT)
    keyring.uses._due.clear()
    now[0] += EVERY_S - 1
    keyring.caller([f"Bearer {made.text}"])
    assert not keyring.uses._due
    now[0] += 1
    keyring.caller([f"Bearer {made.text}"])
    assert keyring.uses._due
    assert keyring.uses.last.of(made.id) == NOW_AT + timedelta(seconds=EVERY_S)
