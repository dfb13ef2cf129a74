"""Chat rooms: joining, sending, history and search."""
