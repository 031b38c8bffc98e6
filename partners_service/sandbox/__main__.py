"""The sandbox theatre: `python -m partners_service.sandbox --port N [--host H] [--state FILE]`.

It speaks the protocol of docs/partners.md, signed by MARQUEE_PARTNER_SANDBOX_SECRET:

- `PUT /bookings/{id}` confirms the seats and gives tickets, the same again on a repeat. A seat that it has given to
  another booking of the showtime is refused, and so is a booking that was cancelled.
- `DELETE /bookings/{id}` cancels, whatever it knows of the booking; `PATCH` leaves it the named seats, at that time.

And, unsigned, for people and tests: `GET /sandbox/bookings/{id}`, and the fault dial.

Its books are one SQLite file (`--state`, or MARQUEE_PARTNER_SANDBOX_STATE) and survive `kill -9`.

The fault dial: `POST /sandbox/faults` (JSON, replaces what was set), `GET` shows it, `DELETE` clears it, as a restart
does. "How often" is a whole number for the next so many calls, or a fraction below 1 for a share; 1.0 or true: all.

| field | does |
| --- | --- |
| `delayMs` | each call waits so long before anything is done |
| `hang` | how often a call does nothing and never answers |
| `fail` | how often a call answers 500, nothing done |
| `answerLost` | how often a call does its work and then answers 500 |
| `refuse` | how often seats are refused |
| `badSignature` | how often an answer is signed by another's secret |
| `garbage` | how often an answer is signed, and no answer |
| `redirect` | how often a call is answered by a redirect to the same place |
"""

import argparse
from pathlib import Path

from partners_service.sandbox.app import create_app
from partners_service.sandbox.config import Settings
from service_kit.runtime import run_api


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m partners_service.sandbox")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state", type=Path, help="the SQLite file; default: MARQUEE_PARTNER_SANDBOX_STATE")
    options = parser.parse_args()
    settings = Settings(partner_sandbox_state=options.state) if options.state else Settings()
    run_api(create_app(settings), settings, name="partner-sandbox", host=options.host, port=options.port)


if __name__ == "__main__":
    main()
