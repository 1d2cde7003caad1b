"""`bark serve`: a server in front, or one in the background."""
