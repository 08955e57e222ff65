"""The cost of one call whose span is read, or was read before: from the facts that its record keeps.

Normalise and `lumina reprice` both price here, so that a call which is priced again by the same prices costs
the same.
"""

from typing import NamedTuple

from lumina_schemas.span import Span
from lumina_streams.core.price.book import Cost, PriceBook
from lumina_streams.core.span.draft import Draft
from lumina_streams.core.span.estimate import ESTIMATED_TOKENS, estimated
from lumina_streams.core.span.tokens import Usage, usage_in


class Pricing(NamedTuple):
    """A call's cost and the tokens that it stands for."""

    usage: Usage
    cost: Cost


def price(
    call: Draft | Span, usage: Usage, project: str, prices: PriceBook, by_text: bool = False
) -> Pricing:
    """Price a call. `by_text`: its tokens were estimated from the text before."""
    needs_output = call.kind not in ("embedding", "rerank")
    failed = call.status == "error"
    if prices.estimate_tokens and not by_text:
        lacking = usage.input is None or (usage.output is None and needs_output)
        # A call that failed without an answer was not billed: there is nothing to estimate.
        if lacking and not (failed and not call.output_messages):
            guess = estimated(usage, call.system, call.input_messages, call.output_messages, needs_output)
            by_text, usage = guess is not None, guess or usage
    guessed = call.provider_guessed
    cost = prices.cost(
        "" if guessed else call.provider,
        call.request_model,
        call.response_model,
        usage,
        call.start_ns,
        call.service_tier,
        needs_output=needs_output,
        failed=failed,
        guessed=call.provider if guessed else "",
        project=project,
        reported_usd=call.reported_cost_usd,
    )
    if by_text:
        reason = f"{cost.reason}; {ESTIMATED_TOKENS}" if cost.reason else ESTIMATED_TOKENS
        cost = Cost(cost.usd, "unknown" if cost.usd is None else "estimated", reason, cost.version)
    return Pricing(usage, cost)


def priced_again(span: Span, prices: PriceBook) -> Cost:
    """What a span's call costs by these prices."""
    return price(span, usage_in(span), span.project, prices, ESTIMATED_TOKENS in span.cost_reason).cost
