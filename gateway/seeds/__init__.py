"""Who and what is there when one starts to develop: data to edit in main.toml, and a large history to try."""
