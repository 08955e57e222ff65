"""A good answer as the next fold may learn it: its terms, and the beginning of its text."""

from lumina_streams.core.quality.answer import Answer
from lumina_streams.core.quality.consensus import ECHO, weight_of
from lumina_streams.core.quality.prompt import Prompt
from lumina_streams.core.quality.references import TEXT_CHARS, Candidate, References
from lumina_streams.core.quality.score import Verdict, shape_key, values_of
from lumina_streams.core.quality.terms import is_number, names, terms
from lumina_streams.core.series.call import Call

MOST_VALUES = 16
MOST_TERMS = 32  # of one answer: the heaviest


def candidate_of(call: Call, verdict: Verdict, references: References) -> Candidate:
    """What the references may learn from a verdict that has a prompt."""
    prompt, answer = verdict.prompt, verdict.answer
    assert prompt is not None, "an answer without a prompt is no reference"
    value = None if call.tool_calls else answer.json
    named: list[bytes] = []
    shape: list[bytes] = []
    if value is None:
        found, named = _text_terms(prompt, answer.plain, _names(answer))
    else:
        shape = list(dict.fromkeys(answer.shape))[:MOST_TERMS]
        found = list(dict.fromkeys([*shape, *(term for term, _ in answer.values)]))[:MOST_TERMS]
    return Candidate(
        prompt.exact,
        prompt.template,
        [] if references.knows(prompt) else sorted(prompt.sketch()),
        found,
        named,
        values_of(answer, prompt, None if value is None else found)[:MOST_VALUES],
        answer.length,
        answer.text[:TEXT_CHARS] if references.wants_text(prompt) else "",
        b"" if value is None else shape_key(call),
        shape,
    )


def _names(answer: Answer) -> set[bytes]:
    """Names among an answer's terms; none in German, which writes every noun with a capital."""
    return set() if answer.language == "de" else names(answer.text)


def _text_terms(prompt: Prompt, text: bytes, named: set[bytes]) -> tuple[list[bytes], list[bytes]]:
    """(terms, those of them that are names); what the prompt brought along is `ECHO`."""
    asked = prompt.plain
    found: dict[bytes, None] = {}
    for term in terms(text):
        if is_number(term) and term in asked:
            found[ECHO] = None
        elif term not in named or term not in asked:
            found[term] = None
    kept = list(found)
    if len(kept) > MOST_TERMS:
        heaviest = set(sorted(kept, key=weight_of, reverse=True)[:MOST_TERMS])
        kept = [term for term in kept if term in heaviest]
    return kept, sorted(named.intersection(kept))
