"""Prompts and answers of a given length for the benches of speed, made of the labelled traffic's sentences.

Prompts come from templates with names and numbers that never repeat; answers state the facts of what was
asked for, in words that vary from call to call.
"""

import random
from dataclasses import replace

from labelled.languages import LANGUAGES
from labelled.text.intents import Library
from labelled.text.plan import draw_text_plan
from labelled.text.values import draw_customers
from lumina_streams.core.series.call import CallMessage, CallPart

PROMPT_CHARS = 400
SHORT_SENTENCE, SHORT_UNSPACED = 60, 20  # characters: three times so many sentences fill any answer


class Wording:
    """Endless turns of one series; the same seed gives the same texts.

    `chars` of each answer. Without a `language` or a number of `intents` the seed draws them.
    """

    def __init__(
        self, seed: str, chars: int, language: str | None = None, intents: int | None = None
    ) -> None:
        plan = draw_text_plan(seed, "template")
        self.language = LANGUAGES[language or plan.language]
        shortest = SHORT_SENTENCE if self.language.space else SHORT_UNSPACED
        plan = replace(
            plan,
            language=self.language.code,
            intents=intents or plan.intents,
            points=chars // shortest + 1,
        )
        self.chars = chars
        self.intents = plan.intents
        self._library = Library(plan, plan.language)
        self._customers = draw_customers(self.language, seed, 0)
        self._rng = random.Random(f"wording {seed}")

    def turn(self) -> tuple[tuple[CallMessage, ...], tuple[CallMessage, ...]]:
        """(prompt, answer) of the next call."""
        rng, space = self._rng, self.language.space
        number = int(rng.random() * self.intents)
        told, extra = self._library.voice(number, 0)
        values = self._customers.values(rng)
        question = rng.choice(self._library.intents[number].prompts)
        given = space.join([question, *[sentence.right[0] for sentence in extra[:20]]])
        said: list[str] = []
        missing = self.chars
        for sentence in (*told, *extra):
            if missing > 0 and rng.random() >= sentence.drop:
                said.append(sentence.right[int(rng.random() * len(sentence.right))])
                missing -= len(said[-1])
        answer = values.fill(space.join(said))[: self.chars]
        prompt = values.fill(given[:PROMPT_CHARS])
        return (_message("user", prompt),), (_message("assistant", answer),)


def _message(role: str, text: str) -> CallMessage:
    return CallMessage(role, (CallPart("text", text),))
