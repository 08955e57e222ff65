"""Who may do what: API keys, the principal that a request comes from, logins of the dashboard."""
