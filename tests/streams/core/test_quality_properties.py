"""Whatever prompts and answers hold: no error, a score from 0 to 1, the same alerts, and a small state."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, get_args

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import conversations as c
from conversations import Talk
from lumina_schemas.alert import Alert
from lumina_schemas.score import Tier
from lumina_streams.core.series.call import Call, CallMessage, CallPart, CallTool, decode_line
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import SeriesState
from streams.core.bench import Table, Traffic, apply, fresh, message

COLD_BYTES = 64_000
HOT_BYTES = 16_000
LONG_CHARS = 100_000
RULES = Rules(min_samples=60)  # so that tests have what they learn by

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = "\0\u00ad\u200b\u200c\u200d\u2060\ufeff\u2028\u2029\x85\x1b\x7f"
MARKS = (
    "```",
    "```json",
    "```json\n{",
    "```\n```",
    "{",
    "[",
    "]",
    "}",
    '{"',
    '"',
    "'",
    "\\",
    "\\u",
    "- ",
    "|",
)
NUMBERS = ("1e999", "-0", "0x1f", "١٢٣", "１２３", "1,000.50", "1.000,50", "½", "²", "12/31/2026", "9" * 5000)
LANGUAGES = tuple(text for language in c.LANGUAGES.values() for text in (*language.told, *language.refused))


def nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + "1" + closing * depth


def repeated(piece: str, chars: int) -> str:
    return (piece * (chars // len(piece) + 1))[:chars]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=30,
)
pieces = st.one_of(
    st.text(max_size=200),
    st.text(st.sampled_from(BIDI + INVISIBLE + "ab1 שלום\n"), min_size=1, max_size=80),
    st.lists(st.sampled_from(BIDI + INVISIBLE), min_size=1, max_size=30).map("word ".join),
    st.sampled_from(MARKS),
    st.sampled_from(NUMBERS),
    st.sampled_from(LANGUAGES),
    st.builds(json.dumps, json_values),
    st.builds("```json\n{}\n```".format, st.builds(json.dumps, json_values)),
    st.builds(
        nested,
        st.integers(1, 20_000),
        st.sampled_from(['{"a":', "[", '[{"b":[']),
        st.sampled_from(["}", "]", "]}]", ""]),
    ),
    st.builds(repeated, st.text(min_size=1, max_size=60), st.integers(1, LONG_CHARS)),
)
texts = st.lists(pieces, min_size=1, max_size=4).map("".join)
with_surrogates = st.text(
    st.characters(categories=["Cs"]) | st.sampled_from("ab {}[]0\n"), min_size=1, max_size=60
)
"""No line of the log can hold a lone surrogate; a caller of the core can."""


class Said(NamedTuple):
    """Content of a call."""

    prompt: tuple[CallMessage, ...]
    answer: tuple[CallMessage, ...]
    tools: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    version: str = ""
    truncated: tuple[str, ...] = ()
    times: float = 1.0


def said(of: st.SearchStrategy[str]) -> st.SearchStrategy[Said]:
    """Content that holds such texts: a plain question and its answer, or anything anywhere."""
    parts = st.builds(CallPart, st.sampled_from(["text", "text", "reasoning", "image", ""]), st.none() | of)
    roles = st.sampled_from(["system", "user", "user", "assistant", "tool", ""])
    anything = st.builds(
        Said,
        prompt=_few(st.builds(CallMessage, roles, _few(parts))),
        answer=_few(st.builds(CallMessage, roles, _few(parts))),
        tools=_few(of),
        finish=_few(st.sampled_from(["stop", "length", "content_filter", "tool_calls", "ſTOP"]) | of),
        version=st.just("") | of,
        truncated=_few(st.sampled_from(["output_messages", "input_messages"])),
        times=st.sampled_from([1.0, 16.0]),
    )
    plain = st.builds(
        lambda asked, told: Said((message("user", asked),), (message("assistant", told),), finish=("stop",)),
        of | st.sampled_from([c.paris(random.Random(0)).question, "Where is my order 12345?"]),
        of,
    )
    return plain | anything


def _few(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=3).map(tuple)


def call_of(traffic: Traffic, content: Said) -> Call:
    return traffic.call(
        content.times,
        input_messages=content.prompt,
        output_messages=content.answer,
        tool_calls=tuple(CallTool(name) for name in content.tools),
        finish_reasons=content.finish,
        prompt_version=content.version,
        truncated=content.truncated,
    )


def talked(traffic: Traffic, talk: Talk, times: float = 1.0) -> Call:
    """The next call of a conversation."""
    exchange = talk(traffic.rng)
    return traffic.call(
        times,
        input_messages=(message("user", exchange.question),),
        output_messages=(message("assistant", exchange.answer),),
        prompt_version=exchange.version,
        finish_reasons=(exchange.finish,),
    )


TALKS: dict[str, tuple[Talk, Talk]] = {
    "names": (c.capitals, c.capitals_are_wrong),
    "numbers": (c.policy, c.policy_is_wrong),
    "json": (c.ticket, c.ticket_is_wrong),
    "poems": (c.poem, c.empty(c.poem)),
    "chinese": (c.support("Chinese"), c.declines("Chinese")),
}


def judged(state: SeriesState) -> None:
    """What the last call is worth, if anything, is a score and a tier."""
    if state.verdict is not None:
        assert 0.0 <= state.verdict.score <= 1.0
        assert state.verdict.tier in get_args(Tier)


@given(
    st.sampled_from(sorted(TALKS)),
    st.sampled_from([0, 30, 90]),
    said(st.one_of(texts, texts, texts, with_surrogates)),
)
@settings(max_examples=150, deadline=None)
def test_no_text_raises_and_each_has_a_score(talk: str, before: int, content: Said) -> None:
    """Once, then until it is a reference of its own, then among others again."""
    traffic, state = Traffic(seed=5), fresh()
    good, _ = TALKS[talk]
    for _ in range(before):
        apply(state, [talked(traffic, good)], RULES)
    for call in [call_of(traffic, content) for _ in range(20)] + [talked(traffic, good) for _ in range(10)]:
        apply(state, [call], RULES)
        judged(state)
    event(f"verdict: {'none' if state.verdict is None else state.verdict.tier}")


def test_no_line_of_the_log_holds_a_lone_surrogate() -> None:
    """So state and alerts, which cannot be written with one, never have to be."""
    line = msgspec.json.encode(call_of(Traffic(), Said((message("user", "HERE"),), ())))
    paired = decode_line(line.replace(b"HERE", b"\\ud83d\\ude00"))
    assert isinstance(paired, Call) and paired.input_messages[0].parts[0].content == "\U0001f600"
    for raw in (b"\\ud800", b"\\udc00x", b"\xed\xa0\x80"):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            decode_line(line.replace(b"HERE", raw))


Log = list[tuple[str, bool, int] | Said]
logs: st.SearchStrategy[Log] = st.lists(
    st.one_of(st.tuples(st.sampled_from(sorted(TALKS)), st.booleans(), st.integers(1, 30)), said(texts)),
    min_size=1,
    max_size=6,
)


def written(log: Log) -> list[Call]:
    """Calls: 70 usual ones, then stretches of conversations, good or bad, and single hostile calls; at the
    end refusals at many times the cost, so that there is an alert to compare."""
    traffic = Traffic(seed=8, sigma=0.2)
    calls = [talked(traffic, c.policy) for _ in range(70)]
    for entry in log:
        if isinstance(entry, Said):
            calls.append(call_of(traffic, entry))
        else:
            talk, bad, count = entry
            calls += [talked(traffic, TALKS[talk][bad], 16.0 if bad else 1.0) for _ in range(count)]
    refused = c.declines("English")
    return calls + [talked(traffic, refused, 16.0) for _ in range(15)]


@given(logs, st.data())
@settings(max_examples=40, deadline=None)
def test_writing_and_reading_the_state_between_any_two_calls_changes_nothing(
    log: Log, data: st.DataObject
) -> None:
    calls = written(log)
    cuts = data.draw(st.sets(st.integers(0, len(calls)), max_size=30))
    wanted = apply(fresh(), calls, RULES)
    assert wanted
    assert apply(fresh(), calls, RULES) == wanted
    kept, killed, table = fresh(), fresh(), Table()
    found: list[Alert] = []
    for place, call in enumerate(calls):
        if place in cuts:
            table.write(killed)
            killed = table.load()
            if kept.cold_dirty:
                kept.pack_cold()
            kept.pack_hot()
        found += apply(killed, [call], RULES)
        apply(kept, [call], RULES)
        assert (killed.verdict is None) == (kept.verdict is None)
        if killed.verdict is not None and kept.verdict is not None:
            assert killed.verdict.score == kept.verdict.score
    assert found == wanted
    assert (killed.pack_cold(), killed.pack_hot()) == (kept.pack_cold(), kept.pack_hot())


def digest() -> str:
    """Alerts and state of conversations that use every tier, as one hash."""
    every: Log = [(talk, bad, 25) for talk in sorted(TALKS) for bad in (False, True)]
    state, hashed = fresh(), sha256()
    for call in written(every):
        for alert in apply(state, [call], RULES):
            hashed.update(msgspec.json.encode(alert))
    hashed.update(state.pack_cold())
    hashed.update(state.pack_hot())
    return hashed.hexdigest()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_decides_the_same(seed: str) -> None:
    """Sets and dicts of words have another order in each process."""
    code = "from streams.core.test_quality_properties import digest; print(digest())"
    child = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert child.stdout.strip() == digest()


def sizes(calls: Sequence[Call]) -> Iterator[tuple[int, int]]:
    """(cold, hot) bytes whenever the cold state has changed, and of the hot state after every call."""
    state = fresh()
    cold = 0
    for call in calls:
        apply(state, [call], RULES)
        judged(state)
        if state.cold_dirty:
            cold = len(state.pack_cold())
        yield cold, len(state.pack_hot())


def largest(calls: Sequence[Call]) -> tuple[int, int]:
    """(cold, hot) bytes at their largest."""
    cold, hot = zip(*sizes(calls), strict=True)
    return max(cold), max(hot)


@given(logs)
@settings(max_examples=25, deadline=None)
def test_a_state_stays_small_whatever_is_sent(log: Log) -> None:
    cold, hot = largest(written(log))
    event(f"cold {cold // 8000 * 8} kB, hot {hot // 2000 * 2} kB")
    assert cold < COLD_BYTES
    assert hot < HOT_BYTES


def noise(rng: random.Random, chars: int, ranges: Sequence[range]) -> str:
    """Text that does not compress: words of random letters."""
    letters = map(chr, rng.choices(ranges[rng.randrange(len(ranges))], k=chars))
    text = "".join(letters)
    return " ".join(text[start : start + 6] for start in range(0, chars, 6))


LETTERS = (range(0x21, 0x7F), range(0x400, 0x500), range(0x4E00, 0xA000), range(0x10000, 0x20000))


def noisy(rng: random.Random, kind: str, chars: int) -> Said:
    """A call whose prompt and answer were never seen before, nor any word of them."""
    if kind == "json":
        value = {noise(rng, 12, LETTERS): noise(rng, 30, LETTERS) for _ in range(chars // 60)}
        answer = json.dumps(value, ensure_ascii=False)
    elif kind == "numbers":
        answer = " ".join(str(rng.randrange(10**12)) for _ in range(chars // 13))
    else:
        answer = noise(rng, chars, LETTERS)
    prompt = (message("system", noise(rng, 200, LETTERS)), message("user", noise(rng, chars, LETTERS)))
    return Said(prompt, (message("assistant", answer),), version=str(rng.randrange(30)))


@pytest.mark.parametrize("chars", [60, 700, 3000, 30_000])
@pytest.mark.parametrize("kind", ["words", "json", "numbers"])
@pytest.mark.parametrize("prompts", ["ever new", "the same"])
def test_a_state_stays_small_where_no_word_comes_twice(prompts: str, kind: str, chars: int) -> None:
    """Then all of it at many times the cost, until an alert holds what it shows."""
    rng, traffic = random.Random(3), Traffic(seed=4)
    count = 600 if chars < 100 else 200 if chars < 10_000 else 80
    same = noisy(rng, kind, chars)

    def content() -> Said:
        fresh_one = noisy(rng, kind, chars)
        return fresh_one if prompts == "ever new" else same._replace(answer=fresh_one.answer)

    calls = [call_of(traffic, content()) for _ in range(count)]
    calls += [call_of(traffic, content()._replace(times=20.0, finish=("length",))) for _ in range(20)]
    names = [f"a-model-or-release-{number:04}" for number in rng.sample(range(10_000), 40)]
    calls = [
        msgspec.structs.replace(
            call, request_model=rng.choice(names), release=rng.choice(names), scope=names[0]
        )
        for call in calls
    ]
    assert apply(fresh(), calls, RULES), "an alert is part of what the state holds"
    cold, hot = largest(calls)
    assert cold < COLD_BYTES
    assert hot < HOT_BYTES
