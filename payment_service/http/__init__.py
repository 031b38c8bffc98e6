"""The HTTP side: one module per kind of route."""

from payment_service.http import payments, webhooks

# Webhooks first: their paths would be taken for payment ids.
ROUTERS = [webhooks.router, webhooks.admin_router, payments.router]
