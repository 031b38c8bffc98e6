"""The catalogue: venues, halls with their seat layouts, events, and showtimes."""
