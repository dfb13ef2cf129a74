"""Socket.IO v5 on Engine.IO: packets, sockets, rooms and connection state recovery."""
