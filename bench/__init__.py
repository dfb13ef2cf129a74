"""The benchmark of the gateway and its peers: `make bench` runs it and writes `docs/performance.md`."""
