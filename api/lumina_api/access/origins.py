"""Whose pages may call Lumina from a browser (CORS), by LUMINA_CORS_ORIGINS."""

import re
from typing import Any

from lumina_api.access.refused import AccessSettingsError
from lumina_schemas.settings import Settings

ANY = ["*"]

_ORIGIN = re.compile(r"https?://[^/?#\s@]+", re.ASCII)
_SHOWN = ("Lumina-Position", "Retry-After", "WWW-Authenticate")
_SHOWN_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Used", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def cross_origin(origins: list[str], *, cookies: bool) -> dict[str, Any]:
    """Arguments of Starlette's CORSMiddleware. Cookies go with named origins alone.

    Exporters in browsers send headers of their users' choice: all are allowed, as none opens anything by
    itself.
    """
    return {
        "allow_origins": origins,
        "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": ["*"],
        "allow_credentials": cookies and origins != ANY,
        "expose_headers": [*_SHOWN, *_SHOWN_LIMITS],
        "max_age": 600,
    }


def allowed_origins(settings: Settings) -> list[str]:
    """Origins of LUMINA_CORS_ORIGINS, `["*"]` for any. Raises AccessSettingsError where one is none."""
    origins = [origin for part in settings.cors_origins.split(",") if (origin := part.strip())]
    if "*" in origins:
        return ANY
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise AccessSettingsError(
                f"LUMINA_CORS_ORIGINS has {origin!r}: an origin is a scheme, a host and a port that is not "
                "the scheme's own, such as https://a.example or http://localhost:5173, without a path."
            )
    return [origin.lower() for origin in origins]
