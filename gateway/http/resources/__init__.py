"""The resources of the HTTP API, one class and file each; `routes` declares what it serves. Mounted by api."""
