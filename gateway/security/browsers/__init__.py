"""Protection of browsers: origins, cookies, CSRF, and the addresses of clients behind proxies."""
