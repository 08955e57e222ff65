"""The parameter `attribute`: `key=value`, or a key alone where it must only be there."""

from collections.abc import Iterable

from lumina_api.views.filters import Attribute


def attributes(asked: Iterable[str]) -> tuple[Attribute, ...]:
    r"""What was asked for, one attribute a key. In a key `\=` stands for = and `\\` for \.

    A key that is asked for alone and with values asks for the values.
    """
    values: dict[str, list[str]] = {}
    for text in asked:
        key, value = _split(text)
        values.setdefault(key, []).extend([] if value is None else [value])
    return tuple(Attribute(key, tuple(found)) for key, found in values.items())


def _split(text: str) -> tuple[str, str | None]:
    """The key, and what stands behind the first = that is not escaped."""
    key: list[str] = []
    characters = iter(enumerate(text))
    for place, character in characters:
        if character == "=":
            return "".join(key), text[place + 1 :]
        if character == "\\" and text[place + 1 : place + 2] in ("\\", "="):
            _, character = next(characters)
        key.append(character)
    return "".join(key), None
