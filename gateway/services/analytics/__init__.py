"""Facts for the analytics database: stored, relayed, counted, and read for reports."""
