"""What every service needs once: settings, errors, auth, idempotency, pages, health, logs, metrics."""
