"""Halls in files: the hall that a plan describes, and the file of a stored layout."""

import re
from dataclasses import dataclass, replace
from typing import cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from service_kit.errors import Invalid
from service_kit.folding import plain_letters
from service_kit.models import Name
from venues_service.domain.drafts import refuse
from venues_service.domain.layouts import Layout, LayoutDraft, checked
from venues_service.domain.plans import MEDIA_TYPES, Finding, PlanFormat, Scheme, read_plan, write_plan

ENDINGS: dict[PlanFormat, str] = {"pretix": "json", "csv": "csv", "grid": "txt"}
MOST_OF_A_NAME = 80
_NOT_PLAIN = re.compile("[^a-z0-9]+")
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class FaultyPlan(Invalid):
    """Names each error and its place; `findings` has the rest too."""

    slug, title = "faulty-plan", "The plan has errors to be put right before seats are sold"


@dataclass(frozen=True)
class HallFile:
    """A file as it was sent."""

    format: PlanFormat
    body: bytes
    numbering: Scheme | None = None


@dataclass(frozen=True)
class FoundHall:
    """What a file says: `name` is the plan's own, where it has a usable one."""

    layout: Layout
    findings: list[Finding]
    name: str | None

    def check(self) -> None:
        """Raises FaultyPlan when a finding is an error."""
        errors = [(finding.where, finding.message) for finding in self.findings if finding.severity == "error"]
        if errors:
            findings = [finding.model_dump(by_alias=True) for finding in self.findings]
            raise FaultyPlan(f"{len(errors)} error(s) in this plan", faults=errors, findings=findings)

    def named(self, name: str | None) -> str:
        """`name`, or the plan's own. Raises Invalid when there is neither."""
        if (chosen := name or self.name) is None:
            raise refuse([("name", "Give a name; the plan brings none that a hall can have")])
        return chosen


def found_in(file: HallFile) -> FoundHall:
    """Raises Invalid with each fault and its place. Takes a second for 100,000 seats."""
    plan = read_plan(file.format, file.body, file.numbering)
    layout = checked(cast(LayoutDraft, plan.layout))
    extras = to_json(plan.extras) if plan.extras else b""
    return FoundHall(replace(layout, extras=extras), plan.findings, _usable(plan.extras.get("name")))


def _usable(name: object) -> str | None:
    try:
        return _NAME.validate_python(name, strict=True)
    except ValidationError:
        return None


@dataclass(frozen=True)
class Download:
    name: str
    media_type: str
    body: bytes


def file_of(plan_format: PlanFormat, hall: str, version: int, layout: bytes, extras: bytes) -> Download:
    """The file of a layout version, under a name that any file system and header can hold.

    Raises HasGeneralAdmission, NotGridLike. Takes a second for 100,000 seats.
    """
    body = write_plan(plan_format, from_json(layout), from_json(extras) if extras else None)
    plain = _NOT_PLAIN.sub("-", plain_letters(hall))[:MOST_OF_A_NAME].strip("-")
    return Download(f"{plain or 'hall'}-v{version}.{ENDINGS[plan_format]}", MEDIA_TYPES[plan_format], body)
