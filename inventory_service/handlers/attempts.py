"""Conditional updates are tried again when somebody else was first; what is said when that does not end well."""

from service_kit.errors import Unavailable

# A condition misses when somebody else changed the document first; this many times in a row means an overload.
ATTEMPTS = 20


class Contended(Unavailable):
    slug, title = "contended", "Too many changes at once"


class NotOpenYet(Unavailable):
    slug, title = "seat-map-not-open", "The seat map of this showtime is being made"
