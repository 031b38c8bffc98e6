"""Rules of seats, holds, bookings and prices. No I/O."""
