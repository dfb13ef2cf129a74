"""The transports of Engine.IO: polling, the websocket, and the upgrade from one to the other."""
