"""The one way out over HTTP: one pool, one trust, one rule for proxies, one total time a call."""
