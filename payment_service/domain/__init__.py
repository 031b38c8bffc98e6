"""What payments, refunds and disputes are, and what the gateway's reports do to them. No I/O."""
