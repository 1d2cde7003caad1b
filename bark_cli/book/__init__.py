"""A Book in, an audiobook out: chapters -> one file with chapters, a folder, or an EPUB to read along.

compose    a Book and a Recipe -> a Narration, and which of its pieces are whose chapter's
make       pieces, made or kept -> chapters on a shelf
output     the name of the audiobook -> which kind of shelf
shelf      where the chapters go: one file, or a file each in a folder
readalong  the same as an EPUB whose text is marked as it is heard; `shown` finds what each piece says

A book's file is read in `text/books`.
"""
