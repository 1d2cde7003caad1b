"""The model: its configuration, options, tokens, tokenizer, networks and codec; no weights are read here."""
