"""REST over the views: one module a resource."""

from lumina_api.rest.app import create_app

__all__ = ["create_app"]
