"""The door: how fast it opens, what it says when something breaks, and how it shuts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bark_cli import __version__, errors
from bark_cli.cli import main
from bark_cli.cli.output import one_line
from bark_cli.cli.say import command as say_module

BARK = [sys.executable, "-m", "bark_cli"]
OUT_OF_MEMORY = "bark: out of memory; use --device cpu or a smaller model; set BARK_DEBUG=1 for"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bark {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["voices"]])
def test_without_a_command_help_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Commands:" in captured.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["help"], ["--help"]),
        (["help", "say"], ["say", "--help"]),
        (["help", "voices", "ls"], ["voices", "ls", "--help"]),
        (["voices", "help"], ["voices", "--help"]),
        (["voices", "help", "ls"], ["voices", "ls", "--help"]),
        (["help", "help"], ["--help"]),
    ],
)
def test_help_may_be_asked_for_in_a_word(
    typed: list[str], meant: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(meant) == 0
    wanted = capsys.readouterr()
    assert main(typed) == 0
    assert capsys.readouterr() == wanted
    assert "  help " not in wanted.out  # it clutters no list of commands


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["help", "sing"], "No such command 'sing'"),
        (["sing"], "No such command 'sing'"),
        (["say", "--sed", "3"], "No such option"),
        (["say", "a", "--size", "huge"], "--size"),
        (["say", "a", "--device", "tpu"], "--device"),
        (["say", "a", "--seed", "-1"], "--seed"),
        (["say", "a", "--seed", "4294967296"], "--seed"),
        (["say", "a", "--seed", "x"], "--seed"),
        (["say", "a", "--temperature", "warm"], "--temperature"),
        (["voices", "ls", "more"], "unexpected extra argument"),
    ],
)
def test_bad_usage_is_code_2(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert line in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.skipif(sys.platform == "win32", reason="CPU time of children is a POSIX figure")
def test_help_takes_less_than_0_3_s() -> None:
    def cpu_s() -> float:
        before = os.times()
        subprocess.run([*BARK, "--help"], check=True, capture_output=True)
        after = os.times()
        return (after.children_user - before.children_user) + (after.children_system - before.children_system)

    # processor time and the best of five: what it takes here, not what else this machine does
    assert min(cpu_s() for _ in range(5)) < 0.3


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(say_module, "speak", fail)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (errors.TextError("too long"), 2, "bark: too long\n"),
        (errors.ModelError("not\nthere\x1b[31m"), 1, "bark: not there\\x1b[31m\n"),
        (MemoryError(), 1, OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), 1, OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), 1, OUT_OF_MEMORY),
        (RuntimeError("shapes do not match"), 1, "bark: unexpected RuntimeError: shapes do not match; set"),
        (
            OSError(28, "No space left on device", "x"),
            1,
            "bark: [Errno 28] No space left on device: 'x'; set",
        ),
        (
            ZeroDivisionError("oh"),
            1,
            "bark: unexpected ZeroDivisionError: oh; set BARK_DEBUG=1 for",
        ),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_every_error_is_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    line: str,
) -> None:
    monkeypatch.setattr("bark_cli.cli.output.abandon_stdout", lambda: None)  # pytest still needs its own
    failing(monkeypatch, error)
    assert main(["say", "hello", "-o", "never.wav"]) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == (1 if line else 0)
    monkeypatch.setenv("BARK_DEBUG", "1")
    assert main(["say", "hello", "-o", "never.wav"]) == code
    if line:
        assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_one_line_keeps_letters_and_shows_controls() -> None:
    assert one_line("a\r\n b\x00\x07 \u202e ä 日本 \udcff") == "a b\\x00\\x07 \\u202e ä 日本 \\udcff"


def test_a_reader_that_leaves_is_no_error(tiny_model: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*BARK, "voices", "ls", "-m", str(tiny_model)], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_closed_stdout_and_stderr_are_no_traceback(tiny_model: Path) -> None:
    command = f'"$0" -m bark_cli voices ls -m "{tiny_model}" >&- 2>&-'
    assert subprocess.run(["sh", "-c", command, sys.executable]).returncode == 0


def complete(line: str) -> list[str]:
    environment = {
        **os.environ,
        "_BARK_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    done = subprocess.run(BARK, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_commands_and_voices(tiny_model: Path) -> None:
    assert complete("bark vo") == ["voices"]
    assert complete(f"bark say -m {tiny_model} -v ti") == ["tiny/ann"]
    assert complete(f"bark say -m {tiny_model} -v other") == []
    assert complete("bark say -m /no/such/folder -v x") == []
    assert "--voice" in complete("bark say --v")


STAGES = ["semantic", "coarse", "fine", "codec"]
PATIENCE_S = 120  # until a process is given up, however busy the machine is
# holds the command up inside a stage, busy in torch as the stage itself would be
DRIVER = """
import sys, time
stage = sys.argv.pop(1)
from bark_cli import cli
def now():
    print("now", time.process_time(), flush=True)
if stage != "start":
    import torch
    from bark_cli.stages.progress import Watch
    report = Watch._tell
    def hold(self):
        report(self)
        if self.stage == stage:
            now()
            while True:
                torch.randn(300, 300) @ torch.randn(300, 300)
    Watch._tell = hold
else:
    run = cli._run
    def announce(arguments):
        now()
        return run(arguments)
    cli._run = announce
sys.exit(cli.main())
"""


def interrupted(stage: str, folder: Path, model: Path, delay_s: float = 0.05) -> tuple[int, float, str]:
    """Exit code, processor seconds from `stage` on, and stderr of a `bark say` that meets Ctrl-C in it.

    Processor seconds are the same however busy the machine is; the process uses one core at a time, so that
    on an idle machine no more than these pass.
    """
    # what has ended cannot be interrupted: more to say than any of the delays takes
    words = "hello bark. " * (500 if stage == "start" else 1)
    command = ["say", words, "-m", str(model), "-o", str(folder / "out.wav"), "--seed", "1", "-q"]
    before = os.times()
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, stage, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a CI runner may ignore it
    )
    assert process.stdout is not None
    word, _, begin_s = process.stdout.readline().partition(" ")
    assert word == "now", process.communicate()[1]
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    after = os.times()
    total_s = after.children_user + after.children_system - before.children_user - before.children_system
    return process.returncode, total_s - float(begin_s), stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_a_stage_is_130_within_a_second(tmp_path: Path, tiny_model: Path, stage: str) -> None:
    code, seconds, stderr = interrupted(stage, tmp_path, tiny_model)
    assert (code, stderr) == (130, "")
    assert seconds < 1.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3])
def test_ctrl_c_while_starting_is_130_without_a_word(
    tmp_path: Path, tiny_model: Path, delay_s: float
) -> None:
    """Amid the imports of torch and the rest, and the reading of the model."""
    code, _, stderr = interrupted("start", tmp_path, tiny_model, delay_s)
    assert (code, stderr) == (130, "")
    assert list(tmp_path.iterdir()) == []


DEAF = """
import sys, time
from bark_cli import cli
def deaf(arguments):
    for _ in range(100):
        try:
            print("now 0", flush=True)
            time.sleep(300)
        except KeyboardInterrupt:
            pass
cli._run = deaf
sys.exit(cli.main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_that_a_library_swallows_still_ends_it(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "DRIVER", DEAF)
    code, _, stderr = interrupted("start", tmp_path, tiny_model)
    assert (code, stderr) == (130, "")


def test_what_a_library_makes_of_ctrl_c_is_still_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallowed(*arguments: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr(say_module, "speak", swallowed)
    monkeypatch.setattr("bark_cli.cli.GRACE_S", PATIENCE_S)  # it would end pytest
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # put back afterwards
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    try:
        assert main(["say", "hello", "-o", "never.wav"]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # a second one ends it at once
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_handler_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert main(["--version"]) == 0
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a job that a shell put in the background
    try:
        assert main(["--version"]) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("told", "expected"), [(None, "passive"), ("active", "active")])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(told: str | None, expected: str) -> None:
    """Said before torch is loaded, which is when its threads learn it."""
    script = (
        "import os, sys; from bark_cli.cli import main; main(['--version']);"
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if told is not None:
        env["OMP_WAIT_POLICY"] = told
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"{expected} False"


@pytest.mark.parametrize("words", ["bark nope ", "bark voices nope ", "bark --nope "])
def test_tab_after_a_word_that_is_no_command_prints_no_error(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_BARK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    assert main([]) == 0
    assert capsys.readouterr().err == ""
