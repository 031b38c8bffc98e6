"""`python -m indexer worker` runs it; `python -m indexer rebuild` fills a new index and changes over to it."""

import argparse
import asyncio
import sys

from indexer.app import worker
from indexer.config import Settings
from indexer.rebuild import rebuild
from service_kit.logs import configure_logging
from service_kit.runtime import run_worker

NAME = "indexer"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m indexer", description=__doc__)
    parser.add_argument("role", choices=["worker", "rebuild"])
    role = parser.parse_args().role
    settings = Settings()
    if role == "worker":
        run_worker(worker(settings), settings, name=NAME)
        return
    configure_logging(NAME, log_format=settings.log_format, level=settings.log_level)
    filled = asyncio.run(rebuild(settings))
    sys.stdout.write(f"{filled} showtimes are in the new index\n")


if __name__ == "__main__":
    main()
