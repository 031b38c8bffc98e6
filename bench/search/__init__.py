"""The speed of search: what people get, next to what the engines would give by themselves."""
