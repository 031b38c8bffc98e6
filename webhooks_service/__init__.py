"""Outgoing webhooks: tells organisers' own systems what happens, signed, repeated until heard, with a log."""
