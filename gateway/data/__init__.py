"""`dorami db`: the databases, their schemas and their rows, for developers and operators. One file for each task."""
