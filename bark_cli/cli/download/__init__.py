"""`bark download`, and the offer to download that other commands make."""
