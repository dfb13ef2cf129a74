"""One process of the gateway: what it opens and closes, where it listens, and how it reports to its system."""
