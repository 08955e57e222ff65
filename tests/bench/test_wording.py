"""Texts for the benches of speed are as long as asked for, vary, and come from templates."""

import pytest

from labelled.languages import LANGUAGES
from lumina_streams.core.quality.prompt import Prompt
from wording import PROMPT_CHARS, Wording

CHARS = 2000


def texts(language: str, count: int) -> list[tuple[str, str]]:
    wording = Wording("1000", CHARS, language, 4)
    turns = [wording.turn() for _ in range(count)]
    return [(prompt[0].parts[0].content or "", answer[0].parts[0].content or "") for prompt, answer in turns]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_answers_have_the_length_and_vary(language: str) -> None:
    told = texts(language, 60)
    assert {len(answer) for _, answer in told} == {CHARS}
    assert len({answer for _, answer in told}) > 50
    assert all(PROMPT_CHARS / 3 < len(prompt) < PROMPT_CHARS * 1.5 for prompt, _ in told)
    assert told == texts(language, 60)


def test_prompts_never_repeat_and_their_templates_do() -> None:
    prompts = [Prompt("", prompt, prompt) for prompt, _ in texts("en", 200)]
    assert len({prompt.exact for prompt in prompts}) > 190
    assert len({prompt.template for prompt in prompts}) < 100
