"""The parts of a node: each builds the objects of one subject. `gateway/app.py` puts them together."""
