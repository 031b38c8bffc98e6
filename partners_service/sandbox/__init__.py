"""A theatre on one's own machine; see `__main__` for its use."""
