"""Background jobs: their table, and the runner in the job worker."""
