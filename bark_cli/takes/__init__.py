"""Several tries at one piece, and the verdict on each."""
