"""The namespaces of Socket.IO: tables of events, and the pipeline that every event passes."""
