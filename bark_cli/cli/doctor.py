"""`bark doctor`: what works here, what does not, and what to run next."""

from __future__ import annotations

import typer

from bark_cli.cli.options import Json, Offline
from bark_cli.cli.output import one_line, print_json
from bark_cli.cli.table import aligned


def doctor(offline: Offline = False, as_json: Json = False) -> None:
    """Check this installation and machine.

    \b
    bark doctor
    bark doctor --offline --json

    Exit code 1 says that bark cannot speak here; a warning is about something else, such as the network.
    """
    from bark_cli.cli.download.offer import forbid_network
    from bark_cli.doctor import examine

    if offline:
        forbid_network()
    findings = examine()
    broken = any(finding.state == "problem" for finding in findings)
    steps = list(dict.fromkeys(finding.next for finding in findings if finding.next))
    if as_json:
        print_json({"ok": not broken, "findings": [f.to_dict() for f in findings], "next": steps})
    else:
        rows = [(finding.topic, finding.state, one_line(finding.text)) for finding in findings]
        print("\n".join([*aligned(rows), *(f"next: {step}" for step in steps)]))
    if broken:
        raise typer.Exit(1)
