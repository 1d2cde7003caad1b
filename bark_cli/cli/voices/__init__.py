"""`bark voices`: list, hear, keep and remove voices."""
