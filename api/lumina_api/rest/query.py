"""`/api/v1/query`: one SELECT over the views, for whoever may see everything."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.query.runner import MOST_BYTES, MOST_ROWS, MOST_S, Busy, Runner, TookTooLong, TookTooMuch
from lumina_api.query.statement import MOST_CHARS, Refused
from lumina_api.rest.answer import answer
from lumina_api.rest.changes.change import Change
from lumina_api.rest.doors import AnyViews, Caller, needs, no_parameters
from lumina_api.rest.problem import Problem, wrong_parameter

router = APIRouter(
    prefix="/api/v1", tags=["query"], dependencies=[Depends(needs("admin")), Depends(no_parameters)]
)


class Question(BaseModel):
    """A statement."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        min_length=1,
        max_length=MOST_CHARS,
        description="One SELECT (or WITH ... SELECT) over spans, calls, traces, contents, scores, "
        "corrections, "
        "alerts, calls_5m.",
        examples=["SELECT model, count(*) AS calls, sum(cost_usd) AS cost_usd FROM calls GROUP BY model"],
    )
    limit: int = Field(default=MOST_ROWS, ge=1, le=MOST_ROWS, description="Most rows of the answer.")


class QueryColumn(BaseModel):
    """A column of the answer."""

    name: str
    type: str = Field(description="DuckDB's name of its type", examples=["VARCHAR", "DOUBLE"])


class QueryAnswer(BaseModel):
    """What the statement has found."""

    columns: list[QueryColumn]
    rows: list[list[object]] = Field(
        description="Values in the order of the columns. Times are ISO 8601, intervals seconds; whole "
        "numbers "
        "beyond 64 bits are text."
    )
    truncated: bool = Field(
        description=f"More rows follow than the limit, or than {MOST_BYTES // 10**6} MB hold"
    )
    elapsed_ms: float = Field(description="Time taken, ms")


def unbound(caller: Caller) -> None:
    """Refuses keys of one project: SQL reads the rows of all."""
    if caller.project:
        raise Problem(
            403,
            f"The key `{caller.name}` is of project {caller.project}; SQL reads the rows of every project. "
            "Ask with an admin key without a project.",
        )


def runner_of(request: Request) -> Runner:
    """Where statements run."""
    runner = request.app.state.runner
    assert isinstance(runner, Runner)
    return runner


@router.post("/query", response_model=QueryAnswer, dependencies=[Depends(unbound)])
async def query(
    change: Change,
    views: AnyViews,
    runner: Annotated[Runner, Depends(runner_of)],
    asked: Annotated[Question, Body()],
) -> Response:
    """Run one SELECT over the views, read-only.

    It ends after 10 s (504), and before it takes the memory that others need (422). One runs at a time
    (503). It is put on the audit log before it runs.
    Tables and columns are those of the views' file, and may change with a release.
    """
    await change.tell("query", "views", "", {"sql": asked.sql})
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(runner.thread, runner.run, views, asked.sql, asked.limit)
    except Refused as error:
        raise wrong_parameter("sql", str(error)) from error
    except TookTooMuch as error:
        raise wrong_parameter(
            "sql",
            "takes more memory than one statement may have here, and was ended. Narrow it by time "
            "(start_ns), group by fewer values, or leave out texts.",
        ) from error
    except TookTooLong as error:
        raise Problem(
            504,
            f"The statement was ended after {MOST_S:g} s. Narrow it by time (start_ns), or ask for less.",
        ) from error
    except Busy as error:
        raise Problem(
            503, "Another statement is running; one runs at a time.", headers={"Retry-After": "2"}
        ) from error
    return answer(
        {
            "columns": [{"name": name, "type": kind} for name, kind in found.columns],
            "rows": found.rows,
            "truncated": found.truncated,
            "elapsed_ms": found.elapsed_ms,
        }
    )
