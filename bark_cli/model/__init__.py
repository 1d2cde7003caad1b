"""The model: its configuration, options, tokens, tokenizer, networks and codec; no weights are read here.

config     sizes, vocabularies and rates, of which everything else follows
options    how tokens are drawn
tokens     what stages hand on: logits, tokens, samples
tokenizer  text -> ids, within bounds: bounded, rules, needed_rules
spelling   signs that a tokenizer does not know -> words: signs, sign_words
networks   the transformers; codec is EnCodec's decoder, decoder its layers as a list
quantize   fewer bits: int8, int4
openvino/  the same networks as OpenVINO's graphs
published  what Suno published
"""
