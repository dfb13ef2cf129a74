"""The payloads of requests, answers and broadcasts, one file for each subject. Built on `wire.py`."""
