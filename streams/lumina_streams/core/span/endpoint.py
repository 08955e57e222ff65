"""Which endpoint a span belongs to: the third part of its series' name.

`lumina.endpoint` | prompt name | agent or workflow name | route of the local root span | operation.
Never a span name: those carry the model, and a switch of model must not change the series.
"""

MAX_CHARS = 200
"""An endpoint is a name; a sender that puts a text there must not bloat every key."""


def endpoint_of(named: str, prompt: str, workflow: str, route: str, operation: str, kind: str) -> str:
    """First of the given that is not empty; `kind` names spans that are no operation at all."""
    name = named or prompt or workflow or route or operation or kind
    return name if len(name) <= MAX_CHARS else name[:MAX_CHARS]
