"""Which endpoint a span belongs to: the third part of its series' name.

`lumina.endpoint` | prompt name | agent or workflow name | route of the local root span | operation.
Never a span name: those carry the model, and a switch of model must not change the series.
"""

from lumina_schemas.mapping.fields import FIELDS, ROUTES, SCOPED, WORKFLOWS
from lumina_streams.core.span.draft import Draft
from lumina_streams.core.span.route import templated

_NAMES = {
    "endpoint": FIELDS["endpoint"],
    "prompt_name": FIELDS["prompt_name"],
    "workflow": WORKFLOWS,
    "route": ROUTES,
    "operation": FIELDS["operation"],
}
"""Attributes that an endpoint may come from, by field; in the order in which they are asked."""


def endpoint_of(draft: Draft, root: Draft | None) -> str:
    """The endpoint of a span; `root` is the serving span above it that has a route, if any."""
    return templated(
        draft.endpoint
        or draft.prompt_name
        or draft.workflow
        or (root.route if root is not None else "")
        or draft.operation
        or draft.kind
    )


def attribute_of(draft: Draft, root: Draft | None) -> str:
    """The attribute that the endpoint of a span comes from."""
    for field, names in _NAMES.items():
        told = root if field == "route" else draft
        if told is None or not getattr(told, field):
            continue
        rank = told.ranks.get(field)
        if rank is not None:
            return names[rank]
        scoped = SCOPED.get(told.context.scope, {})
        return next((name for name, means in scoped.items() if means == field), names[0])
    return names[0]  # what is no operation has only its kind for a name, and kinds are few
