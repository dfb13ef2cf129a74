"""Dorami Gateway: the realtime backend of a live-commerce shop."""

__version__ = "0.2.0"
