"""Tools for asyncio that import nothing of the gateway: batches, periods, time limits, outages."""
