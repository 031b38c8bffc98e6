"""What a run found, on the terminal and as Markdown: each bar with what was reached, every way as it was measured."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.figures import Figures, typical

# Processes whose CPU time is told: the callers' (in process it is the product's too), the HTTP API's, the engine's.
CPU_GROUPS = ("callers", "API", "engine")
Cells = Sequence[str]
# Its title, its heads, its rows.
TitledTable = tuple[str, Cells, list[Cells]]
Run = Callable[[], Awaitable[Figures]]
WIDTH = 200


@dataclass(frozen=True)
class Finding:
    """A figure with its bar. `value` is None where it could not be had, and `note` says why.

    A ratio has no unit. A bar is the least allowed, or with `most` the most allowed; without one it informs only.
    """

    row: str
    what: str
    value: float | None
    bar: float | None = None
    unit: str = ""
    most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return self.note
        if self.bar is None:
            return "information"
        return "met" if (self.value <= self.bar if self.most else self.value >= self.bar) else "missed"

    def cells(self) -> Cells:
        bar = "" if self.bar is None else f"{'≤' if self.most else '≥'} {self.bar:g} {self.unit}".rstrip()
        value = "" if self.value is None else f"{_number(self.value)} {self.unit}".rstrip()
        return self.row, self.what, value, bar, self.verdict


@dataclass
class Report:
    """Filled while the suite runs. `ways`: name → every run of it, in the order in which they were first run."""

    findings: list[Finding] = field(default_factory=list)
    ways: dict[str, list[Figures]] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)

    def ratio(self, row: str, what: str, of: str, to: str, bar: float | None = None) -> None:
        """Add how many times the rate of one way is that of another."""
        if of in self.ways and to in self.ways:
            self.findings.append(Finding(row, what, self.rate(of) / self.rate(to), bar))
        else:
            self.findings.append(Finding(row, what, None, bar, note="not installed"))

    def rate(self, way: str) -> float:
        return typical(self.ways[way]).rate

    @property
    def sorted_findings(self) -> list[Finding]:
        return sorted(self.findings, key=lambda finding: finding.row)

    async def compare(self, ways: Mapping[str, Run], rounds: int) -> None:
        """Run each way in turn, and all of them again: what else the machine does meanwhile falls on all alike."""
        for _ in range(rounds):
            for name, run in ways.items():
                print(f"  {name}", file=sys.stderr, flush=True)
                self.ways.setdefault(name, []).append(await run())

    def tell(self, markdown: Path | None) -> None:
        """On the terminal, and in a file where one is named."""
        tell(list(self._tables()), self.conditions, markdown)

    def _tables(self) -> Iterable[TitledTable]:
        yield "Bars", ("row", "what", "reached", "bar", ""), [finding.cells() for finding in self.sorted_findings]
        heads = ("way", "per s", "all runs", "p50 ms", "p99 ms", "refused", "failed")
        cpu = [f"CPU s/1,000: {group}" for group in CPU_GROUPS]
        yield "Ways", (*heads, *cpu, "others' CPU"), [_way(name, runs) for name, runs in self.ways.items()]


def machine() -> list[str]:
    """What the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({model}), {memory:.0f} GiB, {system}",
        f"Load average before the run: {loads}",
    ]


def _way(name: str, runs: Sequence[Figures]) -> Cells:
    run = typical(runs)
    rates = sorted(each.rate for each in runs)
    cpu = [f"{run.cpu_per_thousand(group):.2f}" if group in run.cpu else "" for group in CPU_GROUPS]
    spread = f"{_number(rates[0])} to {_number(rates[-1])}" if len(rates) > 1 else ""
    latencies = [f"{run.percentile(percent) * 1_000:.1f}" if run.latencies else "" for percent in (50, 99)]
    return name, _number(run.rate), spread, *latencies, f"{run.refused:,}", f"{run.failed:,}", *cpu, f"{run.others:.0%}"


def _number(value: float) -> str:
    """Three digits are all that a measurement is worth."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def tell(tables: Sequence[TitledTable], conditions: Sequence[str], markdown: Path | None) -> None:
    """Tables with what they were made under, on the terminal, and in a file where one is named."""
    console = Console(width=WIDTH)
    for title, heads, rows in tables:
        table = Table(*heads, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in conditions:
        console.print(line)
    if markdown:
        parts = ["\n".join(f"{line}  " for line in conditions)]
        for title, heads, rows in tables:
            lines = [f"### {title}", _line(heads), _line(["---"] * len(heads)), *map(_line, rows)]
            parts.append("\n".join(lines))
        markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _line(cells: Cells) -> str:
    return f"| {' | '.join(cells)} |"
