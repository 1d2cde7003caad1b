"""What is to be said: documents and scripts read, text normalised, tags checked, long texts split."""
