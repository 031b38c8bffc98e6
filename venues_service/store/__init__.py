"""The only room that knows MongoDB: one module per collection."""
