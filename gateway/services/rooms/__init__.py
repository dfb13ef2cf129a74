"""The log of rooms, and what is read from it: outbox, catch-up, cache."""
