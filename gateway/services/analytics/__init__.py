"""Facts, numbers of what happened, on their way to the analytics database and out of it."""
