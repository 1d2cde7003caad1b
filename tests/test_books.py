"""Books are read in order and whole; what is not read aloud is told, and what is hostile refused."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from epubs import CONTAINER, PNG, opf, page, write_epub
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.errors import TextError
from bark_cli.text.books.book import Book
from bark_cli.text.books.contents import read_nav
from bark_cli.text.books.page import Counted, read_page
from bark_cli.text.books.read import read_book


def titles(book: Book) -> list[str]:
    return [chapter.title for chapter in book.chapters]


def spoken(book: Book) -> list[str]:
    return [p.text for chapter in book.chapters for p in chapter.passages if p.text]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("version", [3, 2])
def test_pages_come_in_the_order_of_the_spine_with_the_titles_of_the_contents(
    tmp_path: Path, version: int
) -> None:
    pages = {
        "z.xhtml": "<h1>First</h1><p>One.</p>",
        "a.xhtml": "<p>Two.</p>",
        "m.xhtml": "<p>More of two.</p>",
    }
    path = write_epub(
        tmp_path / "b.epub", pages, [("Chapter 1", "z.xhtml"), ("Chapter 2", "a.xhtml")], version=version
    )
    book = read_book(path)
    assert titles(book) == ["Chapter 1", "Chapter 2"]
    assert spoken(book) == ["First.", "One.", "Two.", "More of two."]
    assert (book.title, book.author, book.language) == ("A Tale", "A. Writer", "en")


def test_a_page_of_many_chapters_is_cut_at_the_anchors_of_the_contents(tmp_path: Path) -> None:
    body = '<p>Before.</p><h2 id="c1">One</h2><p>1 word.</p><p><a id="c2"/>Two begins.</p>'
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": body}, [("I", "a.xhtml#c1"), ("II", "a.xhtml#c2")])
    book = read_book(path)
    assert titles(book) == ["A Tale", "I", "II"]
    assert [c.passages[0].text for c in book.chapters] == ["Before.", "One.", "Two begins."]


def test_the_title_of_a_part_is_read_in_its_first_chapter_and_sections_are_no_chapters(
    tmp_path: Path,
) -> None:
    contents = page(
        '<nav epub:type="toc"><ol><li><a href="p.xhtml">Part One</a><ol><li><a href="a.xhtml">Alpha</a><ol>'
        '<li><a href="a.xhtml#s">Section</a></li></ol></li>'
        '<li><a href="b.xhtml">Beta</a></li></ol></li></ol></nav>'
    )
    pages = {
        "p.xhtml": "<h1>PART ONE</h1>",
        "a.xhtml": '<h2>Alpha</h2><p>A.</p><h3 id="s">Section</h3><p>S.</p>',
        "b.xhtml": "<h2>Beta</h2><p>B.</p>",
    }
    path = write_epub(tmp_path / "b.epub", pages, others={"OEBPS/nav.xhtml": contents.encode()})
    book = read_book(path)
    assert titles(book) == ["Alpha", "Beta"]
    assert spoken(book) == ["PART ONE.", "Alpha.", "A.", "Section.", "S.", "Beta.", "B."]


def test_without_a_table_of_contents_each_page_is_a_chapter_named_by_its_heading(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": "<h1>Dawn</h1><p>A.</p>", "b.xhtml": "<p>B.</p>"})
    assert titles(read_book(path)) == ["Dawn", "Part 2"]


def test_a_hundred_chapters_lose_no_word(tmp_path: Path) -> None:
    pages = {
        f"c{n}.xhtml": f"<h2>Chapter {n}</h2>" + "".join(f"<p>Words {n} {k} here.</p>" for k in range(20))
        for n in range(1, 101)
    }
    path = write_epub(
        tmp_path / "b.epub", pages, [(f"Chapter {n}", f"c{n}.xhtml") for n in range(1, 101)], version=2
    )
    book = read_book(path)
    assert len(book.chapters) == 100
    source = [word for body in pages.values() for word in words(re.sub("<[^>]*>", " ", body))]
    assert [word for text in spoken(book) for word in words(text)] == source
    assert not book.left_out


BUSY = """<h1 id="c">One</h1>
<p><span class="dropcap">O</span>nce u&#xAD;pon a ﬁne day.<a epub:type="noteref" href="#n1">1</a> And
more<sup><a href="#n1">2</a></sup> of it.<span epub:type="pagebreak" title="4"/></p><hr/>
<blockquote><p>Quoted.</p></blockquote><p>* * *</p><p>He <em>did</em>.</p>
<pre>x = 1</pre><table><tr><td>cell</td></tr></table><p>See <img src="i.png" alt="a ship"/> here.</p>
<aside epub:type="footnote" id="n1"><p>The note.</p></aside><p>Last.</p>"""


def test_what_readers_aloud_leave_out_is_left_out_and_told() -> None:
    passed = Counted()
    found = read_page(page(BUSY), passed)
    assert [(p.kind, p.text) for p in found.passages] == [
        ("heading", "One."),
        ("text", "Once upon a fine day. And more of it."),
        ("break", ""),
        ("quote", "Quoted."),
        ("break", ""),
        ("text", "He did."),
        ("text", "See here."),
        ("text", "Last."),
    ]
    assert set(passed.told) == {
        *("marks of notes (2)", "page numbers (1)", "code (1)", "tables (1)", "pictures (1)", "footnotes (1)")
    }


def test_what_is_asked_for_is_read_and_notes_come_last(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": BUSY}, [("One", "a.xhtml")])
    text = spoken(read_book(path, extras=("footnotes", "tables", "code", "images", "emphasis")))
    assert text[-1] == "The note."
    assert {"cell.", "x = 1", "See a ship here.", "He DID."} <= set(text)


def test_a_chapter_whose_number_is_a_link_keeps_it() -> None:
    found = read_page(page('<h2><a href="toc.xhtml#x">1</a></h2><p><a href="#a">5</a> dogs.</p>'), Counted())
    assert [p.text for p in found.passages] == ["1.", "5 dogs."]


def test_cover_series_year_and_main_title_are_found(tmp_path: Path) -> None:
    metadata = (
        '<dc:title id="s">Short</dc:title><dc:title id="m">Long</dc:title>'
        '<meta refines="#m" property="title-type">main</meta>'
        "<dc:creator>A</dc:creator><dc:creator>B</dc:creator>"
        '<dc:date>1897-05-26</dc:date><meta property="belongs-to-collection">Saga</meta>'
    )
    manifest = '<item id="c" href="i/c.png" media-type="image/png" properties="cover-image"/>'
    path = write_epub(
        tmp_path / "b.epub",
        {"a.xhtml": "<p>Text.</p>"},
        metadata=metadata,
        manifest=manifest,
        others={"OEBPS/i/c.png": PNG},
    )
    book = read_book(path)
    assert (book.title, book.author, book.year, book.series) == ("Long", "A, B", "1897", "Saga")
    assert book.cover is not None
    assert (book.cover.data, book.cover.suffix) == (PNG, ".png")


def test_pages_in_another_encoding_say_so_and_are_read(tmp_path: Path) -> None:
    body = '<?xml version="1.0" encoding="ISO-8859-1"?><html><body><p>Käse.</p></body></html>'
    others = {"OEBPS/a.xhtml": body.encode("latin-1")}
    assert spoken(read_book(write_epub(tmp_path / "b.epub", {"a.xhtml": ""}, others=others))) == ["Käse."]


# hostile ones


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    others = {"OEBPS/a.xhtml": b"<p>" + b" " * 50_000_000}
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": ""}, others=others)
    assert path.stat().st_size < 100_000
    with pytest.raises(TextError, match="unpacks to more than"):
        read_book(path)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("name", ["META-INF/container.xml", "OEBPS/book.opf", "OEBPS/toc.ncx"])
def test_entities_of_its_own_are_refused(tmp_path: Path, name: str) -> None:
    bomb = f"<?xml version='1.0'?>{LAUGHS}<x>&b;</x>".encode()
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": "<p>A.</p>"}, version=2, others={name: bomb})
    with pytest.raises(TextError, match="declares entities"):
        read_book(path)


def test_nothing_outside_of_the_archive_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text("<p>Secret.</p>")
    entity = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file://{tmp_path}/secret.xhtml">]><x>&a;</x>'
    )
    (tmp_path / "books").mkdir()
    for number, href in enumerate(("../../secret.xhtml", "/secret.xhtml", f"file://{tmp_path}/secret.xhtml")):
        path = write_epub(
            tmp_path / "books" / f"{number}.epub",
            {"a.xhtml": "<p>A.</p>"},
            manifest=f'<item id="s" href="{href}" media-type="application/xhtml+xml"/>',
            spine='<itemref idref="p0"/><itemref idref="s"/>',
        )
        assert spoken(read_book(path)) == ["A."]
    path = write_epub(tmp_path / "e.epub", {"a.xhtml": ""}, others={"OEBPS/a.xhtml": entity.encode()})
    assert not any("Secret" in text for text in spoken(read_book(path)))


def test_what_is_missing_is_told_and_circles_end(tmp_path: Path) -> None:
    manifest = (
        '<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="x" href="x.bin" media-type="a/b" fallback="y"/>'
        '<item id="y" href="y.bin" media-type="a/b" fallback="x"/>'
    )
    spine = '<itemref idref="p0"/><itemref idref="gone"/><itemref idref="x"/><itemref idref="p0"/>'
    path = write_epub(
        tmp_path / "b.epub",
        {"a.xhtml": "<p>A.</p>"},
        [("A", "a.xhtml"), ("A", "gone.xhtml")],
        manifest=manifest,
        spine=spine,
    )
    book = read_book(path)
    assert spoken(book) == ["A."]
    assert book.left_out == ("pages that are missing (1)",)


def test_a_protected_book_says_so_and_obscured_fonts_do_not_matter(tmp_path: Path) -> None:
    def encryption(method: str, uri: str) -> bytes:
        return (
            '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData>'
            f'<EncryptionMethod Algorithm="{method}"/><CipherData><CipherReference URI="{uri}"/></CipherData>'
            "</EncryptedData></encryption>"
        ).encode()

    name = "META-INF/encryption.xml"
    fonts = encryption("http://www.idpf.org/2008/embedding", "OEBPS/f.otf")
    assert read_book(write_epub(tmp_path / "f.epub", {"a.xhtml": "<p>A.</p>"}, others={name: fonts})).chapters
    locked = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/a.xhtml")
    with pytest.raises(TextError, match="DRM"):
        read_book(write_epub(tmp_path / "d.epub", {"a.xhtml": "<p>A.</p>"}, others={name: locked}))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "lacks META-INF/container.xml"),
        ({"META-INF/container.xml": CONTAINER}, "lacks OEBPS/book.opf"),
        ({"META-INF/container.xml": "<x"}, "damaged"),
        ({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf([])}, "no pages"),
        ({"META-INF/container.xml": "<a>" * 300}, "more elements"),
    ],
)
def test_a_damaged_book_is_one_line(tmp_path: Path, files: dict[str, str], says: str) -> None:
    path = tmp_path / "b.epub"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    with pytest.raises(TextError, match=says) as told:
        read_book(path)
    assert "\n" not in str(told.value)


def test_what_is_no_zip_or_is_cut_is_one_line(tmp_path: Path) -> None:
    whole = write_epub(tmp_path / "b.epub", {"a.xhtml": "<p>A.</p>" * 1000}).read_bytes()
    for number, data in enumerate(
        (b"", b"hello", whole[: len(whole) // 2], whole[:300] + b"\xff" * 40 + whole[340:])
    ):
        path = tmp_path / f"{number}.epub"
        path.write_bytes(data)
        with pytest.raises(TextError):
            read_book(path)


TAGS = (
    "<p> </p> <h1> </h1> <blockquote> </blockquote> <a/href='#x'> </a> <sup> <table> </table> </aside> <hr/>"
)
NOISE = "<aside/class='footnote'> <td> word 1 <![CDATA[ ]]> &b; <!-- <section/role='doc-endnotes'> <!DOCTYPE"


@given(st.lists(st.sampled_from(f"{TAGS} {NOISE}".split())))
def test_no_tangle_of_tags_breaks_the_reader(parts: list[str]) -> None:
    found = read_page("".join(parts).replace("/class", " class"), Counted())
    assert all(p.text or p.kind == "break" for p in found.passages)


def test_deep_and_long_pages_are_read_in_time_that_grows_with_them() -> None:
    text = "<blockquote><div>" * 100_000 + "<p>word</p>" + "<a href='#'>1</a>x" * 100_000
    assert read_page(text, Counted()).passages


@pytest.mark.parametrize("many", ["<a ", "<!--", "<![CDATA[", "<a href='"])
def test_a_hostile_table_of_contents_is_read_in_time_that_grows_with_it(many: str) -> None:
    """Unbounded, 60 kB of the first took half a minute, and twice as many four times as long."""
    assert read_nav('<nav epub:type="toc"><ol>' + many * 300_000, "nav.xhtml") == []


def test_a_book_without_words_says_so(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": "", "b.xhtml": "<p> </p>"})
    with pytest.raises(TextError, match="holds no text that can be read aloud"):
        read_book(path)


def test_what_nobody_sees_and_how_a_word_is_spelled_are_not_read() -> None:
    text = "<p style='color: red; display : none'>No.</p><p><ruby>Yes<rp>(</rp><rt>jes</rt></ruby>.</p>"
    assert [passage.text for passage in read_page(text, Counted()).passages] == ["Yes."]


# other kinds of books


def test_markdown_has_a_chapter_at_each_heading(tmp_path: Path) -> None:
    path = tmp_path / "b.md"
    path.write_text(
        "---\ntitle: Novel\nauthor: Me\nlang: de\ndate: 2020-01-02\n---\n# One\n\nA.\n\n> Quoted.\n\n---\n\n"
        "B.\n\n## In\n\nC.\n\n# Two\n\nD.\n"
    )
    book = read_book(path)
    assert titles(book) == ["One", "Two"]
    assert (book.title, book.author, book.language, book.year) == ("Novel", "Me", "de", "2020")
    assert [(p.kind, p.text) for p in book.chapters[0].passages] == [
        *(("heading", "One."), ("text", "A."), ("quote", "Quoted."), ("break", ""), ("text", "B.")),
        *(("heading", "In."), ("text", "C.")),
    ]


def test_one_title_above_chapters_is_the_books(tmp_path: Path) -> None:
    path = tmp_path / "b.md"
    path.write_text("# The Book\n\n## One\n\nA.\n\n## Two\n\nB.\n")
    book = read_book(path)
    assert book.title == "The Book"
    assert titles(book)[-2:] == ["One", "Two"]


def test_a_plain_text_has_a_chapter_at_each_line_that_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_text(
        "By me.\n\nCHAPTER I. Dawn\n\nIt was.\nIt is. [pause 2s]\n\nChapter two was short, he said to "
        "her, and she nodded at that, and went away, and he sighed.\n\nII.\n\nEnd.\n"
    )
    book = read_book(path)
    assert titles(book) == ["b", "CHAPTER I. Dawn", "II."]


def test_html_and_a_folder_and_fiction_books_are_read(tmp_path: Path) -> None:
    html = tmp_path / "b.html"
    html.write_text("<title>Web</title><h2>One</h2><p>A.</p><h2>Two</h2><p>B.</p>")
    book = read_book(html)
    assert (book.title, titles(book)) == ("Web", ["One", "Two"])
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in (10, 2, 1):
        (folder / f"{number}.txt").write_text(f"Text {number}.")
    (folder / "x.md").write_text("# Named\n\nX.\n")
    book = read_book(folder)
    assert (titles(book), list(book.left_out)) == (["1", "2", "10", "Named"], [])
    for other in ("part 2/1.txt", "sounds/1.mp3", "notes.docx", "cover.jpg", ".hidden/1.txt"):
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).touch()
    book = read_book(folder)
    assert titles(book) == ["1", "2", "10", "Named"]
    assert list(book.left_out) == ["notes.docx, part 2 (of a folder its own texts are read)"]
    fiction = tmp_path / "b.fb2"
    fiction.write_text(
        '<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info><author>'
        "<first-name>Lev</first-name><last-name>T.</last-name></author><book-title>War</book-title>"
        "<lang>ru</lang></title-info></description><body><section><title><p>One</p></title>"
        "<p>A<a type='note'>1</a>.</p><cite><p>Q.</p></cite></section>"
        "<section><title><p>Two</p></title><p>B.</p></section></body>"
        "<body name='notes'><p>N.</p></body></FictionBook>"
    )
    book = read_book(fiction)
    assert (titles(book), spoken(book)) == (["One", "Two"], ["One.", "A.", "Q.", "Two.", "B."])
    assert book.author == "Lev T."


@pytest.mark.parametrize("name", ["b.pdf", "b.azw3", "b.odt", "b.docx", "b.xyz.epub", "gone.txt"])
def test_what_cannot_be_read_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(TextError):
        read_book(tmp_path / name)


def write_docx(path: Path, body: str, *, others: dict[str, str] | None = None) -> Path:
    """A document of Word with styles by the names of headings, and a footnote."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    types = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    style = '<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{packages}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{types}.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r" '
        f'Type="{kinds}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{packages}/relationships">'
        f'<Relationship Id="s" Type="{kinds}/styles" Target="styles.xml"/>'
        f'<Relationship Id="f" Type="{kinds}/footnotes" Target="footnotes.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{word}">{style}</w:styles>',
        "word/footnotes.xml": f'<w:footnotes xmlns:w="{word}"><w:footnote w:id="1"><w:p><w:r>'
        "<w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>",
        "docProps/core.xml": '<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A Tale</dc:title>'
        "<dc:creator>A. Writer</dc:creator></c>",
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
        **(others or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def paragraph(text: str, style: str = "", more: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r>{more}</w:p>"


def test_a_document_of_word_has_a_chapter_at_each_heading(tmp_path: Path) -> None:
    note = '<w:r><w:footnoteReference w:id="1"/></w:r>'
    body = (
        paragraph("One", "H1")
        + paragraph("It begins.", more=note)
        + paragraph("Two", "H1")
        + paragraph("End.")
    )
    found = read_book(write_docx(tmp_path / "a.docx", body))
    assert (found.title, found.author) == ("A Tale", "A. Writer")
    assert [chapter.title for chapter in found.chapters] == ["One", "Two"]
    assert [p.text for chapter in found.chapters for p in chapter.passages] == [
        "One.",
        "It begins.",
        "Two.",
        "End.",
    ]
    assert any("footnotes" in what for what in found.left_out)
    [_, last] = read_book(tmp_path / "a.docx", extras=["footnotes"]).chapters
    assert "A note." in last.passages[-1].text


@pytest.mark.parametrize(
    "others",
    [
        {"word/document.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'},
        {"word/document.xml": "<a>" + " " * 2**25 + "</a>"},
        {"word/document.xml": "no XML"},
        {"word/document.xml": "<a/>"},
        {"docProps/core.xml": '<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/passwd">]><a>&b;</a>'},
    ],
)
def test_a_hostile_document_of_word_is_one_line(tmp_path: Path, others: dict[str, str]) -> None:
    with pytest.raises(TextError):
        read_book(write_docx(tmp_path / "a.docx", paragraph("Hello."), others=others))


def test_nothing_of_a_document_of_word_is_read_unchecked(tmp_path: Path) -> None:
    others = {"mammoth/style-map": "p => h1:fresh"}  # which mammoth obeys where it finds it
    book = read_book(write_docx(tmp_path / "a.docx", paragraph("Hello."), others=others))
    assert [p.kind for chapter in book.chapters for p in chapter.passages] == ["text"]


def test_scripts_are_read_with_their_cast(tmp_path: Path) -> None:
    (tmp_path / "play").mkdir()
    (tmp_path / "play" / "1 First.txt").write_text("ANNA: Who is it? [pause 2s]\nBEN: I.\n")
    (tmp_path / "play" / "2 Last.txt").write_text("BEN: It is late.\n")
    found = read_book(tmp_path / "play", cast={"ANNA": "a", "BEN": "b"})
    assert found.cast == {"ANNA": "a", "BEN": "b"}
    assert [[p.speaker for p in chapter.passages] for chapter in found.chapters] == [["ANNA", "BEN"], ["BEN"]]
    assert found.chapters[0].passages[0].text == "Who is it? [pause 2s]"
    with pytest.raises(TextError, match="BEN has no voice"):
        read_book(tmp_path / "play", cast={"ANNA": "a"})
