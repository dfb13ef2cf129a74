"""Fan-out: broadcasts and notices to all nodes. `fanout.py` is the interface, `redis.py` the implementation."""
