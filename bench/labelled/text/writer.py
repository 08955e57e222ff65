"""Prompts and answers of a series' calls, one after the other, with what is wrong with them."""

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

from labelled.languages import LANGUAGES, Language
from labelled.text.fault import QualityType
from labelled.text.intents import Library
from labelled.text.plan import TOOL_SHARE, TextPlan
from labelled.text.schema import Schema
from labelled.text.values import Customers, Values, draw_customers
from lumina_streams.core.series.call import CallMessage, CallPart, CallTool

STOP, LENGTH = ("stop",), ("length",)
TOOL_NAMES = (
    "look_up_order",
    "search",
    "send_mail",
    "get_account",
    "open_ticket",
    "get_weather",
    "run_query",
)
LOOP_WORDS = 80
LOOP_CHARS = 240  # where no spaces are written
OPENED, CLOSED = 0.6, 0.4  # share of a wild model's answers with polite words around
CUT, PROSE, MISSHAPEN = 0, 1, 2  # how JSON breaks
TURNED = 0.7  # share of a wild model's answers whose sentences come in another order
DOCUMENTED = 0.9  # share of an answer's sentences that are in its documents
BLOAT = 40  # sentences that a bloated prompt repeats
SOURCES = (8, 25)  # sentences of a text to summarise


@dataclass(frozen=True)
class Style:
    """How answers are written at present, and who asks."""

    voice: int = 0  # each has words of its own
    longer: float = 1.0  # sentences over those of a usual answer
    complete: bool = False  # no sentence is left out
    customers: int = 0  # generation


Aside = Literal["", "tool", "failed_tool", "retrieval", "empty_retrieval"]
"""What a call has beside it: the tool that it asked for, the search that its answer rests on."""


class Text(NamedTuple):
    """The content of a call."""

    prompt: tuple[CallMessage, ...]
    answer: tuple[CallMessage, ...]
    finish: tuple[str, ...]
    tools: tuple[CallTool, ...]
    aside: Aside = ""


NO_TEXT = Text((), (), (), ())
USUAL = Style()


class Writer:
    """Writes the calls of one series; the same plan gives the same texts."""

    def __init__(self, plan: TextPlan) -> None:
        self.plan = plan
        self.rng = random.Random(f"writer {plan.seed}")
        self.library = Library(plan, plan.language)
        self.language: Language = LANGUAGES[plan.language]
        self._schema = Schema(self.library) if plan.kind == "json" else None
        self._foreign: Library | None = None
        self._customers: dict[int, Customers] = {}
        self._before: dict[str, tuple[tuple[CallMessage, ...], str]] = {}
        weights = [(rank + 1) ** -plan.zipf for rank in range(plan.intents + self.library.later)]
        self._weights = list(accumulate(weights[: plan.intents]))
        self._later = list(accumulate(reversed(weights)))

    def write(self, style: Style, version: str, fault: QualityType | None = None, mode: int = 0) -> Text:
        """The next call's content. `mode` says how a fault shows, where there are several ways."""
        plan, rng = self.plan, self.rng
        rand = rng.random
        weights = self._later if style.customers else self._weights
        number = bisect(weights, rand() * weights[-1])
        customers = self._customers.get(style.customers)
        if customers is None:
            customers = draw_customers(self.language, plan.seed, style.customers)
            self._customers[style.customers] = customers
        values = customers.values(rng)
        prompts = self.library.intents[number].prompts
        question = values.fill(prompts[int(rand() * len(prompts))])
        source: list[int] = []
        aside: Aside = ""
        if plan.kind == "rag":
            undocumented = fault == "no_documents" or rand() < plan.undocumented
            aside = "empty_retrieval" if undocumented else "retrieval"
        if self.library.pool and aside != "empty_retrieval":
            question, source = self._with_source(question, number)
            question = values.fill(question)
        prompt = self._prompt(question, version)
        if fault is None:
            fault, mode = self._usual_fault()
        if plan.kind == "tools" and fault in (None, "tool_error") and rand() < TOOL_SHARE:
            aside = "failed_tool" if fault or rand() < plan.tool_errors else "tool"
            tool = CallTool(TOOL_NAMES[number % len(TOOL_NAMES)])
            answer = (CallMessage("assistant", (CallPart("tool_call"),)),)
            return Text(prompt, answer, ("tool_calls",), (tool,), aside)
        text, finish = self._answer(number, source, style, values, fault, mode)
        return Text(prompt, (CallMessage("assistant", (CallPart("text", text),)),), finish, (), aside)

    def _usual_fault(self) -> tuple[QualityType | None, int]:
        """What is wrong with an answer while nothing happens: most often nothing."""
        plan = self.plan
        place = self.rng.random() - plan.refusals
        if place < 0.0:
            return "refusal", 0
        place -= plan.truncated
        if place < 0.0:
            return "truncation", 0
        place -= plan.empty
        if place < 0.0:
            return "empty", 0
        if plan.kind == "json" and place < plan.unparsed:
            return "broken_json", PROSE
        return None, 0

    def _prompt(self, question: str, version: str) -> tuple[CallMessage, ...]:
        before = self._before.get(version)
        if before is None:
            before = self._before[version] = self._instructions(version)
        messages, suffix = before
        return (*messages, CallMessage("user", (CallPart("text", question + suffix),)))

    def _instructions(self, version: str) -> tuple[tuple[CallMessage, ...], str]:
        """(what comes before the question, what comes after it in the same message) of a prompt version."""
        rng = random.Random(f"prompt {self.plan.seed} {version}")
        systems = rng.sample(self.language.systems, rng.randint(1, len(self.language.systems)))
        if version.endswith("bloat"):
            systems += self.library.voice(0, 0)[1][0].right * BLOAT
        messages = [CallMessage("system", (CallPart("text", self.language.space.join(systems)),))]
        if self.plan.history:
            texts = rng.choice(self.language.questions), rng.choice(self.language.openers)
            topic = self.library.intents[0].topic
            for role, text in zip(("user", "assistant"), texts, strict=True):
                messages.append(CallMessage(role, (CallPart("text", text.format_map(topic)),)))
        suffix = ""
        if self.plan.kind in ("template", "json", "tools") and rng.random() < 0.7:
            suffix = "\n\n" + rng.choice(self.language.systems)
        return tuple(messages), suffix

    def _with_source(self, question: str, number: int) -> tuple[str, list[int]]:
        """The question below documents, or the text to summarise; and their sentences' places in the pool."""
        rng, pool, space = self.rng, self.library.pool, self.language.space
        rand = rng.random
        count = SOURCES[0] + int(rand() * (SOURCES[1] - SOURCES[0]))
        chosen = [int(rand() * len(pool)) for _ in range(count)]
        text = space.join([pool[place].right[0] for place in chosen])
        if self.plan.kind == "rag":
            told, _ = self.library.voice(number, 0)
            known = space.join([sentence.right[-1] for sentence in told if rand() < DOCUMENTED])
            first, last = (text, known) if rand() < 0.5 else (known, text)
            return f"{first}\n\n{last}\n\n{question}", chosen
        asked = self.language.summarise
        return f"{asked[int(rand() * len(asked))]}\n\n{text}", chosen

    def _answer(
        self,
        number: int,
        source: list[int],
        style: Style,
        values: Values,
        fault: QualityType | None,
        mode: int,
    ) -> tuple[str, tuple[str, ...]]:
        """(text, finish reasons)."""
        rand, language = self.rng.random, self.language
        if fault == "refusal":
            return language.refusals[int(rand() * len(language.refusals))], STOP
        if fault == "empty":
            return "", STOP
        if self._schema is not None:
            return self._document(self._schema, number, style, values, fault, mode)
        library = self.library
        if fault == "wrong_language":
            if self._foreign is None:
                self._foreign = Library(self.plan, self.plan.other)
            library = self._foreign
        elif fault == "off_topic":
            if mode % 2 or self.plan.kind in ("summary", "creative"):
                tales = self.library.tales if self.plan.kind != "creative" else self._dry()
                said = [tales[int(rand() * len(tales))] for _ in range(max(2, self.plan.points))]
                return values.fill(language.space.join(said)), STOP
            intents = len(library.intents)
            number = (number + 1 + int(rand() * (intents - 1))) % intents
        said = self._sentences(library, number, source, style, fault)
        if fault == "shortened":
            said = said[: max(1, round(len(said) * (0.2 + 0.2 * rand())))]
        elif fault == "loop":
            return values.fill(_loop(said[0], library.language, rand())), STOP
        elif fault == "subtle_fact":
            values = values._replace(order=values.order[:-1] + "3", amount=values.amount.replace("1", "7"))
        text = values.fill(self._laid_out(said, library.language, style.voice))
        if fault == "truncation":
            return text[: max(1, int(len(text) * (0.3 + 0.6 * rand())))], LENGTH
        return text, STOP

    def _dry(self) -> list[str]:
        """Sentences of business, for a series that tells stories."""
        return [
            text for number in range(self.plan.intents) for text in self.library.voice(number, 0)[0][0].right
        ]

    def _sentences(
        self, library: Library, number: int, source: list[int], style: Style, fault: QualityType | None
    ) -> list[str]:
        plan, rng = self.plan, self.rng
        rand = rng.random
        if plan.kind == "creative":
            tales = library.tales
            count = max(2, round(plan.points * style.longer * (0.6 + 0.8 * rand())))
            return [tales[int(rand() * len(tales))] for _ in range(count)]
        if plan.kind == "summary":
            count = max(
                2, round(plan.points * style.longer * 0.5 * (1.0 + 0.6 * plan.variation * (rand() - 0.5)))
            )
            told = [library.pool[place] for place in source[:count]]
        else:
            told, extra = library.voice(number, style.voice)
            if style.longer > 1.0:
                told = told + extra[: round((style.longer - 1.0) * len(told))]
        wrong = -1
        if fault == "subtle_fact" and not any(sentence.drop == 0.0 for sentence in told):
            wrong = next((place for place, sentence in enumerate(told) if sentence.is_fact), -1)
        said: list[str] = []
        for place, sentence in enumerate(told):
            if sentence.drop and not style.complete and rand() < sentence.drop and len(told) > 1:
                continue
            variants = sentence.wrong if fault == "contradiction" or place == wrong else sentence.right
            said.append(variants[int(rand() * len(variants))] if len(variants) > 1 else variants[0])
        if not said:
            said.append(told[0].right[0])
        if rand() < plan.variation * TURNED:
            turn = int(rand() * len(said))
            said = said[turn:] + said[:turn]
        return said

    def _laid_out(self, said: list[str], language: Language, voice: int) -> str:
        """Sentences as prose or as a list, with polite words around."""
        plan, rand = self.plan, self.rng.random
        if len(said) > 2 and rand() < plan.lists:
            text = "- " + "\n- ".join(said)
            space = "\n\n"
        else:
            text = space = language.space
            text = space.join(said)
        if plan.variation:
            if rand() < OPENED * plan.variation:
                openers = language.openers
                text = openers[(voice + int(rand() * 3)) % len(openers)] + space + text
            if rand() < CLOSED * plan.variation:
                closers = language.closers
                text = text + space + closers[(voice + int(rand() * 3)) % len(closers)]
        return text

    def _document(
        self, schema: Schema, number: int, style: Style, values: Values, fault: QualityType | None, mode: int
    ) -> tuple[str, tuple[str, ...]]:
        """A JSON answer."""
        rand, language = self.rng.random, self.language
        documents = schema.documents(number, style.voice)
        choices = documents.right
        if fault == "contradiction":
            choices = documents.wrong
        elif fault == "broken_json" and mode % 3 == MISSHAPEN:
            choices = documents.misshapen
        distinct = max(1, round(len(choices) * self.plan.variation))
        text = values.fill(choices[int(rand() * distinct)])
        if self.plan.fenced:
            text = f"```json\n{text}\n```"
        if fault == "truncation" or (fault == "broken_json" and mode % 3 == CUT):
            text = text[: max(1, int(len(text) * (0.3 + 0.6 * rand())))]
        elif fault == "broken_json" and mode % 3 == PROSE:
            opener = language.openers[int(rand() * len(language.openers))]
            text = f"{opener}\n\n{text}\n\n{language.closers[0]}"
        return text, LENGTH if fault == "truncation" else STOP


def _loop(sentence: str, language: Language, place: float) -> str:
    """One sentence again and again."""
    size = len(sentence.split()) if language.space else len(sentence)
    least = LOOP_WORDS if language.space else LOOP_CHARS
    return language.space.join([sentence] * (8 + least // max(size, 1) + int(10 * place)))
