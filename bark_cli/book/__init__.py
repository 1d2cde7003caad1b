"""A Book in, an audiobook out: chapters -> one file with chapters, a folder, or a book to read along.

compose    a Book and a Recipe -> a Narration, and which of its pieces are whose chapter's
shelf      where the chapters go: one file, or a file each in a folder
readalong  an EPUB with the text and the sound of each sentence
make       pieces, made or kept -> chapters on a shelf
"""
