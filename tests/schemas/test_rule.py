"""Rules as people write them: what the types refuse."""

from typing import Any

import msgspec
import pytest

from lumina_schemas.rule import Rule, RuleChange
from lumina_schemas.settings import Settings

OVERRIDES = set(Rule.__struct_fields__) - {"v", "project", "service", "endpoint", "off", "severity"}
BOUNDS = ("ge", "gt", "le", "lt")


def read(**fields: Any) -> Rule:
    return msgspec.json.decode(msgspec.json.encode({"v": 1} | fields), type=Rule)


def test_a_rule_survives_its_encoding_and_names_only_what_it_changes() -> None:
    rule = read(project="shop", cost_spike_pct=50, silent_after_s=3600)
    line = msgspec.json.encode(rule)
    assert msgspec.json.decode(line) == {
        "v": 1,
        "project": "shop",
        "cost_spike_pct": 50.0,
        "silent_after_s": 3600.0,
    }
    assert msgspec.json.decode(line, type=Rule) == rule


def test_bounds_are_those_of_the_settings() -> None:
    for name in OVERRIDES:
        (of_setting,) = (info.metadata for field, info in Settings.model_fields.items() if field == name)
        bounds = {key: getattr(one, key) for one in of_setting for key in BOUNDS if hasattr(one, key)}
        (described, null) = msgspec.json.schema(Rule)["$defs"]["Rule"]["properties"][name]["anyOf"]
        names = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
        assert {names[key]: value for key, value in described.items() if key in names} == bounds
        assert null == {"type": "null"}
        assert bounds


@pytest.mark.parametrize(
    "fields",
    [
        {"v": "1"},
        {"project": None},
        {"endpoint": "x" * 501},
        {"cost_spike_pct": 0},
        {"cost_spike_pct": "50"},
        {"quality_min": 1.1},
        {"correlation_s": 0},
        {"min_samples": 9},
        {"min_samples": 1 << 70},
        {"min_samples": 50.5},
        {"cooldown_s": -1},
        {"silent_after_s": 0},
        {"silent_after_s": 31_536_001},
    ],
)
def test_the_types_refuse(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**fields)


@pytest.mark.parametrize("change", [{"id": ""}, {"id": "x" * 101}, {"src": None}])
def test_a_change_in_the_log_has_an_id_and_a_position(change: dict[str, Any]) -> None:
    fine = {"v": 1, "id": "shop", "src": ["epoch", "control", 2, 7, 0]}
    assert msgspec.json.decode(msgspec.json.encode(fine), type=RuleChange).rule is None
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(fine | change), type=RuleChange)
