"""The use cases of payments, and webhooks taken in and applied."""
