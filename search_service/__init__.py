"""Finding shows: by place, words and time, and by what can still be booked."""
