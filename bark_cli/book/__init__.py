"""A Book in, an audiobook out: chapters -> one file with chapters, or a folder.

compose    a Book and a Recipe -> a Narration, and which of its pieces are whose chapter's
shelf      where the chapters go: one file, or a file each in a folder
make       pieces, made or kept -> chapters on a shelf
"""
