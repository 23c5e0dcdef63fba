"""Our own HTTP protocol on uvicorn: time and size limits, and the short way to /classify."""
