"""The only files that know MongoDB: seat maps, bookings, and what is kept of the catalogue."""
