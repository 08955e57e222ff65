"""What can be wrong with an OTLP request as a whole."""


class Undecodable(ValueError):
    """The bytes are no OTLP request of the expected kind; the text says why and never quotes content."""


class TooComplex(Undecodable):
    """The request has more parts than anybody sends in good faith: reading it would cost memory and time."""


def explained(error: Undecodable, request: str, encoding: str) -> Undecodable:
    """The error with what was expected before it: `request` is a message's name."""
    if isinstance(error, TooComplex):
        return error
    return Undecodable(f"The body is no {request} in {encoding}: {error}.")
