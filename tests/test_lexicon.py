"""Words are written as the lexicon has them spoken; what a lexicon cannot say is told in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
    ],
)
def test_what_is_no_lexicon_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(OptionError) as told:
        read_lexicon(tmp_path / "x.toml")
    assert "\n" not in str(told.value)


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
        OptionError, match=rf"slow.toml, line {line}: the pattern \(a\|aa\)\+\$ took more than"
    ):
        said(path, "a" * 60 + "!", language)


def test_the_dry_run_shows_what_will_be_spoken(lexicon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["say", "Siobhan is here.", "--say-as", str(lexicon), "--dry-run", "--json", "-m", "nano"]) == 0
    )
    assert [piece["text"] for piece in json.loads(capsys.readouterr().out)["pieces"]] == ["Shivawn is here."]
