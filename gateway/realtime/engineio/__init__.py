"""Engine.IO v4: TCP connections, handshakes, sessions and their transports."""
