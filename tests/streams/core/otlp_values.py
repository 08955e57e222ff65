"""Python values as OTLP attributes."""

from typing import Any


def fill(attributes: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        put(attributes.add(key=key).value, value)


def put(any_value: Any, value: Any) -> None:
    if isinstance(value, bool):
        any_value.bool_value = value
    elif isinstance(value, str):
        any_value.string_value = value
    elif isinstance(value, int):
        any_value.int_value = value
    elif isinstance(value, float):
        any_value.double_value = value
    elif isinstance(value, bytes):
        any_value.bytes_value = value
    elif isinstance(value, list):
        any_value.array_value.SetInParent()
        for item in value:
            put(any_value.array_value.values.add(), item)
    elif isinstance(value, dict):
        any_value.kvlist_value.SetInParent()
        fill(any_value.kvlist_value.values, value)
