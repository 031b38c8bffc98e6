"""Text as it is compared: the one function that both the indexer and the search service put text through.

The server's own analyzers don't fold accents here, so text is folded and cut into words in Python, and Elasticsearch
only splits it at blanks. What is not applied on both sides is never found: change this file, and the mapping's version
must change with it.
"""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer  # type: ignore[import-untyped]

# Letters that Unicode doesn't decompose, as people without that key type them.
LETTERS = str.maketrans(
    {
        "ø": "o",
        "æ": "ae",
        "œ": "oe",
        "ð": "d",
        "þ": "th",
        "ł": "l",
        "đ": "d",
        "ħ": "h",
        "ŧ": "t",
        "\u0131": "i",
        "ŋ": "n",
    }
)
# The other way to write the same letters: Zürich is typed zurich and zuerich, Malmø malmo and malmoe.
DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
KATAKANA = re.compile("[ァ-ヶ]")
KATAKANA_TO_HIRAGANA = ord("ァ") - ord("ぁ")
# Han, kana and the long vowel mark: scripts without blanks between words.
UNSPACED = re.compile("[\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
APOSTROPHES = frozenset("'\u2019\u2018\u02bc`")
# What may stand after an apostrophe at a word's end without being a word: cuckoo's, don't, we're.
LONGEST_ENDING = 2
LONGEST_WORD = 60
STEMMER = snowballstemmer.stemmer("english")
SHORTEST_STEMMED = 3


def fold(text: str) -> str:
    """Case, accents, width and kana kind away: `Amélie` → `amelie`, `ジブリ` → `じぶり`.

    Marks that make another letter of it (voiced kana, Indic vowel signs) stay.
    """
    text = unicodedata.normalize("NFKD", text).casefold().translate(LETTERS)
    text = unicodedata.normalize("NFC", "".join(char for char in text if not _is_accent(char)))
    return KATAKANA.sub(lambda match: chr(ord(match.group()) - KATAKANA_TO_HIRAGANA), text)


def _is_accent(char: str) -> bool:
    """Above or below a letter (classes from 200), or Hebrew and Arabic points (10 to 36)."""
    position = unicodedata.combining(char)
    return position >= 200 or 10 <= position <= 36


# What people type is kept here too, at worst 23 kB of it each.
@lru_cache(maxsize=4_096)
def spellings(text: str) -> tuple[tuple[str, ...], ...]:
    """The ways in which `text` may be written, as words; the usual one first, without repeats.

    `Spider-Man` is (spider, man) and (spiderman); `Cuckoo's` is (cuckoos) and (cuckoo); `Zürich` (zurich), (zuerich).
    """
    plain = fold(text)
    digraphs = fold(unicodedata.normalize("NFC", text).casefold().translate(DIGRAPHS))
    ways = (
        _words(plain),
        _words(plain, joined=True),
        _words(plain, endings=False),
        _words(digraphs),
    )
    return tuple(dict.fromkeys(way for way in ways if way))


def words(text: str) -> tuple[str, ...]:
    """The words of `text` in their usual spelling; empty where it has neither letter nor digit."""
    ways = spellings(text)
    return ways[0] if ways else ()


@lru_cache(maxsize=65_536)
def indexed_text(text: str) -> str:
    """Every word of every spelling of `text` once, for a field that is split at blanks."""
    return " ".join(dict.fromkeys(word for way in spellings(text) for word in way))


def stems(words: str) -> str:
    """The stem of each word of folded text once: `films`, `film` and `filming` are one."""
    return " ".join(dict.fromkeys(map(stem, words.split())))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """By Porter's rules for English, which do for the plurals of its neighbours too; other scripts stay as they are."""
    return str(STEMMER.stemWord(word)) if word.isascii() and len(word) > SHORTEST_STEMMED else word


def keys(text: str) -> list[str]:
    """The whole of `text` in each spelling, for exact comparison."""
    return [" ".join(way) for way in spellings(text)]


def name_keys(text: str) -> list[str]:
    """As `keys`, and as one word: `Star Wars` is found by `starwars`."""
    return list(dict.fromkeys([*keys(text), "".join(words(text))]))


def _words(folded: str, *, joined: bool = False, endings: bool = True) -> tuple[str, ...]:
    found: list[str] = []
    for chunk in folded.split():
        pieces = _pieces(chunk, endings=endings)
        for piece in ["".join(pieces)] if joined else pieces:
            found += _unspaced(piece[:LONGEST_WORD])
    return tuple(found)


def _pieces(chunk: str, *, endings: bool) -> list[str]:
    """A chunk between blanks, cut at punctuation; a short ending after an apostrophe belongs to its word."""
    pieces: list[str] = []
    current = ""
    apostrophe = False
    for char in chunk + " ":
        if unicodedata.category(char)[0] in "LNM":
            current += char
            continue
        if current:
            if apostrophe and pieces and len(current) <= LONGEST_ENDING and char in ' .,;:!?)”"':
                pieces[-1] += current if endings else ""
            else:
                pieces.append(current)
            current = ""
        apostrophe = char in APOSTROPHES
    return pieces


def _unspaced(piece: str) -> list[str]:
    """Han and kana runs as overlapping pairs, since no blank shows where their words end."""
    found: list[str] = []
    end = 0
    for run in UNSPACED.finditer(piece):
        found += [piece[end : run.start()]] if run.start() > end else []
        text, end = run.group(), run.end()
        found += [text[at : at + 2] for at in range(len(text) - 1)] or [text]
    return found + ([piece[end:]] if end < len(piece) else [])
