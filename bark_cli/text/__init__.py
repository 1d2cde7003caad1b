"""What is to be said: documents and scripts read, text normalised, tags checked, long texts split.

documents/  bytes of a file -> Lines: plain text, Markdown, HTML, subtitles, a dialogue
books/      an EPUB or another book -> chapters
script      Lines, which every text becomes
reading     how a text is understood: format, encoding, cast
normalise   what was typed -> what the tokenizer takes
tags        [laughs] and the like, and those that were meant
numbers/    digits and abbreviations -> words
lexicon     words -> how they are spoken
quotations  what stands in quotation marks -> another voice
split/      text of any length -> what can be said at once
"""
