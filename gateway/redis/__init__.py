"""Redis: clients for one server, sentinels and clusters, scripts, the cache and the queue of jobs."""
