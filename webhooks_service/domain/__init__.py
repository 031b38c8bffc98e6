"""Rules of outgoing webhooks, without I/O."""
