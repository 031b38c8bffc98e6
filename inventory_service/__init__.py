"""Seat maps, holds, bookings, tickets: one document per showtime, updated by conditional writes alone."""
