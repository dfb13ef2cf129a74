"""`dorami db studio`: a data browser in the web browser, for this machine only, read-only unless `--write` is given."""
