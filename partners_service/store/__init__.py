"""The only files that know MongoDB."""
