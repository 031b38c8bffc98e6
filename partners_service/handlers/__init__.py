"""Use cases of the partners service."""
