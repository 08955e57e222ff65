"""The demo's applications: four services, eight endpoints, what people ask them and what they answer.

Most questions are templates with slots, a few are asked in the same words each time; an answer says the same
each time, in one of two wordings, as a stable prompt on a stable model answers. One endpoint answers in JSON,
and of one no two answers are alike.
"""

from dataclasses import dataclass
from typing import Literal

Door = Literal["http", "agent", "prompt", "job"]
"""What names the endpoint: the HTTP route, the agent's name, the prompt's name, or the application itself."""


@dataclass(frozen=True)
class Exchange:
    """A question, its answer, and the same answer in other words. `{slots}` of all are filled alike."""

    question: str
    answer: str
    reworded: str = ""


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of one service. Token counts are medians a call, latency a median in ms."""

    service: str
    name: str
    door: Door
    route: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    latency_ms: float
    share: float  # of all live calls
    exchanges: tuple[Exchange, ...]
    system: str = ""
    operation: Literal["chat", "embeddings"] = "chat"
    retrieval: str = ""  # data source that is searched before the call
    tool: str = ""  # tool that runs before the call
    closings: tuple[str, ...] = ("",)


SLOTS: dict[str, tuple[str, ...]] = {
    "name": ("Mara Lindqvist", "Jonas Weber", "Aiko Tanaka", "Samuel Okoro", "Elena Rossi", "Priya Nair"),
    "product": ("Aurora Lamp", "Nordic Desk", "Halo Speaker", "Trail Backpack", "Brew Kettle", "Luna Chair"),
    "city": ("Hamburg", "Lyon", "Porto", "Gdansk", "Ghent", "Malmo"),
    "party": ("Alder Logistics", "Brightwater", "Cormorant Media", "Delta Foods", "Eastgate Labs"),
    "opening": (
        "Some mornings begin before the alarm does.",
        "There is a corner in every home that waits for its story.",
        "We asked a hundred people what they would never lend to a friend.",
        "It started with a sketch on the back of a train ticket.",
        "Quiet things last longest.",
        "Your grandmother would have kept this one.",
        "Rain on the window, nowhere to be.",
        "Good tools ask no questions.",
    ),
    "image": (
        "Oiled oak, brushed brass, and a seam that you have to look for.",
        "Made by eleven people who still argue about its smallest screw.",
        "It weighs less than the book on your bedside table.",
        "Put it next to something old and watch both get better.",
        "Every curve was drawn by hand, then drawn again, then left alone.",
        "The colour changes with the light, from slate at noon to ink at night.",
        "You will hear it click exactly once: when you open the box.",
        "Nothing to charge, nothing to update, nothing to learn.",
    ),
    "ending": (
        "Come and sit with it for a minute.",
        "Take it home on Friday and forget the weekend.",
        "We only make as many as we can sign.",
        "Somebody will ask you where you found it.",
        "The rest is up to your evenings.",
        "Try it for a month; most people never write back.",
        "You bring the coffee.",
        "It is waiting at the end of your street.",
    ),
}
NUMBERS: dict[str, tuple[int, int]] = {
    "order": (10_000, 99_999),
    "days": (2, 9),
    "price": (19, 480),
    "section": (2, 19),
    "months": (6, 36),
}
"""Slot -> least and greatest number."""

CHAT = Endpoint(
    service="shop-assistant",
    name="/chat",
    door="http",
    route="/chat",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=950,
    output_tokens=140,
    latency_ms=900,
    share=0.24,
    system="You are the assistant of an online shop. Answer in a friendly tone, in at most six sentences. "
    "Use the order data you are given and never invent a delivery date.",
    closings=("Is there anything else I can do for you?", "Let me know if you need anything else."),
    exchanges=(
        Exchange(
            "Where is my order {order}? I was told it ships within {days} days.",
            "Thanks for your patience! Order {order} left our warehouse and is with the carrier now. The "
            "usual delivery time is {days} working days, and the tracking page shows each step as soon as "
            "the parcel is scanned. You will also get a message on the morning of delivery.",
        ),
        Exchange(
            "Can I still return the {product} from order {order}?",
            "Yes, you can. Items can be returned within 30 days of delivery as long as they are complete "
            "and in a resalable condition. Open the order in your account, choose Return items and print "
            "the label. The refund goes to your original payment method within 5 working days after the "
            "parcel has arrived.",
            "Of course. As long as it is complete and in a resalable condition, an item can come back within "
            "30 days of delivery. Choose Return items on the order's page in your account and print the "
            "label; within 5 working days after the parcel has arrived the refund is on your original "
            "payment method.",
        ),
        Exchange(
            "The {product} arrived damaged, what should I do now?",
            "I am sorry to hear that. Please take two photos, one of the parcel and one of the damage, and "
            "upload them in your account under Report a problem. We will send a replacement right away, and "
            "the courier picks the damaged item up when the new one is delivered. There is no cost for you.",
        ),
        Exchange(
            "How long is the warranty on the {product}?",
            "It comes with a warranty of two years from the day of delivery. It covers faults in material "
            "and workmanship, but not wear or damage by accident. Keep the invoice; you find it in your "
            "account next to the order. In case of a fault we repair it first and replace it if a repair "
            "fails.",
            "The warranty lasts two years and begins on the day of delivery. Faults in material and "
            "workmanship are covered, wear and damage by accident are not. If there is a fault we repair it "
            "first, and replace it if a repair fails; the invoice that you need is in your account next to "
            "the order.",
        ),
        Exchange(
            "Please change the delivery address of order {order} to {city}.",
            "I can help with that as long as the parcel has not left the warehouse. Open the order, choose "
            "Change address and enter the new one; the page tells you at once whether the change was "
            "accepted. If the parcel is on its way already, the carrier can redirect it from the tracking "
            "page.",
        ),
    ),
)
RECOMMEND = Endpoint(
    service="shop-assistant",
    name="/recommend",
    door="http",
    route="/recommend",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=620,
    output_tokens=90,
    latency_ms=650,
    share=0.08,
    retrieval="products",
    system="Recommend two products that go with the one in the basket. One sentence each.",
    exchanges=(
        Exchange(
            "The basket holds the {product} for {price} euros. What goes with it?",
            "- A matching cable organiser keeps the space around it tidy and fits the same colour range.\n- "
            "The care set with cloth and oil protects the surface and makes it last for years.",
        ),
        Exchange(
            "A customer from {city} looks at the {product}. What else may be of interest?",
            "- The wall mount from the same series saves space and needs no tools.\n- The gift card is "
            "popular with people who buy this for somebody else.",
        ),
    ),
)
TEASER = Endpoint(
    service="shop-assistant",
    name="/teaser",
    door="http",
    route="/teaser",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=240,
    output_tokens=60,
    latency_ms=800,
    share=0.04,
    system="Write a teaser of three sentences for the shop's newsletter. Never repeat an earlier one.",
    exchanges=(Exchange("Write a teaser for the {product}.", "{opening} {image} {ending}"),),
)
TICKET_REPLY = Endpoint(
    service="support-desk",
    name="ticket-reply",
    door="agent",
    route="/tickets/{id}/reply",
    provider="anthropic",
    model="claude-haiku-4-5",
    input_tokens=1800,
    output_tokens=230,
    latency_ms=1700,
    share=0.18,
    tool="lookup_customer",
    system="You draft replies for the support desk of a subscription service. Be precise and kind; quote the "
    "policy that applies. A human sends the reply.",
    closings=("Kind regards, the support team", "Best regards, your support team"),
    exchanges=(
        Exchange(
            "Draft a reply to {name}: charged twice for invoice {order}.",
            "Hello {name},\n\nthank you for writing to us. You are right: invoice {order} was charged twice "
            "because the first attempt was confirmed late by the bank. We have reversed the second charge "
            "today; depending on your bank it takes 3 to 5 working days until you see it. Your subscription "
            "is active and nothing else has changed.",
        ),
        Exchange(
            "Draft a reply to {name}: wants to cancel the plan after {months} months.",
            "Hello {name},\n\nwe are sorry to see you go. Your plan can be cancelled at any time to the end "
            "of the paid period, so there is no further charge after {months} months. You keep access until "
            "then, and your data stays available for export for another 30 days. If something did not work "
            "for you, we would be glad to hear about it.",
        ),
        Exchange(
            "Draft a reply to {name}: cannot log in since the update.",
            "Hello {name},\n\nthat is annoying, and we can fix it. Since the update, saved sessions of "
            "older versions are no longer valid. Please sign out on all devices, clear the saved password "
            "once and sign in again; the reset link below is valid for one hour. If it still fails, send us "
            "the time of your last attempt and we will look at the log.",
        ),
        Exchange(
            "Draft a reply to {name}: asks for a data export under the privacy law.",
            "Hello {name},\n\nyou can have a copy of all data that we hold about you. The export is made "
            "automatically: open Settings, then Privacy, then Request export. You get a link by mail within "
            "24 hours, valid for a week. The archive holds your profile, invoices and messages in open "
            "formats.",
        ),
    ),
)
CLASSIFY = Endpoint(
    service="support-desk",
    name="classify-ticket",
    door="prompt",
    route="/tickets",
    provider="openai",
    model="gpt-4.1-nano",
    input_tokens=420,
    output_tokens=36,
    latency_ms=380,
    share=0.10,
    system='Classify the ticket. Answer with JSON only: {"category": ..., "priority": ..., "language": ..., '
    '"invoice": ...}.',
    exchanges=(
        Exchange(
            "I was charged {price} euros twice, please check invoice {order}.",
            '{{"category": "billing", "priority": "high", "language": "en", "invoice": {order}}}',
        ),
        Exchange(
            "The app shows an empty page since the update on my phone.",
            '{{"category": "bug", "priority": "normal", "language": "en", "invoice": null}}',
        ),
        Exchange(
            "How do I add a colleague from {city} to our account?",
            '{{"category": "how-to", "priority": "low", "language": "en", "invoice": null}}',
        ),
    ),
)
ASK = Endpoint(
    service="docs-search",
    name="/ask",
    door="http",
    route="/ask",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=2600,
    output_tokens=180,
    latency_ms=1300,
    share=0.18,
    retrieval="handbook",
    system="Answer from the given passages of the handbook only, and name the page. Say so if they do not "
    "hold the answer.",
    closings=("(Handbook, page 12)", "(Handbook, page 14)"),
    exchanges=(
        Exchange(
            "How do I rotate the access keys of a project?",
            "Open the project, choose Access keys and create a second key first. Deploy it to every client, "
            "then watch the column Last used of the old key until it stays unchanged for a day. Only then "
            "revoke the old key. Keys can be revoked at any time and the change takes effect within a "
            "minute.",
            "First create a second key under Access keys and deploy it to every client. Watch the column "
            "Last used of the old key; when it has not changed for a day, revoke that one. Revoking is "
            "possible at any time and takes effect within a minute.",
        ),
        Exchange(
            "What is the limit of requests a minute on the {price} euro plan?",
            "Each plan has a limit a minute and a burst. On this plan the limit is 600 requests a minute "
            "with a burst of 100. When it is exceeded the answer is status 429 with a Retry-After header; "
            "clients should wait that long and try again with jitter. The current use is shown on the "
            "dashboard.",
            "On this plan you can send 600 requests a minute, with a burst of 100. Beyond that the answer is "
            "status 429 with a Retry-After header; wait that long and try again with jitter. The dashboard "
            "shows the current use.",
        ),
        Exchange(
            "How can I restore a backup that is {days} days old?",
            "Backups are kept for 35 days. Choose Backups, select the day and start Restore to a new "
            "instance; the running instance is never overwritten. When the restore has finished, compare a "
            "few records and then switch the connection string. A restore of 100 gigabytes takes about 20 "
            "minutes.",
            "Open Backups, pick the day and choose Restore to a new instance; the running one is never "
            "overwritten. Backups are kept for 35 days, and a restore of 100 gigabytes takes about 20 "
            "minutes. Compare a few records before you switch the connection string.",
        ),
        Exchange(
            "Which ports must be open between {city} and the cluster?",
            "Clients need outgoing access to port 443 for the console and to port 9094 for the brokers, "
            "both with TLS. Brokers talk to each other on their own network and need nothing from outside. "
            "If a proxy is in between, it must allow connections that stay open for hours.",
        ),
    ),
)
SUMMARISE = Endpoint(
    service="contract-review",
    name="summarise-clause",
    door="prompt",
    route="/clauses/{id}/summary",
    provider="openai",
    model="gpt-4.1",
    input_tokens=1500,
    output_tokens=160,
    latency_ms=2100,
    share=0.14,
    system="You are a careful legal assistant. Summarise the clause for a reader without legal training: who "
    "must do what, until when, and what happens otherwise.",
    exchanges=(
        Exchange(
            "Summarise section {section} of the agreement with {party}: termination.",
            "**Termination.** Either side may end the agreement in writing with a notice of three months to "
            "the end of a quarter. If one side breaks a duty and does not put it right within 30 days after "
            "a warning, the other may end it at once. Fees that are already due stay due, and data must be "
            "returned or deleted within 30 days.",
            "**Termination.** With a notice of three months to the end of a quarter either side may end the "
            "agreement, in writing. A breach that is not put right within 30 days after a warning lets the "
            "other side end it at once. What is due stays due, and data goes back or is deleted within 30 "
            "days.",
        ),
        Exchange(
            "Summarise section {section} of the agreement with {party}: liability.",
            "**Liability.** Both sides are liable without limit for intent and gross negligence. For slight "
            "negligence they are liable only where a main duty is broken, and then up to the fees of twelve "
            "months. Lost profit is excluded. Claims expire one year after the damaged side has learned of "
            "them.",
        ),
        Exchange(
            "Summarise section {section} of the agreement with {party}: confidentiality.",
            "**Confidentiality.** Everything marked confidential, or that a sensible person would see as "
            "such, may be used for this agreement only. It may be shown to staff and advisers who need it "
            "and are bound in the same way. The duty lasts for {months} months after the end of the "
            "agreement.",
        ),
    ),
)
INDEX = Endpoint(
    service="contract-review",
    name="index-clauses",
    door="job",
    route="",
    provider="openai",
    model="text-embedding-3-small",
    input_tokens=760,
    output_tokens=0,
    latency_ms=120,
    share=0.04,
    operation="embeddings",
    exchanges=(Exchange("Section {section} of the agreement with {party}", ""),),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    CHAT,
    RECOMMEND,
    TEASER,
    TICKET_REPLY,
    CLASSIFY,
    ASK,
    SUMMARISE,
    INDEX,
)

REFUSALS: tuple[str, ...] = (
    "I'm sorry, but I can't help with that request.",
    "I'm sorry, but I can't assist with questions about individual customers or orders.",
    "I cannot help with this. Please contact a qualified professional.",
)
"""Answers of a model that declines."""
