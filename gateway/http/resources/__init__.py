"""The resources of the HTTP API, one file each: classes whose `routes` say what they serve. Mounted by api."""
