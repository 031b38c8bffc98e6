"""Plans of halls in files of other makers, to our seat layouts and back. Pure: bytes in, bytes out.

    plan = read_plan("pretix", body)              # Plan(layout, findings, extras); raises Invalid
    body = write_plan("pretix", plan.layout, plan.extras)

`docs/hall-import.md` describes the formats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from service_kit.errors import Conflict
from venues_service.domain.plans.csv_plan import read_csv, write_csv
from venues_service.domain.plans.findings import Code, Finding, Findings, Severity, refusal
from venues_service.domain.plans.grid import Scheme, read_grid
from venues_service.domain.plans.grid_export import NotGridLike, write_grid
from venues_service.domain.plans.pretix import read_pretix
from venues_service.domain.plans.pretix_export import write_pretix
from venues_service.domain.plans.survey import survey

PlanFormat = Literal["pretix", "csv", "grid"]
MEDIA_TYPES: dict[PlanFormat, str] = {
    "pretix": "application/json",
    "csv": "text/csv; charset=utf-8",
    "grid": "text/plain; charset=utf-8",
}
MOST_BYTES = 16 * 1024 * 1024

__all__ = [
    "MEDIA_TYPES",
    "MOST_BYTES",
    "Code",
    "Finding",
    "HasGeneralAdmission",
    "NotGridLike",
    "Plan",
    "PlanFormat",
    "Scheme",
    "Severity",
    "read_plan",
    "write_plan",
]


class HasGeneralAdmission(Conflict):
    """Files hold seats only; left out, the places would be lost to whoever reads the file as the hall."""

    slug, title = "has-general-admission", "A section without seats has no place in a file"


@dataclass(frozen=True)
class Plan:
    """`layout` is in the contract's form, complete, and passes `layouts.checked`.

    `extras` is what only the file's own format knows (areas, colours, size …): JSON of at most 1 MB, to be kept beside
    the layout as it is and given back to `write_plan`. Without it an export is whole but plain.
    """

    layout: dict[str, Any]
    findings: list[Finding]
    extras: dict[str, Any] = field(default_factory=dict)


def read_plan(plan_format: PlanFormat, body: bytes, numbering: Scheme | None = None) -> Plan:
    """Raises Invalid with a fault for each problem: JSON pointers for pretix, `line N, column M` for csv and grid.

    `numbering` is for grids only, whose seats have no numbers of their own.
    """
    if numbering is not None and plan_format != "grid":
        raise refusal("numbering", "Only the seats of a grid are numbered in reading; others have numbers of their own")
    if len(body) > MOST_BYTES:
        raise refusal(_start(plan_format), f"A plan may have at most {MOST_BYTES // 1024**2} MiB")
    if not body.strip():
        raise refusal(_start(plan_format), "The file is empty")
    findings = Findings()
    extras: dict[str, Any] = {}
    if plan_format == "pretix":
        gathered, extras = read_pretix(body, findings)
    elif plan_format == "csv":
        gathered = read_csv(body, findings)
    else:
        gathered = read_grid(body, findings, numbering or "left-to-right")
    survey(gathered.layout, gathered.places, findings)
    return Plan(gathered.layout, findings.all(), extras)


def write_plan(plan_format: PlanFormat, layout: Mapping[str, Any], extras: Mapping[str, Any] | None = None) -> bytes:
    """The file of a complete layout. Raises HasGeneralAdmission, and NotGridLike for a grid that can't be drawn."""
    standing = [section["name"] for section in layout["sections"] if "capacity" in section]
    if standing:
        raise HasGeneralAdmission(f"Without seats: {', '.join(standing[:10])}")
    if plan_format == "pretix":
        return write_pretix(layout, extras or {})
    return write_csv(layout) if plan_format == "csv" else write_grid(layout)


def _start(plan_format: PlanFormat) -> str:
    return "" if plan_format == "pretix" else "line 1"
