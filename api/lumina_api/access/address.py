"""Where a request comes from."""

from ipaddress import ip_address

from starlette.requests import HTTPConnection


def address_of(request: HTTPConnection) -> str:
    """The client's address; behind a proxy that uvicorn trusts (FORWARDED_ALLOW_IPS) the one it names."""
    return request.client.host if request.client else ""


def is_here(request: HTTPConnection) -> bool:
    """Whether a request comes from this machine, and not through a proxy on it."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ip_address(address_of(request)).is_loopback
    except ValueError:
        return False
