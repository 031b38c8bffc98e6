"""Text that breaks searches: every kind by its name, each drawn from a given chance, so that a case can be replayed."""

from collections.abc import Callable
from random import Random

Kind = Callable[[Random], str | bytes]
# A part of the address as it is sent: bytes are for what is no text at all.
Raw = str | bytes

TITLES = (
    "Dune",
    "Amélie",
    "The Godfather",
    "Star Wars",
    "Paging",
    "千と千尋の神隠し",
    "Spider-Man: No Way Home",
    "M*A*S*H",
)
MEANT = (
    *("4 together", "under 15 €", "tonight", "in paris, texas", "near me", "within 10 km", "this weekend", "leeds"),
    *("2 tickets", "max 99.99", "at springfield", "shows in zürich", "on saturday", "up to £ 5", "within 1 m"),
)
LUCENE = (
    'title:"',
    "*:*",
    "AND",
    "OR",
    "NOT",
    "&&",
    "||",
    "[a TO z]",
    "{* TO 5}",
    "^9",
    "~2",
    "/.*/",
    "a~9",
    "\\",
    "(((",
    "+-",
)
CODE = (
    *('{"match_all": {}}', '{"$gt": ""}', "$where", "$ne", "[]", "{}", "null", "NaN", "true", '"\\u0000"', "{{7*7}}"),
    *("' OR 1=1 --", "'; DROP TABLE shows; --", "<script>alert(1)</script>", "${jndi:ldap://x}", "../../etc/passwd"),
    *("%00", "%s%n", "_id", "__proto__", "a\\", "\\x00", "<!ENTITY", "()", ";--", "%", "\"'`", "//", "\\\\"),
)
REGEXES = ("(a+)+$", "(a|aa)*b", "^(.*)*$", "([a-z]+)*=", ".{9999}", "@&~(abc.+)", "<1-999999999>", "(x*)*" * 9)
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\ufe0f\u180e\u2028\u2029\u3000\u00a0\u1680"
MARKS = "\u0300\u0301\u0323\u0327\u0345\u0488\u05b0\u064b\u0e38\u0f71\u3099\u20dd\ufe20\u1dfa"
EMOJI = (
    "🎭",
    "👩\u200d👩\u200d👧\u200d👦",
    "🏳️\u200d🌈",
    "👍🏽",
    "🇫🇷",
    "1️⃣",
    "❤️",
    "🏴\U000e0067\U000e007f",
    "🫨",
    "\u200d",
)
FOLDING = "ﷺ ﷽ ﬃ ß ẞ İ ı ſ K Å Ω ㎒ ㍿ ½ ² Ⅷ ⑳ ǅ ŉ ΐ ᾳ ﬗ Ｆ ｶﾞ ﾊﾟ が か゛ ー 々 〆 ᄀ각 𝔞 𝟘 ꟼ"  # noqa: RUF001
SCRIPTS = "مسرح תיאטרון Ждём Θέατρο โรงละคร නාට්‍ය थिएटर தியேட்டர் ထိုင်း 剧院 극장 劇場 ሲኒማ ᏣᎳᎩ 𐌰𐌱 ᚠᚢ ⠓⠑"
UNASSIGNED = "\u0378\u0380\uffff\U0001ffff\U000fffff\U0010ffff\ue000\ufdd0\U000e0080"
INVALID = (
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xed\xb0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x28\xa1",
    b"\xc3",
    b"\x80",
    b"\xf0\x9f",
)
LONGEST = 10_000
LONGEST_QUERY = 200
# What costs most of all that fits into a query.
WORST = (
    *("a" * 200, "a " * 100, "abc " * 50, "aa bb " * 33, "ab" * 100, "x-" * 100, "a's " * 50, "'" * 200, "a'" * 100),
    *("ﷺ" * 200, "ﷺ " * 100, "千" * 200, "カ" * 200, "Ü" * 200, "ﬃ" * 200, "👩\u200d" * 100),
    *("a" + "\u0301\u0323" * 99, "a\u0345" * 100),
    *("under " * 33, ("under" + " " * 30) * 6, "within 1 " * 22, "12 togethe " * 18, "1 " * 100, "9" * 200),
    *("a," * 100, "paris," * 33, "san " * 50, "in " * 66, "santa maria, " * 15, "springfield " * 16, "near me " * 25),
    *("zürich's spider-männer " * 9, "ghöst-büsters l'été's " * 9, "(a+)+$ " * 28, "* ? ~ " * 33, "sci-fi movie " * 15),
)  # fmt: skip


def _of(alphabet: str | list[str], most: int = 60) -> Kind:
    return lambda chance: "".join(chance.choices(alphabet, k=chance.randint(1, most)))


def _some(words: tuple[str, ...], most: int = 4) -> Kind:
    return lambda chance: chance.choice(" |").join(chance.choices(words, k=chance.randint(1, most)))


def _any_code_points(chance: Random) -> str:
    top = chance.choice((0xFF, 0x2FFF, 0xD7FF, 0x1FFFF))
    return "".join(chr(code) for code in (chance.randint(1, top) for _ in range(30)) if not 0xD800 <= code < 0xE000)


def _mutilated_title(chance: Random) -> str:
    letters = list(chance.choice(TITLES))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(letters))
        letters[at : at + chance.randint(0, 2)] = chance.choice(("", "x", "é", " ", "-", "*", letters[at].swapcase()))
        letters = letters or ["a"]
    return "".join(letters)


def _sentence(chance: Random) -> str:
    parts = [*chance.sample(MEANT, chance.randint(1, 4)), chance.choice(TITLES)]
    chance.shuffle(parts)
    return chance.choice((" ", ", ", "  ")).join(parts)[:200]


def _most_spellings(chance: Random) -> str:
    """As many words as are allowed, each of several spellings."""
    words = ("ghöst-büsters", "l'été's", "spider-man", "zürich's", "star", "dühne", "a-b")
    return " ".join(chance.choices(words, k=40))[:200]


def _invalid(chance: Random) -> bytes:
    return b"dune" + b"".join(chance.choices(INVALID, k=chance.randint(1, 9)))


# Some of these get as far as Elasticsearch …
ANSWERED: dict[str, Kind] = {
    "titles": _mutilated_title,
    "sentences": _sentence,
    "spellings": _most_spellings,
    "as many letters as allowed": lambda chance: chance.choice("aéÜ千がﷺ🎭1*?'\"-. ") * 200,
    "invisible": lambda chance: chance.choice(INVISIBLE).join(chance.choice(TITLES)),
    "marks": lambda chance: "a" + "".join(chance.choices(MARKS, k=chance.choice((3, 30, 199, 3_000)))),
    "emoji": lambda chance: "".join(chance.choices(EMOJI, k=chance.choice((1, 5, 40)))),
    "folding": _of(FOLDING, 199),
    "scripts": _of(SCRIPTS, 60),
    "any code points": _any_code_points,
    "invalid bytes": _invalid,
    "lucene": _some(LUCENE, 9),
    "code": _some(CODE),
    "regular expressions": _some(REGEXES, 2),
    "wildcards": _of("*?", 199),
    "words of one letter": lambda chance: " ".join(chance.choices("aitm1é", k=chance.randint(1, 100))),
    "digits": _of("0123456789\u0663\u096b\uff11.,-+eE ", 40),
    "quotes and slashes": _of("\"'`\u2019\\/ a", 60),
    "blanks": _of(" \t\r\n\u3000\u00a0\u2003", 20),
    "nothing": lambda _: "",
}
# … and none of these may.
REFUSED: dict[str, Kind] = {
    "controls": _of(CONTROLS, 9),
    "a control in a word": lambda chance: f"du{chance.choice(CONTROLS)}ne",
    "ten thousand letters": lambda chance: chance.choice("aé千🎭*") * LONGEST,
    "thousands of words": lambda chance: " ".join(chance.choices(("a", "it", "dune", "1"), k=3_000)),
    "bidi": lambda chance: f"du{chance.choice(BIDI)}ne",
    "unassigned": _of(UNASSIGNED, 4),
}


def nasty(chance: Random) -> Raw:
    """Text of one kind, or of two kinds together."""
    kinds = REFUSED if chance.random() < 0.1 else ANSWERED
    one, other = (kinds[chance.choice(list(kinds))](chance) for _ in range(2))
    if isinstance(one, str) and isinstance(other, str) and chance.random() < 0.15:
        return one + chance.choice((" ", "", ",")) + other
    return one
