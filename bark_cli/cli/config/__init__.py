"""`bark config`: the settings, where each comes from, and how to change them."""
