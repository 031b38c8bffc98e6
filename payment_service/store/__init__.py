"""MongoDB: the only place that knows it."""
