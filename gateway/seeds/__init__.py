"""Seeds for development: data to edit in main.toml, and a large history."""
