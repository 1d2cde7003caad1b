"""A text of any length: composed into pieces, spoken in order, laid on a timeline."""
