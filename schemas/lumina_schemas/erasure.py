"""Erasures: what is not to be seen any more. Values of `erasures/<id>` in `lumina.settings`.

Every rebuild and every replica of the views applies them, whatever the log still holds.
"""

from typing import Annotated

from msgspec import Meta, Struct

ERASURE_VERSION = 1

KIND = "erasures/"
"""What the key of an erasure in `lumina.settings` begins with; its id follows."""

Ns = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Erasure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hides spans of `project` that started before `before_ns`, with their contents, scores and corrections.

    With `user_id` or `session_id`: the whole traces that carry it. With neither: everything of the project,
    and alerts opened before.
    """

    v: int = ERASURE_VERSION
    project: Annotated[str, Meta(max_length=500)]
    before_ns: Ns  # Unix time
    user_id: Annotated[str, Meta(max_length=1000)] = ""
    session_id: Annotated[str, Meta(max_length=1000)] = ""
    by: Annotated[str, Meta(max_length=200)] = ""
