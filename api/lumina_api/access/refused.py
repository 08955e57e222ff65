"""Why a request is not let in, in words for REST, OTLP over HTTP and gRPC alike."""


class Refused(Exception):
    """A request that goes no further: 401 (who is it?), 403 (not allowed) or 503 (not known yet)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers of the answer."""
        if self.status == 401:
            return {"WWW-Authenticate": 'Bearer realm="lumina"'}
        return {"Retry-After": "1"} if self.status == 503 else {}


class AccessSettingsError(ValueError):
    """Settings with which no server may start: whoever comes would be let in, or nobody."""
