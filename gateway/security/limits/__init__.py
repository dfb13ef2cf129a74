"""Rate limits. `limits.py` is the interface with a limiter in memory, `redis.py` counts over all nodes."""
