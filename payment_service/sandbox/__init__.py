"""A payment gateway that speaks Stripe's API on one's own machine; see `__main__` for its use."""
