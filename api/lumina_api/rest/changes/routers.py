"""The routers of what people change."""

from lumina_api.rest.changes import (
    alerts,
    audit,
    budgets,
    erasures,
    keys,
    marks,
    prices,
    projects,
    rules,
    settings,
)

ROUTERS = tuple(
    one.router for one in (alerts, rules, prices, marks, budgets, projects, keys, erasures, settings, audit)
)
