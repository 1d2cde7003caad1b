"""`bark book`: a book into an audiobook."""
