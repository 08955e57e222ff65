"""A stream worker with three bugs, each brought out by one kind of call: `python -m faults.entry.brittle`.

The bugs are real exceptions in the real core; everything around them is the worker that users run.
"""

from typing import Any

from lumina_streams import worker
from lumina_streams.core.series import step
from lumina_streams.core.span import normalise

MARK = bytes.fromhex("b117713e")
"""Span ids that start so bring out the bug whose number follows."""

UNREADABLE_SPAN, UNREADABLE_MESSAGE, UNJUDGEABLE = (MARK + bytes([number]) for number in (1, 2, 3))


class Bug(RuntimeError):
    """What a bug raises."""


def main() -> None:
    """Put the bugs in place and run a worker."""
    whole = normalise.normalise
    draft_of = normalise.draft_of  # type: ignore[attr-defined]
    judge = step.judge  # type: ignore[attr-defined]

    def brittle_draft(span: Any, *others: Any) -> Any:
        """One span cannot be read: it alone becomes a dead letter."""
        if span.span_id.startswith(UNREADABLE_SPAN):
            raise Bug
        return draft_of(span, *others)

    def brittle_message(request: Any, *others: Any) -> Any:
        """A whole message cannot be read."""
        for group in request.resource_spans:
            for scope in group.scope_spans:
                if any(span.span_id.startswith(UNREADABLE_MESSAGE) for span in scope.spans):
                    raise Bug
        return whole(request, *others)

    def brittle_judge(call: Any, *others: Any) -> Any:
        """detect fails halfway through a step."""
        if call.span_id.startswith(UNJUDGEABLE.hex()):
            raise Bug
        return judge(call, *others)

    bugs = (
        (normalise, "draft_of", brittle_draft),
        (normalise, "normalise", brittle_message),
        (step, "judge", brittle_judge),
    )
    for module, name, bug in bugs:
        setattr(module, name, bug)
    worker.main()


if __name__ == "__main__":
    main()
