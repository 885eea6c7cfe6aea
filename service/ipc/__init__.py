"""How HTTP workers and the engine talk: small typed frames over a Unix socket, never pickle."""
