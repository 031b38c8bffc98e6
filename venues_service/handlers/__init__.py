"""The use cases of the catalogue, one method each."""
