"""The similarity table: what answers agree on, and how a prompt finds it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.quality.consensus import ECHO, MOST_ANSWERS, TERMS, Consensus, compare
from lumina_streams.core.quality.prompt import Prompt, prompt_of
from lumina_streams.core.quality.references import PROMPTS, SIBLINGS_SEEN, TEXTS, Candidate, References
from lumina_streams.core.quality.terms import plain, terms
from lumina_streams.core.series.call import CallMessage, CallPart


def asked(text: str, version: str = "") -> Prompt:
    return Prompt(version, text, text)


def candidate(prompt: Prompt, answer: str) -> Candidate:
    found = list(dict.fromkeys(terms(plain(answer))))
    sketch = sorted(prompt.sketch())
    return Candidate(prompt.exact, prompt.template, sketch, found, [], [], len(answer), answer)


def taught(references: References, prompt: Prompt, *answers: str, fold: int = 1) -> References:
    references.learn([candidate(prompt, answer) for answer in answers], [], fold)
    references.see([prompt.exact, prompt.template])
    return references


def test_prompts_are_the_same_by_text_or_by_template(make_traffic: Any) -> None:
    def key(*texts: str, version: str = "") -> Any:
        messages = tuple(CallMessage("user", (CallPart("text", text),)) for text in texts)
        return prompt_of(make_traffic(content=False).call(input_messages=messages, prompt_version=version))

    one, other = key("Where is order A-1001 of Anna Smith now?"), key("Where is order B7 of Bob Jones now?")
    assert one.exact != other.exact
    assert one.template == other.template
    assert key("Where is order 1?").template != key("Where is invoice 1?").template
    assert key("Was ist die Hauptstadt von Peru").template != key("Was ist die Farbe von Gras").template
    assert key("a", "yes").exact != key("b", "yes").exact
    assert key("a", version="1").exact != key("a", version="2").exact
    assert key("x" * 5000 + "y").exact != key("x" * 5000 + "z").exact
    assert key() is None


def test_a_long_prompt_is_looked_at_from_both_ends() -> None:
    long = asked("Where is the parcel 4711? " + "nothing " * 400 + "Please tell the customer, order 99.")
    assert long.numbers() == [b" 4711 ", b" 99 "]
    assert {b" parcel", b" custom"} <= set(long.about)
    assert long.digits == {b"4711", b"99"}
    assert asked("Where?").about == [b" where"]


def test_numbers_are_given_by_all_that_the_model_was_told() -> None:
    """Documents of a retrieval stand in earlier messages; of very long ones the last are looked at."""
    texts = ("We deliver in 14 days.", "Up to 35 kilograms.", "How heavy may order 4711 be?")
    told = Prompt("", texts[-1], texts[-1], texts)
    assert told.digits == {b"14", b"35", b"4711"}
    assert Prompt("", texts[-1], texts[-1], (texts[-1],)).digits == {b"4711"}
    far = Prompt("", texts[-1], texts[-1], (texts[0], "x" * 20_000, texts[-1]))
    assert far.digits == {b"4711"}


def test_a_prompt_is_found_exactly_then_as_a_template_then_by_its_neighbour() -> None:
    refund = asked("How long does the refund for order 4711 of customer Ada Byron take?")
    references = taught(References(), refund, *["A refund takes 14 days."] * 6)
    exact = references.find(refund)
    assert exact is not None
    assert exact.nearness == "exact"
    other = references.find(asked("How long does the refund for order 99 of customer Bob Hope take?"))
    assert other is not None
    assert other.nearness == "template"
    reworded = references.find(asked("The refund for the order of this customer: how long does it take?"))
    assert reworded is not None
    assert (reworded.nearness, reworded.slot) == ("template", other.slot), "the same terms"
    near = references.find(asked("How long does a complaint of a customer about an order take?"))
    assert near is not None
    assert (near.nearness, near.slot) == ("near", other.slot)
    assert references.find(asked("Translate this poem about autumn leaves into Latin, please")) is None


NAMES = ("Ada", "Bob", "Cary", "Dora", "Eve", "Fritz", "Greta", "Hugo", "Ida", "Jack", "Kurt", "Lana")


def of_somebody(name: str) -> Prompt:
    """A prompt with a name where it cannot be told from a word: at the beginning."""
    return asked(f"{name} asks how long the refund for an order of that customer takes")


def test_names_at_the_beginning_are_known_for_names_once_several_came_once_each() -> None:
    references = References()
    for name in NAMES[:SIBLINGS_SEEN]:
        taught(references, of_somebody(name), "A refund takes 14 days.")
        assert references.find(of_somebody("Somebody")) is None, "each is a prompt of its own yet"
    templates = len(references)
    for name in NAMES[SIBLINGS_SEEN:]:
        taught(references, of_somebody(name), "A refund takes 14 days.")
    assert len(references) == templates, "all that came later went to one entry"
    place = references.find(of_somebody("Somebody"))
    assert place is not None
    assert place.nearness == "template"
    assert references.answers(place.slot) == 1 + len(NAMES) - SIBLINGS_SEEN
    assert place.expectation.various
    assert b" 14 " in place.expectation.facts


def test_a_prompt_that_came_again_is_no_sibling() -> None:
    """Four questions that are asked over and over are four questions, however alike."""
    references = References()
    for _ in range(3):
        for name in NAMES[:SIBLINGS_SEEN]:
            taught(references, of_somebody(name), f"{name} waits 14 days.")
    entries = len(references)
    taught(references, of_somebody("Somebody"), "A refund takes 14 days.")
    assert len(references) == entries + 1
    taught(references, of_somebody(NAMES[0]), f"{NAMES[0]} waits 14 days.")
    place = references.find(of_somebody(NAMES[0]))
    assert place is not None
    assert references.answers(place.slot) == 4, "its own answers alone"


def test_an_exact_prompt_that_comes_again_has_an_entry_of_its_own() -> None:
    france, peru = (
        asked("What is the capital of the state France?"),
        asked("What is the capital of the state Peru?"),
    )
    assert france.template == peru.template
    references = References()
    for _ in range(6):
        taught(references, france, "It is Paris.")
        taught(references, peru, "It is Lima.")
    place = references.find(france)
    assert place is not None
    assert place.nearness == "exact"
    assert b" paris" in place.expectation.facts
    assert references.find(asked("What is the capital of the state Chad?")).nearness == "template"  # type: ignore[union-attr]


def test_a_new_prompt_version_starts_anew() -> None:
    text = "How long does a refund take these days?"
    references = taught(References(), asked(text, "1"), *["A refund takes 14 days."] * 6)
    assert references.find(asked(text, "1")) is not None
    place = references.find(asked(text, "2"))
    assert place is None or place.nearness != "exact"


def test_facts_are_what_nearly_all_answers_hold() -> None:
    consensus = Consensus()
    for number in range(30):
        text = plain(f"Refunds take 14 days, {'sooner' if number % 2 else 'later'} by post.")
        consensus.learn(dict.fromkeys(terms(text)), [], 40)
    expectation = consensus.expectation()
    assert expectation is not None
    assert b" 14 " in expectation.facts
    assert b" sooner" not in expectation.facts
    whole = compare(expectation, plain("Refunds take 14 days sooner or later by post"), False)
    assert whole.missing == ()
    other = compare(expectation, plain("Refunds take 30 days by post"), False)
    assert other.missing == (b" 14 ",)
    assert other.recall < other.rest < 1.0


def test_too_few_answers_agree_on_nothing() -> None:
    consensus = Consensus()
    consensus.learn([b" paris"], [], 5)
    assert consensus.expectation() is None


def test_an_echo_of_the_prompt_counts_as_one_term() -> None:
    consensus = Consensus()
    for _ in range(5):
        consensus.learn([ECHO, b" shippe"], [], 20)
    expectation = consensus.expectation()
    assert expectation is not None
    assert compare(expectation, plain("shipped"), True).recall == 1.0
    assert compare(expectation, plain("shipped"), False).missing == (ECHO,)


@given(st.lists(st.lists(st.text(min_size=1, max_size=8).map(str.encode), max_size=60), max_size=150))
def test_a_consensus_stays_bounded(answers: list[list[bytes]]) -> None:
    consensus = Consensus()
    for answer in answers:
        consensus.learn(dict.fromkeys(answer), answer[:3], 10)
        assert len(consensus.counts) <= TERMS
        assert consensus.n < MOST_ANSWERS
        assert all(count <= consensus.n for count in consensus.counts.values())
        assert set(consensus.named) <= consensus.counts.keys()


def test_the_table_stays_bounded_and_survives_packing() -> None:
    references = References()
    kept = asked("Which of our opening hours hold on public holidays in winter?")
    for fold in range(300):
        taught(references, kept, "From nine to five.", fold=fold)
        letters = chr(97 + fold % 26), chr(97 + fold // 26)
        prompt = asked(" ".join(f"{letter * 4}{place}word" for letter in letters for place in "abc"))
        taught(references, prompt, f"answer {fold}", fold=fold)
    assert len(references) == PROMPTS
    place = references.find(kept)
    assert place is not None
    assert len(place.entry.texts) <= TEXTS
    twin = References()
    twin.load(*references.pack())
    assert twin.pack() == references.pack()
    again = twin.find(kept)
    assert again is not None
    assert again.expectation == place.expectation


def test_only_what_adds_something_is_wanted() -> None:
    prompt = asked("What is the weight of a parcel at most?")
    references = References()
    assert references.wants(prompt, lot=1)
    for _ in range(30):
        taught(references, prompt, "Thirty kilograms at most.")
    assert not references.wants(prompt, lot=1)
    assert references.wants(prompt, lot=0)
