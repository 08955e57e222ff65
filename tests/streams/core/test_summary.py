"""The alert in a sentence: one snapshot a kind and a cause, and hostile names made harmless."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.alert import AlertKind, Baseline, Cause, Signal
from lumina_streams.core.alert.kind import LEADING
from lumina_streams.core.alert.plain import plain
from lumina_streams.core.alert.summary import (
    SUMMARY_CHARS,
    figure,
    length,
    percent,
    place_of,
    price_command,
    summarise,
    times,
)

SINCE_MS = 1_767_276_120_000  # 2026-01-01 14:02 UTC
NOW_MS = SINCE_MS + 300_000


def signal(kind: Any, value: float, usual: float, n: int = 64, **fields: Any) -> Signal:
    return Signal(
        kind=kind,
        value=value,
        baseline=Baseline(usual, usual * 2, 300, "24h"),
        ratio=value / usual if usual else 1.0,
        significance=1.2,
        n=n,
        since="2026-01-01T14:02:00.000Z",
        **fields,
    )


COST = signal("cost_spike", 0.0088, 0.0042)
QUALITY = signal("quality_drop", 0.31, 0.93, n=40, detail="85% of answers refuse", unit="score")
TOKENS = signal("cost_spike", 2500, 1200, unit="tokens_per_call")
SPEND = signal("spend_spike", 2.48, 0.4, unit="usd_per_min")
LATENCY = signal("latency_spike", 2480, 800, n=31, unit="ms")
ERRORS = signal("error_spike", 0.34, 0.005, n=50, unit="share")
UNPRICED = signal("unpriced", 0.85, 0.0, n=20, unit="share")
SILENT = signal("no_data", 900, 6, unit="s")
LIMIT = signal("series_limit", 10_007, 10_000, unit="series", detail="http.route")
MODEL = Cause("request_model", "gpt-4o-mini", "gpt-4o", 1.0)
Case = tuple[AlertKind, list[Signal], Cause | None, float | None]
CASES: dict[str, Case] = {
    "cost": ("cost_spike", [COST], MODEL, 38.2),
    "cost, a canary": ("cost_spike", [COST], Cause("request_model", "gpt-4o-mini", "gpt-4o", 0.31), 0.4),
    "cost, nothing stands out": ("cost_spike", [COST], None, None),
    "cost, less in all": ("cost_spike", [COST], None, -3.0),
    "cost by tokens": ("cost_spike", [TOKENS], Cause("input_tokens", "1000", "2300", 1.0), None),
    "prompt version": ("cost_spike", [COST], Cause("prompt_version", "v7", "v8", 1.0), 38.2),
    "release": ("cost_spike", [COST], Cause("release", "1.3", "1.4", 0.5), 38.2),
    "cache": ("cost_spike", [COST], Cause("cache_hits", "80%", "5%", 1.0), 38.2),
    "price": ("cost_spike", [COST], Cause("price", "0.15", "0.31", 1.0), 38.2),
    "mark": ("cost_spike", [COST], Cause("mark", "", "release 1.4", 1.0), 38.2),
    "spend": ("spend_spike", [SPEND], Cause("volume", "95", "590", 1.0), 124.8),
    "latency": ("latency_spike", [LATENCY], Cause("output_tokens", "200", "640", 1.0), None),
    "errors": ("error_spike", [ERRORS], Cause("error_type", "none", "RateLimitError", 0.92), None),
    "unpriced": ("unpriced", [UNPRICED], Cause("unpriced_model", "gpt-4o", "gpt-9", 0.85), None),
    "silence": ("no_data", [SILENT], None, None),
    "series limit": ("series_limit", [LIMIT], None, None),
    "quality": ("quality_drop", [QUALITY], None, None),
    "cost and quality": ("cost_and_quality", [COST, QUALITY], MODEL, 38.2),
    "three": ("cost_spike", [COST, SPEND, LATENCY], MODEL, 38.2),
    "many": ("cost_and_quality", [COST, QUALITY, SPEND, ERRORS, LATENCY], None, None),
    "errors and silence": ("error_spike", [ERRORS, SILENT], None, None),
    "cost, adopted": ("cost_spike", [COST], MODEL, 38.2),
    "latency, adopted": ("latency_spike", [LATENCY], None, None),
    "errors, adopted": ("error_spike", [ERRORS], None, None),
}
SENTENCES = dict(
    line.split(": ", 1) for line in Path(__file__).with_name("summaries.txt").read_text().splitlines()
)


def test_every_kind_and_every_sentence_has_its_snapshot() -> None:
    assert set(SENTENCES) == set(CASES)
    assert {kind for kind, *_ in CASES.values()} == {*LEADING, "cost_and_quality"}


@pytest.mark.parametrize("name", CASES)
def test_an_alert_is_one_plain_sentence(name: str) -> None:
    kind, signals, cause, impact = CASES[name]
    adopted = name.endswith("adopted")
    text = summarise("checkout", "answer", kind, signals, SINCE_MS, NOW_MS, cause, impact, adopted)
    assert text == SENTENCES[name]


def test_a_day_is_named_where_it_is_not_today() -> None:
    later = summarise("checkout", "answer", "cost_spike", [COST], SINCE_MS, NOW_MS + 86_400_000, None, None)
    assert later.endswith("since 2026-01-01 14:02.")


def test_a_price_is_set_with_the_topic_that_is_in_use() -> None:
    assert "-t shop.settings " in price_command("m", "shop.settings")
    assert price_command("meta-llama/Llama-3.1:70b").startswith(
        'echo \'prices/meta-llama-Llama-3.1-70b:{"model":"meta-llama/Llama-3.1:70b",'
    )


@pytest.mark.parametrize(
    "model", ["x'; rm -rf ~; echo '", "a\nb", 'a"b', "$(id)", "`id`", "m" * 101, "", "-n"]
)
def test_a_hostile_model_never_gets_into_the_command(model: str) -> None:
    assert price_command(model) == price_command("MODEL")


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("/chat", "shop/chat"),
        ("ticket-reply", "shop/ticket-reply"),
        ("/v1/chat", "shop/v1/chat"),
        ("/", "shop/"),
    ],
)
def test_a_route_brings_its_slash_along(endpoint: str, place: str) -> None:
    assert place_of("shop", endpoint) == place


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.0042, "0.0042"),
        (0.4, "0.40"),
        (2.48, "2.5"),
        (9.96, "10"),
        (38.2, "38"),
        (1234.5, "1,234"),
        (0.0996, "0.10"),
        (0.000012345, "0.000012"),
        (0, "0"),
        (1e-13, "0"),
        (-3.21, "-3.2"),
        (0.999, "1.0"),
    ],
)
def test_a_figure_has_two_digits_that_count(amount: float, shown: str) -> None:
    assert figure(amount) == shown


def test_shares_ratios_and_lengths_read_as_people_say_them() -> None:
    assert [percent(share) for share in (0, 0.005, 0.05, 0.099, 0.34, 1)] == [
        "0%",
        "0.5%",
        "5%",
        "9.9%",
        "34%",
        "100%",
    ]
    assert [times(ratio) for ratio in (1.24, 2.0, 9.99, 61.2, 12_345)] == [
        "1.2x",
        "2.0x",
        "10x",
        "61x",
        "12,345x",
    ]
    assert [length(s) for s in (0.8, 2.48, 6, 75, 5400)] == ["800 ms", "2.5 s", "6 s", "1.2 min", "1.5 h"]


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "\x1b[2J\x1b[31mred",
            "a\r\nb",
            "<script>alert(1)</script>",
            "[click](http://evil)",
            "`rm`",
            "<!channel>",
            "\u202egnp.exe",
            "@here",
            "x" * 10_000,
            "\ud800",
            "\x00",
            "\u2028",
            "  \t ",
            "a\\nb",
        ]
    ),
)


def harmless(text: str) -> bool:
    hidden = any(unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" for char in text)
    return not hidden and not {"<", ">", "\\"} & set(text) and "](" not in text and "@here" not in text


@given(HOSTILE, st.integers(1, 200))
def test_a_text_of_others_is_one_short_harmless_line(text: str, chars: int) -> None:
    shown = plain(text, chars)
    assert len(shown) <= chars
    assert harmless(shown) and "`" not in shown
    assert plain(shown, chars) == shown


@given(
    HOSTILE,
    HOSTILE,
    HOSTILE,
    st.sampled_from(sorted(CASES)),
    st.sampled_from(["request_model", "release", "mark", "error_type", "price", "unpriced_model"]),
)
def test_hostile_names_make_no_hostile_sentence(
    service: str, endpoint: str, name: str, case: str, what: str
) -> None:
    kind, signals, *_ = CASES[case]
    text = summarise(service, endpoint, kind, signals, SINCE_MS, NOW_MS, Cause(what, name, name, 1.0), 1.0)
    assert len(text) <= SUMMARY_CHARS
    assert harmless(text.replace("->", ""))
