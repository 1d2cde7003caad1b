"""`bark cache`: what lies on this machine, whether it is whole, and how to be rid of it."""
