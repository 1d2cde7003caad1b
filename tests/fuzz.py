"""Every reader of what comes from outside, fed with damaged and hostile files: only BarkError comes out.

`python -m tests.fuzz --minutes 10` goes on with new cases, each in a process that may take 500 MB and 2 s of
computing; `--reader voice --case 123` repeats one. tests/test_fuzz.py runs the first cases of each, and what
lies in tests/corpus/READER, where a case goes that was not well once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside it, when this is run by hand

MOST_S, MOST_BYTES = 2.0, 500 * 2**20
LARGEST = 200_000  # bytes of a case
CORPUS = Path(__file__).parent / "corpus"

Read = Callable[[bytes, Path], object]


@dataclass(frozen=True)
class Reader:
    """What reads: the bytes of one file, which it may write into an empty folder."""

    name: str
    seeds: list[bytes]
    read: Read
    words: tuple[bytes, ...] = ()  # what its language has
    cost: float = 1.0  # of a case, beside that of others


NUMBERS = [b"0", b"-1", b"1e999", b"9" * 400, b"2147483648", b"18446744073709551616", b"NaN", b"0.5", b"-0"]
BYTES = [
    b"\0",
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\x1b[31m",
    b"\r",
]
JSON = [
    b"[",
    b"{",
    b"]",
    b"}",
    b'"',
    b",",
    b":",
    b"null",
    b"true",
    b'"\\ud800"',
    b'"\\u0000"',
    b"[[[[",
    b'{"":',
]
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    10**400,
    1e308,
    "",
    "\0",
    "../x",
    "x" * 5000,
    [],
    {},
    [[[[[]]]]],
    "\ud800",
]


def mutated(seed: bytes, others: list[bytes], words: tuple[bytes, ...], draw: random.Random) -> bytes:
    """One file of the kind of `seed`, damaged."""
    if draw.random() < 0.3 and (changed := _in_json(seed, draw)) is not None:
        return changed
    data = bytearray(seed)
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        at = draw.randrange(len(data) + 1) if draw.random() < 0.5 else draw.randrange(min(len(data), 512) + 1)
        size = draw.choice((1, 2, 4, 8, 64, 512))
        part = bytes(data[at : at + size])
        match draw.randrange(8):
            case 0:
                data[at : at + size] = bytes(draw.randrange(256) for _ in part)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = part * draw.choice((1, 2, 30, 1000))
            case 3:
                data[at:at] = draw.choice([*NUMBERS, *BYTES, *JSON, *words])
            case 4:
                data[at:at] = draw.choice([*words, *JSON]) * draw.choice((1, 10, 1000, 20_000))
            case 5:
                other = draw.choice(others)
                begin = draw.randrange(len(other) + 1)
                data[at:at] = other[begin : begin + draw.choice((8, 64, 512, 4096))]
            case 6:
                del data[at:]
            case 7 if at < len(data):
                data[at] = draw.choice((data[at] ^ (1 << draw.randrange(8)), 0, 255, 127))
        del data[max(LARGEST, len(seed) + LARGEST // 2) :]
    return bytes(data)


def _in_json(seed: bytes, draw: random.Random) -> bytes | None:
    """JSON with one value put in another's place; None where it is no JSON."""
    if seed[:1] not in b"{[" or len(seed) > LARGEST:
        return None
    rows = seed.splitlines() or [seed]
    n = draw.randrange(len(rows)) if len(rows) > 1 and rows[0].endswith((b"}", b"]")) else None
    try:
        value = json.loads(seed if n is None else rows[n])
    except ValueError:
        return None
    inner, place = value, None
    while isinstance(inner, dict | list) and inner and (place is None or draw.random() < 0.8):
        key = draw.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        place, inner = (inner, key), inner[key]
    if place is not None:
        place[0][place[1]] = draw.choice(HOSTILE)
    changed = json.dumps(value).encode("utf-8", "surrogatepass")
    return changed if n is None else b"\n".join([*rows[:n], changed, *rows[n + 1 :]])


def case(reader: Reader, number: int) -> bytes:
    """The file of that number; it is always the same."""
    draw = random.Random(f"{reader.name} {number}")
    return mutated(draw.choice(reader.seeds), reader.seeds, reader.words, draw)


def spent(reader: Reader, data: bytes) -> float:
    """Seconds of computing that reading it took; what is raised beside BarkError comes through."""
    from bark_cli.errors import BarkError

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader.read(data, folder)
    except BarkError as error:
        if not str(error):
            raise ValueError("an error that says nothing") from error
    finally:
        took = time.process_time() - begun
        shutil.rmtree(folder, ignore_errors=True)
    return took


def kept_cases(reader: Reader) -> list[Path]:
    """Files that were not read well once."""
    return sorted((CORPUS / reader.name).glob("*"))


# The readers


def readers(home: Path) -> list[Reader]:
    """All of them; `home` is a folder for what is made once."""
    return [*_small(), *_texts(), *_tables(), *_sounds(home), *_models(home)]


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _small() -> Iterator[Reader]:
    """Settings, and what Bark wrote itself."""
    from bark_cli.audio.provenance import Provenance, parse_comment
    from bark_cli.batch.ledger import Ledger
    from bark_cli.download import hub
    from bark_cli.settings.toml_file import read_file
    from bark_cli.store.conversions import conversions
    from bark_cli.store.manifest import FileRecord, Manifest, read_manifest, write_manifest
    from bark_cli.store.speeds import recall_speed, remember_speed
    from bark_cli.system.records import parse_object

    toml = b'voice = "nano/ben"\npause = 0.5\n[presets.mine]\ndescription = "calm"\nseed = 7\ntop_k = 3\n'
    words = (
        b"a.",
        b"[a.b]",
        b"=",
        b"'''",
        b"1979-05-27T07:32:00",
        b"0x",
        b"[[presets]]",
        b'"""',
        b"a={b=",
        b"#",
    )

    def settings(data: bytes, folder: Path) -> None:
        for is_project in (True, False):
            read_file(_file(folder, "bark.toml", data), is_project=is_project)

    yield Reader(
        "settings", [toml, (Path(__file__).parent.parent / "pyproject.toml").read_bytes()], settings, words
    )

    with tempfile.TemporaryDirectory() as scratch:
        record = FileRecord(path="a.bin", size=3, sha256="0" * 64)
        manifest = Manifest(
            name="o/n",
            build="b",
            origin="o/n",
            revision="0" * 40,
            layout="suno",
            fetched=(record,),
            files=(record,),
            created="2026-01-01T00:00:00Z",
            bark_version="0.1",
        )
        write_manifest(Path(scratch), manifest)
        [written] = [path for path in Path(scratch).rglob("*") if path.is_file()]
        seed, name = written.read_bytes(), written.name
    yield Reader("manifest", [seed], lambda data, folder: read_manifest(_file(folder, name, data).parent))

    line = {
        "output": "a.flac",
        "key": "0" * 64,
        "source": "a.txt",
        "seconds": 1.5,
        "seed": 3,
        "sha256": "0" * 64,
    }
    line |= {"size": 3, "mtime_ns": 3}
    ledger = b"".join(json.dumps(line | {"output": f"{n}.flac"}).encode() + b"\n" for n in range(3))

    def outputs(data: bytes, folder: Path) -> None:
        found = Ledger(_file(folder, ".bark-batch.jsonl", data).parent)
        for output in ("0.flac", "1.flac", "2.flac"):
            found.find(output, "0" * 64)
            found.shard_of(output)

    yield Reader("ledger", [ledger], outputs)

    def speeds(data: bytes, folder: Path) -> None:
        os.environ["BARK_HOME"] = str(_file(folder, "speeds.json", data).parent)
        recall_speed("nano", "auto", "auto")
        remember_speed("nano", "auto", "auto", 0.3, 9.0)
        assert recall_speed("nano", "auto", "auto")

    yield Reader("speeds", [b'{"nano auto auto": [0.3, 0.4], "small auto auto": 2.5}'], speeds)
    note = Provenance("nano", None, 7, "0" * 64, "0.1", {"top_k": 3}).comment().encode()
    yield Reader("provenance", [note], lambda data, _: parse_comment(data.decode("latin-1")))

    def source(data: bytes, folder: Path) -> None:
        os.environ["BARK_HOME"] = str(folder)
        _file(folder, "converted/one/source.json", data)
        conversions()

    kept = {"folder": "/x", "layout": "suno", "size": "small", "storage": "int8", "version": 1}
    kept |= {"files": [{"path": "a.bin", "size": 3, "sha256": "0" * 64}]}
    yield Reader("conversion", [json.dumps(kept).encode()], source)

    large = {"size": 3, "sha256": "0" * 64}
    files = [{"rfilename": "a.bin", "lfs": large}, {"rfilename": "b/c.json", "size": 4, "blobId": "0" * 40}]
    answer = json.dumps({"sha": "0" * 40, "siblings": files}).encode()

    def listing(data: bytes, _: Path) -> None:
        ask = hub._ask_for
        try:
            info = parse_object(data, hub._BOUNDS)
        except ValueError:  # which is told as no hub's answer
            return
        hub._ask_for = lambda *_: info
        try:
            hub.list_files("owner/name")
        finally:
            hub._ask_for = ask

    yield Reader("hub", [answer], listing)


MARKDOWN = """---
title: x
---
# A *head*

| a | b |
|---|---|
| c | d |

1. one
   - two [link](http://x.org) ![p](q.png)
> [!NOTE] quote `code` $x^2$ [^1] :::warning {{< x >}}

[^1]: note
<div>html <b>x</b></div>
"""
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello <i>you</i>\n\n2\n00:00:03,000 --> 00:00:04\n- Yes\n"
SCRIPT = (
    "---\ncast:\n  ANNA: nano/anna\n  BEN: nano/ben\n---\nANNA: Hello. [pause 1.5s]\nBEN: (softly) Yes.\n"
)
PLAIN = "CHAPTER ONE\n\nIt was[1] a dark &amp; stormy night; 4929776543217788 [laughs]\n\n- one\n- two\n"
HTML = "<html><body><h1>Hi</h1><ol start=3><li>a<li>b</ol><table><tr><td>x</table>&lt;<script>1</script>"


def _texts() -> Iterator[Reader]:
    """Documents, cut into pieces as nano reads them."""
    from bark_cli.checkpoint.vocabulary import read_vocabulary
    from bark_cli.narration.compose import budget, compose
    from bark_cli.narration.recipe import Recipe
    from bark_cli.store import nano_folder
    from bark_cli.text.documents import decode
    from bark_cli.text.reading import Reading

    config, tokenizer = read_vocabulary(nano_folder())
    limits = budget(config, tokenizer.count, tokenizer.loss)
    marks = (
        b"*_",
        b"[",
        b"](",
        b"<",
        b"|a",
        b"|-",
        b"> ",
        b"* a\n",
        b"`",
        b"$",
        b"==",
        b"a\n===\n",
        b"&#x41;",
        b"<div>",
    )
    times = (b"-->", b"00:00:01,000 --> 00:00:02,000\n", b"WEBVTT\n", b"{\\an8}", b"<c.x>", b"\n\n")
    said = (
        b"[pause 9s]",
        b"[",
        b"ANNA: ",
        b"\xe2\x99\xaa",
        b"cast:\n",
        b"---\n",
        b"12345",
        b"\xd0\x9f",
        b"\xf0\x9f\x99\x82",
    )

    def read(kind: str) -> Read:
        def composed(data: bytes, _: Path) -> None:
            text = decode(data)
            script = Reading(format=kind).script(text)
            if len(text) < 20_000:
                compose(script, Recipe(), limits, seed=1)

        return composed

    for kind, seed, words in (
        ("text", PLAIN, said),
        ("markdown", MARKDOWN, marks),
        ("html", HTML, (b"<", b"</", b"<![", b"<!--", b"<td>", b"<ol>", b"&", b"=", b"<div hidden>")),
        ("srt", SRT, times),
        ("script", SCRIPT, said),
    ):
        yield Reader(kind, [seed.encode(), PLAIN.encode()], read(kind), words)


def _tables() -> Iterator[Reader]:
    """Items of a batch."""
    from bark_cli.batch.gather import Sources, gather

    def items(name: str) -> Read:
        return lambda data, folder: list(gather(Sources(paths=[str(_file(folder, name, data))])))

    line = b'{"text": "Hello.", "voice": "nano/ben", "output": "a.wav", "seed": 3, "id": 7}\n'
    yield Reader("jsonl", [line * 3], items("a.jsonl"))
    yield Reader(
        "csv",
        [b'text,voice,output,seed\n"Hi, you",nano/ben,a,3\nb,,,\n'],
        items("a.csv"),
        (b",", b'"', b"\n"),
    )


def _sounds(home: Path) -> Iterator[Reader]:
    """Sound files, and voices."""
    import numpy as np

    from bark_cli.audio import Audio, encode
    from bark_cli.audio.source import open_sound
    from bark_cli.model.published import config_in
    from bark_cli.narration.kept import KeptPieces
    from bark_cli.narration.narrate import Narration, Piece
    from bark_cli.store import nano_folder
    from bark_cli.voices.catalogue import list_voices
    from bark_cli.voices.file import count_frames, read_shapes, read_voice_file

    sound = Audio(np.sin(np.arange(9000, dtype=np.float32) / 9), 24_000)

    def heard(name: str) -> Read:
        def blocks(data: bytes, folder: Path) -> None:
            with open_sound(_file(folder, name, data)) as source:
                for _ in islice(source.blocks(), 100):
                    pass

        return blocks

    for kind in ("wav", "flac", "ogg", "mp3"):
        yield Reader(
            f"sound_{kind}", [encode(sound, kind)], heard(f"a.{kind}"), (b"fmt ", b"data", b"LIST", b"ds64")
        )

    config = config_in(nano_folder())
    voice = next(info for info in list_voices() if info.name == "nano/ben")
    packed = voice.path.read_bytes()
    with np.load(voice.path) as arrays:
        np.savez(home / "plain.npz", **arrays)

    def voices(data: bytes, folder: Path) -> None:
        path = _file(folder, "v.npz", data)
        count_frames(path)
        try:
            read_voice_file(path, "v", config)
        finally:
            read_shapes(path)

    yield Reader(
        "voice",
        [packed, (home / "plain.npz").read_bytes()],
        voices,
        (b"PK\x01\x02", b"'descr': '|O'", b"<i8"),
    )

    narration = Narration(pieces=(Piece(text="Hi.", seed=1),))

    def kept(data: bytes, folder: Path) -> None:
        pieces = KeptPieces(folder / "a.wav", lambda: "x")
        _file(folder, str(pieces._path(narration.pieces[0], narration).relative_to(folder)), data)
        pieces.find(narration.pieces[0], narration)

    yield Reader("kept", [packed], kept)


def _models(home: Path) -> Iterator[Reader]:
    """Checkpoints of every layout, one file of which is damaged, and tokenizers."""
    from conftest import make_tiny_config, tiny_tensors, write_tiny_tokenizer
    from gguf_files import write_crispasr
    from small_models import write_layout

    from bark_cli.checkpoint import Checkpoint, read_checkpoint, write_native
    from bark_cli.checkpoint.gguf_header import read_header
    from bark_cli.model.tokenizer import BarkTokenizer

    config, native = make_tiny_config(), home / "native"
    tokenizer = write_tiny_tokenizer(home / "tokenizer.json")
    tensors = tiny_tensors(config)
    write_native(
        Checkpoint(config=config, tensors=tensors, tokenizer_file=tokenizer, layout="native", folder=native),
        native,
    )

    def within(base: Path, damaged: str) -> Read:
        def model(data: bytes, folder: Path) -> None:
            for path in base.iterdir():
                if path.is_file() and path.name != damaged:
                    os.link(path, folder / path.name)
            _file(folder, damaged, data)
            read_checkpoint(folder)

        return model

    for name in ("config.json", "model.safetensors"):
        cost = 1.0 if name == "config.json" else 4.0
        yield Reader(f"native_{name}", [(native / name).read_bytes()], within(native, name), cost=cost)

    def tokens(data: bytes, folder: Path) -> None:
        found = BarkTokenizer.from_file(_file(folder, "tokenizer.json", data), config.semantic)
        found.count(["Hello, my name is Bark.", "naïve 你好"])
        found.encode("Hello bark.")
        found.loss("naïve 你好")

    vocabulary = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n##a\nbark\n.\n"
    yield Reader("tokenizer", [tokenizer.read_bytes()], tokens, (b'"Regex":', b'"type":', b'"Replace"'))
    yield Reader(
        "vocabulary",
        [vocabulary],
        lambda data, folder: BarkTokenizer.from_file(_file(folder, "vocab.txt", data), config.semantic).count(
            ["hello"]
        ),
    )

    gguf = home / "gguf"
    gguf.mkdir()
    write_crispasr(gguf / "a.gguf", config, tensors)

    def header(data: bytes, folder: Path) -> None:
        path = _file(folder, "a.gguf", data)
        read_header(path)
        read_checkpoint(path)

    yield Reader(
        "gguf",
        [(gguf / "a.gguf").read_bytes()],
        header,
        (b"general.", b"\x08\0\0\0", b"\x09\0\0\0"),
        cost=4.0,
    )
    for layout, names in (
        ("suno", ("text_2.pt",)),
        ("sharded", ("config.json", "model.safetensors.index.json", "generation_config.json")),
        ("bin", ("pytorch_model.bin",)),
    ):
        base = home / layout
        write_layout(layout, base)
        for name in names:
            if (base / name).is_file():
                yield Reader(
                    f"{layout}_{name}", [(base / name).read_bytes()], within(base, name), PICKLE, cost=8.0
                )


PICKLE = (
    b"PK\x03\x04",
    b"cos\nsystem\n(S'true'\ntR.",
    b"\x80\x02",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"X",
)

# By hand


def main() -> int:
    """Go on with new cases for some minutes, or repeat one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--reader", action="append", help="only of this reader; may be given several times")
    parser.add_argument("--case", type=int, help="only that one, in this process")
    parser.add_argument("--first", type=int, default=1000, help="where to begin; the suite runs those before")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["BARK_HOME"] = home
        found = [r for r in readers(Path(home)) if asked.reader is None or r.name in asked.reader]
        if asked.case is not None:
            print(f"{spent(found[0], case(found[0], asked.case)):.2f} s")
            return 0
        return _go_on(found, asked.minutes * 60, asked.first)


def _go_on(found: list[Reader], seconds: float, first: int) -> int:
    """Rounds of cases of each reader, each round of a reader in a process of its own."""
    ends, bad, done = time.monotonic() + seconds, set[tuple[str, int]](), 0
    for start in count(first, 50):
        for reader in found:
            if time.monotonic() > ends:
                print(f"{done} cases, {len(bad)} not well", sorted(bad))
                return 1 if bad else 0
            left = range(start, start + max(1, int(50 / reader.cost)))
            while left:
                number, said = _in_a_process(reader, left)
                done += (left.stop if number is None else number + 1) - left.start
                if number is None:
                    break
                bad.add((reader.name, number))
                print(f"{reader.name} {number}: {said}", flush=True)
                left = range(number + 1, left.stop)
    return 0


def _in_a_process(reader: Reader, numbers: range) -> tuple[int | None, str]:
    """The first case that is not well, and why; (None, "") where all are."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        with os.fdopen(send, "w", buffering=1) as report:
            _limit()
            for number in numbers:
                report.write(f"{number} \n")
                try:
                    took = spent(reader, case(reader, number))
                except BaseException as error:
                    report.write(f"{number} {type(error).__name__}: {str(error)[:200]!r}\n")
                    os._exit(1)
                if took > MOST_S:
                    report.write(f"{number} took {took:.1f} s\n")
                    os._exit(1)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as report:
        last = report.readlines()[-1].rstrip("\n")
    _, status = os.waitpid(child, 0)
    if status == 0:
        return None, ""
    number, _, said = last.partition(" ")
    return int(number), said or f"the process ended with {status}"


def _limit() -> None:
    """No more memory than a case may have beside what is there, and an end by the system to endless work."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 130))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries print of their panics


if __name__ == "__main__":
    sys.exit(main())
