"""What counts how much. Only numbers live here; `query.py` says what they are multiplied with.

A tier outweighs whatever words, closeness and soonness add within the one below it. These sum up to a few hundred
at most, and scores are 32-bit floats, so the step is neither too small nor too large.
"""

TIER = 2_000.0
# What was found by another word for the same thing comes right after what was typed.
SYNONYM = -0.25 * TIER
EXACT_TITLE = 7 * TIER
EXACT_VENUE = 6 * TIER
ALL_IN_TITLE = 5 * TIER
ALL_WORDS = 4 * TIER
LAST_WORD_BEGUN = 3 * TIER
# One and many.
SAME_STEMS = 2.5 * TIER
SIMILAR_WORDS = 2 * TIER
SOME_WORDS = 1 * TIER

# Within a tier: where the words are found …
FIELDS = {
    "words.title": 3.0,
    "words.venue": 2.0,
    "words.people": 2.0,
    "words.keywords": 1.0,
    "words.genre": 1.0,
    "words.city": 1.0,
    "words.district": 1.0,
}
OTHER_FIELDS = 0.3
# … how close the venue is, and how soon the show: half of it at the pivot.
CLOSENESS = 8.0
CLOSENESS_PIVOT = "4km"
SOONNESS = 4.0
SOONNESS_PIVOT = "2d"

# Of suggestions: seats sold by their order of magnitude (10,000 of them count four times this), and how close one of
# the places is.
BOOKED = 2.0
SUGGESTED_CLOSENESS = 12.0
SUGGESTED_PIVOT = "15km"

# Typos: none in words below 3 letters, two from 8 letters on; the first letter is right.
FUZZINESS = "AUTO:3,8"
FUZZY_PREFIX = 1
FUZZY_EXPANSIONS = 30
# … of all words of a spelling together: the longest query has some hundred terms, not thousands.
MOST_SIMILAR = 100
# Of two words one must be there, of more two thirds.
SOME = "67%"
# Letters of a word that says something; scripts without blanks between words come in pairs.
TELLING = 2
FILLERS = frozenset(
    [
        *("a", "an", "and", "at", "de", "der", "die", "das", "den", "des", "dem", "du", "el", "en", "et", "for", "il"),
        *("in", "la", "las", "le", "les", "lo", "los", "of", "on", "or", "the", "to", "und", "un", "une", "y"),
    ]
)

MOST_WORDS = 16
# Spellings, and then the same with synonyms: each is a query of its own.
MOST_SPELLINGS = 4
MOST_SYNONYMS = 4
MOST_JOINED = 3
MOST_COUNTED = 10_000
# The most that Elasticsearch takes; beyond so many groups their number is an estimate.
GROUPS_EXACTLY = 40_000
FACET_VALUES = 30
FACET_DAYS = 60
FACET_CURRENCIES = 20
# Minor units; metres. A ring that nobody would go to is not counted, nor is it looked at.
PRICE_BANDS = (1_000, 1_500, 2_000, 3_000, 5_000, 10_000)
RINGS = (1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000)
WIDEST_RING = RINGS[-1]
SHOWN_PER_GROUP = 3
