"""Times as users write them to a command."""

import time

import typer


def nanoseconds_of(text: str) -> int:
    """A time as a user writes it, `7d` before now or RFC 3339, in Unix ns."""
    from lumina_api.rest.moment import moment  # brings all of REST with it: half of the start of a command

    try:
        return moment(text).resolve(time.time_ns())
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error


def nanoseconds_after(text: str) -> int:
    """A length from now on as a user writes it, such as `4h`: its end in Unix ns."""
    from lumina_api.rest.moment import moment

    try:
        length = moment(text)
    except ValueError:
        length = None
    if length is None or not length.before_now:
        raise typer.BadParameter(f"{text!r} is no length of time such as 30m, 4h or 2d.")
    return time.time_ns() + length.ns
