"""The command line that the suites have in common."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Collection
from pathlib import Path


def parser_of(module: str, parts: Collection[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; all of them unless some are named")
    parser.add_argument("--seconds", type=float, default=5, help="how long each way is measured")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    return parser


def read_options(parser: argparse.ArgumentParser, parts: Collection[str]) -> argparse.Namespace:
    """Exits with a message where a part is unknown. Then SIGTERM ends the run as Ctrl-C does, leaving nothing."""
    options = parser.parse_args()
    options.parts = options.parts or list(parts)
    if unknown := set(options.parts) - set(parts):
        parser.error(f"there is no part {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return options
