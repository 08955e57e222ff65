"""The languages that prompts and answers are written in."""

from labelled.languages.arabic import ARABIC
from labelled.languages.chinese import CHINESE
from labelled.languages.english import ENGLISH
from labelled.languages.german import GERMAN
from labelled.languages.japanese import JAPANESE
from labelled.languages.language import Domain, Frame, Language
from labelled.languages.russian import RUSSIAN
from labelled.languages.spanish import SPANISH

__all__ = ["LANGUAGES", "Domain", "Frame", "Language"]

LANGUAGES = {
    language.code: language for language in (ENGLISH, GERMAN, SPANISH, CHINESE, JAPANESE, RUSSIAN, ARABIC)
}
"""By code."""
