"""The only files that know MongoDB: rows of showtimes, entries of events and venues, and who may rebuild the index."""
