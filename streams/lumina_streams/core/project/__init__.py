"""The transition of a project, one message of its log after the other: spend, budgets, their alerts."""
