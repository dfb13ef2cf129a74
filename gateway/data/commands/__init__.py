"""The commands of `dorami db`, one file each. Called by the command line."""
