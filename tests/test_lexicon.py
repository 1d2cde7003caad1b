"""Words are written as the lexicon has them spoken; what a lexicon cannot say is told in a line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import regex

from bark_cli.cli import main
from bark_cli.errors import OptionError
from bark_cli.text.lexicon import read_lexicon
from bark_cli.text.script import Line, Script

LEXICON = r"""
[words]
Siobhan = "Shivawn"
"Mr. X" = "Mister X"
[exact]
US = "U S"
[patterns]
'(\d+) ?km\b' = '\1 kilometres'
[de.words]
Team = "Tiem"
"""


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "lexicon.toml"
    path.write_text(LEXICON)
    return path


def said(path: Path, text: str, language: str | None = None) -> str:
    return read_lexicon(path).respell(Script(lines=(Line(text=text),)), language).lines[0].text


def test_words_are_whole_and_case_counts_where_it_is_to(lexicon: Path) -> None:
    assert said(lexicon, "SIOBHAN saw siobhan, not Siobhans.") == "Shivawn saw Shivawn, not Siobhans."
    assert said(lexicon, "The US and us. Mr. X ran 10km.") == "The U S and us. Mister X ran 10 kilometres."
    assert said(lexicon, "Das Team", "de") == "Das Tiem"
    assert said(lexicon, "The team") == "The team"


@pytest.mark.parametrize(
    "text",
    [
        "words = 1",
        "[words]\na = 1",
        "[wrods]\na = 'b'",
        "[patterns]\n'(' = 'b'",
        "[patterns]\n'a' = '\\2'",
        "[german.words]\na = 'b'",
        "[words",
        "[patterns]\n'(?:a{1000}){1000}' = 'b'",
        '"" = 1',
        "[patterns]\n'\\p{L}' = 'b'",  # of regex, and not of re
        "[patterns]\n'[[:alpha:]]' = 'b'",
        "[patterns]\n'(?i:a)(?ix:b)' = 'b'",
        "[patterns]\n'a(?# [ )b' = 'b'",
    ],
)
def test_what_is_no_lexicon_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(OptionError) as told:
        read_lexicon(tmp_path / "x.toml")
    assert "\n" not in str(told.value)


def test_a_set_that_can_be_read_in_two_ways_is_told_how_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[patterns]\n'[[(][0-9]+[])]' = ''\n")
    with pytest.raises(OptionError, match=r"write \\ before the sign there"):
        read_lexicon(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_text("[patterns]\n'[\\[(][0-9]+[])]' = ''\n")
    read_lexicon(tmp_path / "x.toml")


@pytest.mark.parametrize(
    ("where", "language", "line"),
    [("[patterns]", None, 4), ("[de.patterns]", "de", 4), ("patterns = {'x' = 'y'}\n[de.patterns]", "de", 5)],
)
def test_a_pattern_that_would_take_for_ever_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, language: str | None, line: int
) -> None:
    monkeypatch.setattr("bark_cli.text.lexicon._PATIENCE_S", 0.05)
    path = tmp_path / "slow.toml"
    path.write_text(f"# of mine\n{where}\n'b' = 'c'\n'(a|aa)+$' = 'd'\n")
    assert said(path, "aab aa", language) == "aac d"
    with pytest.raises(
        OptionError, match=rf"slow.toml, line {line}: the pattern \(a\|aa\)\+\$ takes too long"
    ):
        said(path, "a" * 60 + "!", language)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("x_{i}", "x_{i} and exhibit x_ray"), ("(?:foo){e<=1}", "foo fo foo{e<=1}"), ("a{2}{s}", "aa{s} ab aa")],
)
def test_braces_that_hold_no_count_are_letters(tmp_path: Path, pattern: str, text: str) -> None:
    path = tmp_path / "braces.toml"
    path.write_text(f"[patterns]\n'{pattern}' = 'SAID'\n")
    assert said(path, text) == re.sub(pattern, "SAID", text)
    assert said(path, text).count("SAID") == 1


def test_braces_in_names_and_sets_and_counts_are_what_they_are_for_re(tmp_path: Path) -> None:
    path, text = tmp_path / "braces.toml", "1 111 {e} e{} aaa \\{e} "
    path.write_text("[patterns]\n'\\N{DIGIT ONE}{2,}|[{e]{3}|a{,2}\\b|\\{e|\\(?x' = '-'\n")
    assert said(path, text) == re.sub(r"\N{DIGIT ONE}{2,}|[{e]{3}|a{,2}\b|\{e|\(?x", "-", text)


def test_counts_are_multiplied_within_each_other_and_added_up_in_a_row(tmp_path: Path) -> None:
    path, hexadecimal = tmp_path / "counts.toml", "[0-9a-f]"
    uuid = "-".join(f"{hexadecimal}{{{count}}}" for count in (8, 4, 4, 4, 12))
    path.write_text(f"[patterns]\n'{uuid}|\\d{{3}}-\\d{{4}}' = 'number'\n'(a{{100}}b){{100}}' = 'x'")
    assert said(path, "0123abcd-0123-4567-89ab-0123456789ab or 555-1234") == "number or number"
    path.write_text("[patterns]\n'(?:[)]|(a{100}){2}){51}' = 'b'")
    with pytest.raises(OptionError, match="repeats things too often"):
        read_lexicon(path)


def test_a_pattern_that_takes_for_ever_over_no_text_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.text.lexicon._PATIENCE_S", 0.05)
    (tmp_path / "slow.toml").write_text("[patterns]\n'(?:(?=)|(?!x)){40}X' = 'b'")
    with pytest.raises(OptionError, match=r"40\}X takes too long; avoid"):
        read_lexicon(tmp_path / "slow.toml")


def test_the_time_of_other_threads_is_no_fault_of_a_pattern(
    lexicon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    substitute, given = regex.sub, []

    def sub(*asked: str, timeout: float) -> str:
        given.append(timeout)
        if timeout < 60:  # as where 64 threads are busy: their CPU time counts
            raise TimeoutError
        return substitute(*asked, timeout=timeout)

    read = read_lexicon(lexicon)
    monkeypatch.setattr(regex, "sub", sub)
    script = Script(lines=(Line(text="10km"),))
    assert read.respell(script, None).lines[0].text == "10 kilometres"
    assert given == [5, 10, 20, 40, 80]


def test_the_dry_run_shows_what_will_be_spoken(lexicon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["say", "Siobhan is here.", "--say-as", str(lexicon), "--dry-run", "--json", "-m", "nano"]) == 0
    )
    assert [piece["text"] for piece in json.loads(capsys.readouterr().out)["pieces"]] == ["Shivawn is here."]
