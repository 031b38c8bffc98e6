"""What a measurement gives: how many in what time, how long each took, and what the machine spent on it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

MACHINE = "machine"


@dataclass(frozen=True)
class Figures:
    """One measured window. `latencies` in seconds, ascending; `cpu` in seconds by group of processes.

    `refused` were told that somebody has the seats; `failed` got neither seats nor a refusal.
    """

    done: int
    seconds: float
    refused: int = 0
    failed: int = 0
    latencies: Sequence[float] = ()
    cpu: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    def percentile(self, percent: float) -> float:
        """Seconds within which so many per cent were done."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]

    def cpu_per_thousand(self, group: str) -> float:
        """CPU seconds for 1,000 done."""
        return self.cpu.get(group, 0.0) * 1_000 / max(1, self.done)

    @property
    def others(self) -> float:
        """Which share of the machine went to what is not measured here."""
        ours = sum(used for group, used in self.cpu.items() if group != MACHINE)
        share = (self.cpu.get(MACHINE, ours) - ours) / (self.seconds * (os.cpu_count() or 1))
        return min(1.0, max(0.0, share))


def typical(runs: Sequence[Figures]) -> Figures:
    """The run with the median rate; of two in the middle the slower one."""
    return sorted(runs, key=lambda run: run.rate)[(len(runs) - 1) // 2]


class Meter:
    """CPU seconds that groups of processes have used. The processes are those there when it is made."""

    def __init__(self, groups: Mapping[str, int]) -> None:
        """`groups`: name → process id; child processes count along, but for those of this process."""
        self._groups = {name: _family(pid) for name, pid in groups.items()}

    def read(self) -> dict[str, float]:
        """And of the whole machine."""
        used = {name: sum(_used(process) for process in group) for name, group in self._groups.items()}
        times = psutil.cpu_times()
        return {**used, MACHINE: times.user + times.system + times.softirq + times.irq + times.steal}


def callers_meter(groups: Mapping[str, int | None]) -> Meter:
    """Of this process as the callers, and of the others whose process id is known."""
    return Meter({"callers": os.getpid(), **{name: pid for name, pid in groups.items() if pid}})


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process] if pid == os.getpid() else [process, *process.children(recursive=True)]


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}
