"""`bark play` and `bark devices`."""
