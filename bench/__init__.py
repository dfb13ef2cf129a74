"""The gateway measured beside its peers: `make bench` runs it, `docs/performance.md` is what it writes."""
