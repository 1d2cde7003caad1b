"""A book as it was found (EPUB, Markdown, HTML, plain text, FictionBook) -> a Book: chapters of passages.

book       what a book is
archive    an EPUB's zip, of which nothing is unpacked that is too large
markup     its XML, without entities of its own
package    the list of its parts, their order, its title, authors and cover
contents   its table of contents
page       one of its pages -> passages
cut        passages -> chapters
epub       all of that -> a Book
headings   texts in one file, with a chapter under each heading
fiction    FictionBook (.fb2)
read       a file of any of these kinds -> a Book
"""
