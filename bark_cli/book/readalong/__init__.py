"""A book to read and to hear: an EPUB 3 whose text is marked in time with its speech (media overlays).

page      a chapter -> its XHTML and its SMIL
package   all chapters -> the package document and the table of contents
shelf     chapters one after the other -> the file
"""

from bark_cli.book.readalong.shelf import FORMATS, SUFFIX, open_readalong

__all__ = ["FORMATS", "SUFFIX", "open_readalong"]
