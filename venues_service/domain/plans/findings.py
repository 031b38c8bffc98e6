"""What a reader of plans says about a file: faults end the reading, findings go with the result."""

from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from service_kit.errors import Invalid
from service_kit.models import Model
from venues_service.domain.drafts import MOST_FAULTS, printable, refuse
from venues_service.domain.layouts import Label, LayoutId

MOST_FINDINGS = 1_000
MOST_NAMED = 100

# error: certainly wrong, to be put right before seats are sold; warning: look at it; info: what was done on the way.
Severity = Literal["error", "warning", "info"]
Code = Literal[
    "duplicate-label",
    "duplicate-seat-id",
    "empty-row",
    "extras-dropped",
    "generated-positions",
    "missing-label",
    "named-category",
    "odd-row",
    "overlapping-seats",
    "repaired-id",
    "repeated-row",
    "repeated-zone",
    "unknown-category",
    "unreachable-row",
    "wheelchair-without-companion",
]


class Finding(Model):
    """`where` is a JSON pointer into a pretix plan, or `line N` (`line N, column M`) of a text.

    `seat_ids` are ids of the layout, the first hundred of those concerned.
    """

    severity: Severity
    code: Code
    message: str
    where: str
    seat_ids: Annotated[list[str], Field(max_length=MOST_NAMED, default_factory=list)]


class Findings:
    """A bounded list: a file of 100,000 oddities is told once, not 100,000 times."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._left_out: dict[tuple[Severity, Code], int] = {}

    def add(self, severity: Severity, code: Code, where: str, message: str, *seat_ids: str) -> None:
        if len(self._kept) < MOST_FINDINGS:
            self._kept.append(
                Finding(
                    severity=severity,
                    code=code,
                    message=message,
                    where=printable(where),
                    seat_ids=list(seat_ids[:MOST_NAMED]),
                )
            )
        else:
            self._left_out[severity, code] = self._left_out.get((severity, code), 0) + 1

    def all(self) -> list[Finding]:
        """Gravest first, each kind in the order of the file."""
        more = [
            Finding(severity=severity, code=code, message=f"And {count} more of these", where="")
            for (severity, code), count in self._left_out.items()
        ]
        rank = {"error": 0, "warning": 1, "info": 2}
        return sorted(self._kept + more, key=lambda finding: rank[finding.severity])


class Faults:
    """What makes a file unreadable, gathered so that all of it is told at once."""

    def __init__(self) -> None:
        self._faults: list[tuple[str, str]] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, where: str, message: str) -> None:
        """Raises Invalid as soon as there are more than anyone would read."""
        self._faults.append((printable(where), printable(message)))
        if len(self._faults) >= MOST_FAULTS:
            self.settle()

    def settle(self) -> None:
        """Raises Invalid when there is any fault."""
        if self._faults:
            raise refuse(self._faults)


def refusal(where: str, message: str) -> Invalid:
    """The refusal of a file for one fault."""
    return refuse([(printable(where), printable(message))])


# More is too long even when trimmed: nobody pads a word with hundreds of spaces.
_LONGEST = 500
_LABEL: TypeAdapter[str] = TypeAdapter(Label)
_ID: TypeAdapter[str] = TypeAdapter(LayoutId)


def as_label(text: object) -> str | None:
    """`text` as a layout takes it for a label or a name (trimmed), or None when it doesn't."""
    return _label(text) if isinstance(text, str) and len(text) <= _LONGEST else None


def as_id(text: object) -> str | None:
    """`text` as a layout takes it for an id (trimmed), or None when it doesn't."""
    return _fit(_ID, text) if isinstance(text, str) and len(text) <= _LONGEST else None


# Rows and numbers are the same few words over and over.
@lru_cache(maxsize=4096)
def _label(text: str) -> str | None:
    return _fit(_LABEL, text)


def _fit(adapter: TypeAdapter[str], text: str) -> str | None:
    try:
        return adapter.validate_python(text, strict=True)
    except ValidationError:
        return None
