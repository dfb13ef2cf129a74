"""The engine: connections, sockets, rooms, fan-out and presence. It knows no rules of the product."""
