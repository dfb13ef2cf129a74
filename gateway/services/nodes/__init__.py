"""The nodes themselves: heartbeats, readiness, and the list for administrators."""
