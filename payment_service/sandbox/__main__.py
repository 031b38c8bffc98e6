"""The sandbox payment gateway: `python -m payment_service.sandbox --port N [--host H] [--state FILE]`.

It speaks the Stripe API's own paths, so the official SDK drives it unchanged:

    stripe.StripeClient("sk_test_…", base_addresses={"api": "http://127.0.0.1:N"})

- `POST /v1/payment_intents[/{id}]`, `GET /v1/payment_intents[/{id}]`, `POST /v1/payment_intents/{id}/confirm|cancel`
- `POST /v1/refunds`, `GET /v1/refunds[/{id}]`, `GET /v1/charges[/{id}]`, `GET /v1/events[/{id}]`
- `GET /v1/disputes[/{id}]`, `POST /v1/disputes/{id}` (evidence), `POST /v1/disputes/{id}/close`
- Any secret test key (`sk_test_…`) opens everything, and so does none: the sandbox guards no money. A buyer confirms or
  reads one intent with its `client_secret`, with a publishable key (`pk_…`) or none.
- `Idempotency-Key` on POST: the first answer again for 24 hours (`Idempotent-Replayed: true`); other parameters: 400.
- Test payment methods by Stripe's names: `pm_card_visa`, `pm_card_chargeDeclined`,
  `pm_card_chargeDeclinedInsufficientFunds`, `pm_card_authenticationRequired` (3-D Secure: the buyer, or a test, posts
  `outcome=success|failure` to `next_action.redirect_to_url.url`), `pm_usBankAccount_success` (processing first),
  `pm_card_pendingRefund`, `pm_card_refundFail`, `pm_card_createDispute`, `pm_card_createDisputeProductNotReceived`,
  `pm_card_createDisputeInquiry`; all of them in `cards.py`.
- A dispute is won or lost by `evidence[uncategorized_text]=winning_evidence|losing_evidence`; an inquiry becomes a
  chargeback by `escalate_inquiry_evidence`.
- Webhooks go, signed with the first of MARQUEE_WEBHOOK_SECRETS, to MARQUEE_WEBHOOK_URL (default: PUBLIC_URL plus
  `/api/v1/payments/webhook`), again and again with back-off for three days until a 2xx.

State and unsent webhooks are in one SQLite file (`--state`, or MARQUEE_SANDBOX_STATE) and survive `kill -9`.

The fault dial: `POST /sandbox/faults` (JSON, replaces what was set), `GET` shows it, `DELETE` clears it, as a restart
does. "How often" is a whole number for the next so many, or a fraction below 1 for a share of all; 1.0 or true: all.

| field | does |
| --- | --- |
| `delayMs` | each webhook waits so long before it is first sent |
| `repeat` | each webhook is sent so many times more (a fraction: once more, for that share) |
| `reorder` | true: webhooks of the same half second are sent last first |
| `drop` | how often a webhook is never sent (its event still stands in `GET /v1/events`) |
| `failStatus`, `fail` | API calls answer this status (default 500), nothing done; `fail`: how often (default all) |
| `answerLost` | true: such calls do their work first, and only their answer is lost |
| `hangMs`, `hang` | API calls wait so long before anything is done; `hang`: how often (default all) |
"""

import argparse
from pathlib import Path

from payment_service.sandbox.app import create_app
from payment_service.sandbox.config import Settings
from service_kit.runtime import run_api


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m payment_service.sandbox")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state", type=Path, help="the SQLite file; default: MARQUEE_SANDBOX_STATE")
    options = parser.parse_args()
    settings = Settings(sandbox_state=options.state) if options.state else Settings()
    run_api(create_app(settings), settings, name="sandbox", host=options.host, port=options.port)


if __name__ == "__main__":
    main()
