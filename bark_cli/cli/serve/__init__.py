"""`bark serve`: a speech server, in the foreground or the background."""
