"""When two spellings count as one name: stricter than the product's own rule, so that our data never clashes there."""

import unicodedata

LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ł": "l", "đ": "d"})


def fold(text: str) -> str:
    """Case, accents, width, punctuation and blanks away; katakana as hiragana."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(LETTERS)
    text = "".join(chr(ord(char) - 0x60) if "ァ" <= char <= "ヶ" else char for char in text)
    return "".join(char for char in unicodedata.normalize("NFKD", text) if char.isalnum())
