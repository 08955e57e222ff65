"""Who answered: one canonical provider name from what the span, its host and its model say."""

from functools import lru_cache

from lumina_schemas.mapping.providers import (
    HOSTS,
    MODEL_PREFIXES,
    PROVIDERS,
    ROUTED_PREFIXES,
    VENDOR_SEPARATOR,
)

MAX_CHARS = 100


@lru_cache(maxsize=4096)
def provider_of(named: str, host: str, model: str) -> str:
    """Canonical provider, or "" where nothing tells.

    `named` is what the span says, `host` the server's address or URL, `model` any model name.
    """
    address = host.partition("://")[2].partition("/")[0] if "://" in host else host
    address = address.partition(":")[0]
    for end, provider in HOSTS:
        if address == end or address.endswith("." + end):
            return provider
    spelled = named.lower()[:MAX_CHARS]
    known = PROVIDERS.get(spelled) or PROVIDERS.get(spelled.partition(VENDOR_SEPARATOR)[0])
    low = model.lower()
    if known in (None, "anthropic") and (low.startswith("arn:aws:bedrock") or "anthropic.claude" in low):
        return "aws.bedrock"
    if known is not None:
        return known
    if spelled:
        return spelled
    prefix, slash, _ = low.partition("/")
    if slash and ROUTED_PREFIXES.get(prefix):
        return ROUTED_PREFIXES[prefix]
    for start, provider in MODEL_PREFIXES.items():
        if low.startswith(start):
            return provider
    return ""


def unrouted(model: str, provider: str) -> str:
    """A model's own name, without a router's prefix that only says the provider once more."""
    prefix, slash, rest = model.partition("/")
    routed = ROUTED_PREFIXES.get(prefix.lower()) if slash else None
    return rest if routed is not None and routed in ("", provider) and rest else model
