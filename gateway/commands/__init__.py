"""The groups of commands of the command line, one module each; `gateway/cli.py` puts them together."""
