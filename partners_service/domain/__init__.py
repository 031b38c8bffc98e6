"""Rules of the partners service; no I/O."""
