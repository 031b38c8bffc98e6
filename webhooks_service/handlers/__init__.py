"""The use cases of outgoing webhooks."""
