"""Presence: counts people over all nodes. `presence.py` is the interface, `redis.py` the implementation.

Each `.lua` file here is a script; those in `includes/` are parts of scripts.
"""
