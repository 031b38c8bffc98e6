"""Accounts without I/O: what an address, a phone number and a password must be, users, sessions and refusals."""

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email

from service_kit.errors import Conflict, Unauthenticated
from service_kit.limits import Limit
from service_kit.tokens import Role

ACCESS_LIFETIME = timedelta(minutes=15)
# A session ends when it was not refreshed for so long; a guest's account ends with it.
SESSION_LIFETIME = timedelta(days=30)
LONGEST_EMAIL = 240
NEUTRAL_SUFFIX = ".example"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 256

LOGINS_PER_EMAIL = Limit("failed-logins", 30, timedelta(minutes=5))
LOGINS_PER_ADDRESS = Limit("failed-logins-address", 300, timedelta(minutes=5))
REGISTRATIONS_PER_ADDRESS = Limit("registrations", 300, timedelta(minutes=1))
GUESTS_PER_ADDRESS = Limit("guests", 300, timedelta(minutes=1))


class EmailTaken(Conflict):
    slug, title = "email-taken", "This email address has an account already"


class WrongCredentials(Unauthenticated):
    """Says alike for an unknown address and a wrong password, so that nobody learns who has an account."""

    slug, title = "wrong-credentials", "The email address or the password is wrong"


class RefreshRefused(Unauthenticated):
    slug, title = "refresh-token-refused", "This refresh token can't be used"


class AccountGone(Unauthenticated):
    slug, title = "account-gone", "This account is no longer there"


@dataclass(frozen=True)
class User:
    """An account. Guests have neither address nor name; `version` counts the changes of the profile."""

    user_id: str
    role: Role
    created_at: datetime
    version: int = 1
    email: str | None = None
    name: str | None = None
    phone: str | None = None


@dataclass(frozen=True)
class RefreshToken:
    """`<session>.<turn>`, two secrets: which login it stems from, and which refresh of it.

    One session is one document that knows its present turn. Whoever shows an earlier turn has a copy that somebody
    used before him, and the session ends for both.
    """

    session: str
    turn: str

    @property
    def text(self) -> str:
        return f"{self.session}.{self.turn}"

    @property
    def session_hash(self) -> str:
        return _hashed(self.session)

    @property
    def turn_hash(self) -> str:
        return _hashed(self.turn)

    def next(self) -> "RefreshToken":
        return RefreshToken(self.session, secrets.token_urlsafe(24))


def new_refresh_token() -> RefreshToken:
    return RefreshToken(secrets.token_urlsafe(24), secrets.token_urlsafe(24))


def read_refresh_token(text: str) -> RefreshToken:
    """Raises RefreshRefused for what has not even the form."""
    session, dot, turn = text.partition(".")
    if not (session and dot and turn):
        raise RefreshRefused
    return RefreshToken(session, turn)


def _hashed(secret: str) -> str:
    # The secrets are random and long: a plain hash can't be reversed by trying.
    return hashlib.sha256(secret.encode()).hexdigest()


def normal_email(text: str) -> str:
    """The one form under which an address is kept. Raises ValueError.

    RFC 5321 would let the part before the @ depend on case, but no provider in use does, and people type both.
    """
    try:
        # Only the form is checked; whether mail gets there is for a confirmation to find out. The suffix lets
        # addresses of internal networks (.local, .test) pass, which the library takes for undeliverable.
        known = validate_email(f"{text.strip()}{NEUTRAL_SUFFIX}", check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError("Must be an email address") from error
    email = known.normalized.lower().removesuffix(NEUTRAL_SUFFIX)
    if "." not in email.rpartition("@")[2] or len(email) > LONGEST_EMAIL:
        raise ValueError("Must be an email address")
    return email


def normal_phone(text: str) -> str:
    """E.164 without the separators people write: at most 15 digits, a + where one was given. Raises ValueError."""
    phone = re.sub(r"[ ().\-/]", "", text)
    if not re.fullmatch(r"\+?[0-9]{6,15}", phone):
        raise ValueError("Must be a phone number, such as +49 30 901820")
    return phone


def normal_password(text: str) -> str:
    """One form for what keyboards compose differently (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", text)
