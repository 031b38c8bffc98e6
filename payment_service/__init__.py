"""Payments: intents at a gateway, its webhooks, refunds; and a sandbox gateway to develop and test against."""
