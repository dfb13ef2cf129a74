"""`dorami db studio`: a data browser in the browser, for this machine alone, read-only unless `--write` is given."""
