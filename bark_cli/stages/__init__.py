"""The stages as pure generators: they ask for logits, are sent them, and return tokens; no device, no file.

`steps` has the requests, `sampling` the draws; `semantic`, `coarse` and `fine` are the stages, and
`utterance` runs them side by side.
"""
