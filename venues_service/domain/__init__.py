"""The rules of the catalogue, without I/O."""
