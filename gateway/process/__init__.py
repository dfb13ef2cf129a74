"""One process of the gateway: its start and stop, its listening sockets, and its reports to systemd."""
