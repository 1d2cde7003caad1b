"""`bark batch`: many texts, each into a file of its own."""
