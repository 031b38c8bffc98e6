"""When two spellings are one name: case, accents, width and blanks do not count."""

import re
import unicodedata

# Letters that Unicode does not take apart into a base letter and a mark.
LETTERS = {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i"}  # noqa: RUF001
# Accents of Latin, Greek, Cyrillic and Arabic. Marks of other scripts (Japanese voicing, Indic vowels) tell
# words apart and stay.
ACCENTS = re.compile("[\u0300-\u036f\u064b-\u0655\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
NOT_WORD = re.compile(r"[\W_]+")


def plain_letters(text: str) -> str:
    """`text` in plain lower-case letters, decomposed (NFKD); blanks and punctuation stay as they are."""
    text = unicodedata.normalize("NFKD", text).casefold()
    # On the megabytes of the gazetteer this is five times as fast as `str.translate`.
    for letter, plain in LETTERS.items():
        text = text.replace(letter, plain)
    return ACCENTS.sub("", text)


def fold(text: str) -> str:
    """The key under which all spellings of one name meet: `"Théâtre  Øst" → "theatre ost"`."""
    return " ".join(plain_letters(text).split())


def fold_words(text: str) -> str:
    """As `fold`, with punctuation as blanks too: `"Saint-Étienne" → "saint etienne"`. May be empty."""
    return NOT_WORD.sub(" ", plain_letters(text)).strip()
