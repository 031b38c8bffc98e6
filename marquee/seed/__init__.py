"""Loads the real data of `data/`, and a programme made for it, into a running stack through its HTTP API."""

from marquee.seed.command import SeedOptions, main, seed
from marquee.seed.loader import SeedFailed, SeedReport
from marquee.seed.records import DataFault

__all__ = ["DataFault", "SeedFailed", "SeedOptions", "SeedReport", "main", "seed"]
