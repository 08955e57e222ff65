"""Who asks: what every request is answered by, be it REST, server-sent events, OTLP over HTTP or gRPC."""

from dataclasses import dataclass

from lumina_schemas.key import Scope

PRINCIPAL = "lumina.principal"
"""Where a request's scope (ASGI) holds its Principal, once the gate has found it."""

_IMPLIED: dict[Scope, frozenset[Scope]] = {
    "ingest": frozenset({"ingest"}),
    "read": frozenset({"read"}),
    "write": frozenset({"read", "write"}),
    "admin": frozenset({"ingest", "read", "write", "admin"}),
}


@dataclass(frozen=True)
class Principal:
    """Who asks, and what is open to them."""

    name: str
    """Id of the API key, `admin-key` or `anonymous`; goes into the audit log."""
    scopes: frozenset[Scope]
    project: str = ""
    """The one project that is seen and sent to; "" is all of them."""

    def may(self, scope: Scope) -> bool:
        """Whether a scope is open; a wider one contains it."""
        return any(scope in _IMPLIED[held] for held in self.scopes)

    @property
    def open(self) -> frozenset[Scope]:
        """All scopes that are open."""
        return frozenset[Scope]().union(*(_IMPLIED[held] for held in self.scopes))

    def sees(self, project: str) -> bool:
        """Whether what is of this project may be shown."""
        return not self.project or self.project == project


ANONYMOUS = Principal("anonymous", frozenset({"admin"}))
"""Anybody, where no key is required."""
