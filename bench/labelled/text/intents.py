"""What a series is asked for, and what it answers to each."""

import random
from dataclasses import dataclass, field

from labelled.languages import LANGUAGES, Domain, Language
from labelled.text.phrases import Say, Sentence, capital, say, say_fact, things_of, write_out
from labelled.text.plan import STATED, TextPlan
from labelled.text.values import MARKS

EXTRA = 2.0  # sentences that longer answers may add, over the usual ones
POOL = 300  # sentences that texts to summarise and documents are made of
TALES = 1200
LATER = 3  # one intent in so many comes with new customers


@dataclass
class Intent:
    """One thing that is asked for."""

    topic: dict[str, str]
    domain: Domain
    prompts: list[str]  # with marks where they carry a call's values
    says: list[Say]
    extra: list[Say]  # what longer answers add
    voices: dict[int, tuple[list[Sentence], list[Sentence]]] = field(default_factory=dict)


class Library:
    """The intents of a series in one language, written out voice by voice as they are needed."""

    def __init__(self, plan: TextPlan, code: str) -> None:
        self.plan = plan
        self.language: Language = LANGUAGES[code]
        self._rng = random.Random(f"library {plan.seed} {code}")
        self.later = max(1, plan.intents // LATER)
        self.intents = self._intents(plan.intents + self.later)
        self.pool: list[Sentence] = []
        """Sentences of texts to summarise, and of documents; a few have marks."""
        if plan.kind in ("summary", "rag"):
            self.pool = self._pool()
        self._tales: list[str] = []

    def voice(self, number: int, voice: int) -> tuple[list[Sentence], list[Sentence]]:
        """(sentences, those that longer answers add) of an intent in a voice."""
        intent = self.intents[number]
        found = intent.voices.get(voice)
        if found is None:
            rng = random.Random(f"voice {self.plan.seed} {self.language.code} {number} {voice}")
            plan = self.plan
            told = [
                write_out(one, self.language, voice, plan.variation, plan.scattered, rng)
                for one in intent.says
            ]
            extra = [
                write_out(one, self.language, voice, plan.variation, plan.scattered, rng)
                for one in intent.extra
            ]
            if voice:
                rng.shuffle(told)
            found = intent.voices[voice] = told, extra
        return found

    @property
    def tales(self) -> list[str]:
        """Sentences of stories."""
        if not self._tales:
            rng = random.Random(f"tales {self.plan.seed} {self.language.code}")
            self._tales = [_tale(self.language, rng) for _ in range(TALES)]
        return self._tales

    def _intents(self, count: int) -> list[Intent]:
        rng, language = self._rng, self.language
        main = rng.randrange(len(language.domains))
        domains = [*language.domains[main:], *language.domains[:main]]
        topics = [
            (topic, domain) for domain in domains for topic in rng.sample(domain.topics, len(domain.topics))
        ]
        while len(topics) < count:
            topic, domain = topics[len(topics) - sum(len(domain.topics) for domain in domains)]
            topics.append((f"{topic} ({rng.choice(domain.things)})", domain))
        topics = topics[:count]
        rng.shuffle(topics)
        seen: set[str] = set()
        intents: list[Intent] = []
        for topic, domain in topics:
            about = {"topic": topic, "action": rng.choice(domain.actions)}
            prompts = self._prompts(about, domain)
            fresh = [prompt for prompt in prompts if prompt not in seen][: self.plan.phrasings]
            fresh = fresh or [f"{prompts[0]} ({len(intents)})"]
            seen.update(fresh)
            intents.append(Intent(about, domain, fresh, *self._says(about, domain)))
        return intents

    def _prompts(self, about: dict[str, str], domain: Domain) -> list[str]:
        rng, language = self._rng, self.language
        match self.plan.kind:
            case "faq" | "rag":
                frames = language.questions
            case "creative":
                nouns = rng.sample(language.nouns, 2)
                about = about | {"noun": nouns[0], "other": nouns[1]}
                frames = language.invent
            case _:
                frames = language.requests
        return [capital(frame.format_map(about | MARKS)) for frame in rng.sample(frames, len(frames))]

    def _says(self, about: dict[str, str], domain: Domain) -> tuple[list[Say], list[Say]]:
        rng, plan, language = self._rng, self.plan, self.language
        points = max(1, round(plan.points * rng.uniform(0.7, 1.3)))
        stated = min(max(1, round(plan.stated * points)), len(language.facts)) if plan.kind in STATED else 0
        says = [
            say_fact(language, frame, things_of(domain, about, rng), rng)
            for frame in rng.sample(language.facts, stated)
        ]
        if plan.kind in ("template", "tools") and points > 1:
            echoes = rng.sample(language.echoes, min(rng.randint(1, 2), points - 1, len(language.echoes)))
            says += [say(frame, about, "echo") for frame in echoes]
        talk = self._talk(about, domain, round(points * (1.0 + EXTRA)) + 1)
        missing = max(points - len(says), 0)
        says += talk[:missing]
        rng.shuffle(says)
        return says, talk[missing:]

    def _talk(self, about: dict[str, str], domain: Domain, count: int) -> list[Say]:
        rng = self._rng
        return [
            say(self.language.talk[rng.randrange(len(self.language.talk))], things_of(domain, about, rng))
            for _ in range(count)
        ]

    def _pool(self) -> list[Sentence]:
        rng, language, plan = self._rng, self.language, self.plan
        frames = [*language.facts, *language.talk, *language.echoes]
        sentences: list[Sentence] = []
        for _ in range(POOL):
            intent = rng.choice(self.intents)
            told = say_fact(language, rng.choice(frames), things_of(intent.domain, intent.topic, rng), rng)
            sentences.append(write_out(told, language, 0, max(plan.variation, 0.5), True, rng))
        return sentences


def _tale(language: Language, rng: random.Random) -> str:
    adjectives, nouns = rng.sample(language.adjectives, 2), rng.sample(language.nouns, 2)
    return capital(
        rng.choice(language.tales).format(
            adjective=adjectives[0],
            adjective2=adjectives[1],
            noun=nouns[0],
            other=nouns[1],
            name=rng.choice(language.first),
            place=rng.choice(language.places),
        )
    )
