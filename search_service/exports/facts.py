"""What is said of an event or a venue in words, wherever there is only text for it."""

from typing import Any

from search_index.document import GENRE_SEPARATORS
from service_kit.countries import country_name

# ISO 639-1, as far as films and plays are often in it; any other is shown as it is given.
LANGUAGES = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def genres(event: dict[str, Any]) -> list[str]:
    """Each by itself: they are published in one string."""
    published = event["metadata"].get("genre") or ""
    return [genre.strip() for genre in GENRE_SEPARATORS.split(published) if genre.strip()]


def about(event: dict[str, Any]) -> list[str]:
    """The kind of event, then genres, length, language and certificate, as far as known."""
    metadata = event["metadata"]
    language, minutes = metadata.get("language"), metadata.get("durationMinutes")
    said = [
        event["category"][:1].upper() + event["category"][1:],
        ", ".join(genres(event)),
        f"{minutes} minutes" if minutes else "",
        LANGUAGES.get(language, language) if language else "",
        metadata.get("certificate") or "",
    ]
    return [fact for fact in said if fact]


def address(venue: dict[str, Any]) -> list[str]:
    """Street, town and country, as on an envelope."""
    parts = venue["address"]
    town = " ".join(part for part in (parts.get("postalCode"), venue["city"]) if part)
    return [line for line in (parts.get("street"), town, country_name(venue["country"])) if line]
