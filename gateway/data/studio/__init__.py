"""`dorami db studio`: a data browser in the browser, for this machine alone, which can only read."""
