"""One short function per use case."""
