"""Numbers, years, Roman numerals of chapters and abbreviations, spelled in words.

spell          a text -> the same in words
words          what a language calls its parts: separators, percent, chapters
abbreviations  what they stand for
"""

from bark_cli.text.numbers.spell import check_speller, spell_numbers

__all__ = ["check_speller", "spell_numbers"]
