"""What `bark cache` prints and asks: models, checks, removals and leftovers -> tables, JSON, questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bark_cli import cache, store
from bark_cli.cache import CachedModel, Check, Leftover, Removal
from bark_cli.cli.ask import confirm
from bark_cli.cli.output import is_watched, note, one_line, print_json
from bark_cli.cli.table import aligned
from bark_cli.errors import ModelError
from bark_cli.system.units import human_bytes

_PLACES = {
    "bark": "downloaded",
    "own": "yours",
    "package": "bundled",
    "huggingface": "Hugging Face",
    "suno": "suno-ai/bark",
    "elsewhere": "your folder",
}


def print_models(models: list[CachedModel], *, as_json: bool) -> None:
    """The models, and what the cache takes in all."""
    total, free = cache.bytes_of(store.bark_home()), store.free_bytes()
    compiled = cache.bytes_of(store.places.compiled_home())
    if as_json:
        home = str(store.bark_home())
        records = [_model_record(model) for model in models]
        sizes = {"bytes": total, "compiled_bytes": compiled, "free_bytes": free}
        print_json({"path": home, **sizes, "models": records})
        return
    rows = [("NAME", "SIZE", "STATE", "LAYOUT", "PLACE"), *map(_model_row, models)]
    print("\n".join(aligned(rows)))
    for model in models:
        if model.damage:
            note(f"{model.name}: {model.damage}")
    if compiled:
        note(f"{human_bytes(compiled)} compiled by OpenVINO; `bark cache prune --compiled` removes them")
    useless = sum(one.bytes for one in cache.find_leftovers() if not one.in_use)
    more = f"; `bark cache prune` frees {human_bytes(useless)}" if useless else ""
    note(f"{human_bytes(total)} in {store.bark_home()}, {human_bytes(free)} free{more}")


def _model_record(model: CachedModel) -> dict[str, object]:
    return {
        "name": model.name,
        "place": model.place,
        "path": str(model.folder),
        "layout": model.layout,
        "revision": model.revision,
        "bytes": model.bytes,
        "converted_bytes": model.converted_bytes,
        "complete": model.damage is None,
        "damage": model.damage,
    }


def _model_row(model: CachedModel) -> tuple[str, ...]:
    state = "damaged" if model.damage else "complete"
    layout = model.layout or "-"
    return one_line(model.name), human_bytes(model.bytes), state, layout, _PLACES[model.place]


def check_and_print(models: list[CachedModel], *, voices: bool, as_json: bool) -> None:
    """Check the models, and Suno's voices if they are here and wanted.

    Raises:
        ModelError: one is damaged.
    """
    with _watched(cache.bytes_to_check(models)) as on_bytes:
        checks = list(cache.check_models(models, on_bytes))
        if voices and (found := cache.check_suno_voices(on_bytes)):
            checks.append(found)
    if as_json:
        print_json([_check_record(check) for check in checks])
    else:
        print("\n".join(aligned([("NAME", "STATE", "SIZE", "PLACE"), *map(_check_row, checks)])))
        for check in checks:
            for damage in check.damages:
                note(f"{check.model.name}: {damage.path} {damage.what}")
    if checks and not any(check.known or check.damages for check in checks):
        note("nothing says what these must hold; only what `bark download` has fetched can be checked")
    damaged = [check for check in checks if check.damages]
    if damaged:
        first = damaged[0]
        what = f"{first.damages[0].path.name} {first.damages[0].what}"
        raise ModelError(f"{first.model.name} is damaged ({what}); {first.cure}")


def _check_record(check: Check) -> dict[str, object]:
    return {
        "name": check.model.name,
        "state": _state(check),
        "bytes": check.model.bytes,
        "path": str(check.model.folder),
        "damages": [{"path": str(damage.path), "what": damage.what} for damage in check.damages],
        "cure": check.cure,
    }


def _check_row(check: Check) -> tuple[str, ...]:
    model = check.model
    return one_line(model.name), _state(check), human_bytes(model.bytes), _PLACES[model.place]


def _state(check: Check) -> str:
    return "damaged" if check.damages else "whole" if check.known else "unknown"


@contextmanager
def _watched(total: int) -> Iterator[Callable[[int], None]]:
    """A line that shows how many bytes are read, where a human watches."""
    if not total or not is_watched():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("checking"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as lines:
        task = lines.add_task("", total=total)
        yield lambda count: lines.advance(task, count)


def remove_models(names: list[str], *, ask: bool, dry_run: bool, as_json: bool) -> None:
    """Remove models by their names, all or, where one is unknown, none.

    Raises:
        ModelError: one is unknown, not Bark's, or in use.
        UsageError: nobody can be asked, or a name cannot be one.
    """
    removals = [cache.plan_removal(name) for name in names]
    if not dry_run and ask and not confirm(f"Remove {', '.join(map(_named, removals))}?"):
        note("nothing was removed")
        return
    if not dry_run:
        for removal in removals:
            cache.remove(removal)
    if as_json:
        print_json([_removal_record(removal, removed=not dry_run) for removal in removals])
        return
    for removal in removals:
        print(f"{'would remove' if dry_run else 'removed'} {_named(removal)}")
        if dry_run:
            print("\n".join(f"  {one_line(str(path))}" for path in removal.paths))
        for kept in removal.stays:
            note(kept)


def _named(removal: Removal) -> str:
    own = ", files of your own that cannot be downloaded again" if removal.is_users else ""
    return f"{one_line(removal.name)} ({human_bytes(removal.bytes)}{own})"


def _removal_record(removal: Removal, *, removed: bool) -> dict[str, object]:
    return {
        "name": removal.name,
        "bytes": removal.bytes,
        "paths": [str(path) for path in removal.paths],
        "removed": removed,
    }


def remove_leftovers(*, compiled: bool, ask: bool, dry_run: bool, as_json: bool) -> None:
    """Show what nobody needs, and remove it.

    Raises:
        ModelError: the disk refuses.
        UsageError: nobody can be asked.
    """
    found = cache.find_leftovers(compiled=compiled)
    free = [one for one in found if not one.in_use]
    if found and not as_json:
        print("\n".join(aligned([("SIZE", "WHAT", "PATH"), *map(_leftover_row, found)])))
    freed: list[Leftover] = []
    if free and not dry_run and (not ask or confirm(f"Remove these {human_bytes(_total(free))}?")):
        freed = [one for one in free if cache.remove_leftover(one)]
    if as_json:
        print_json([_leftover_record(one, removed=one in freed) for one in found])
    elif freed:
        print(f"removed {human_bytes(_total(freed))}")
    elif dry_run and free:
        print(f"would remove {human_bytes(_total(free))}")
    else:
        note("nothing was removed" if free else "nothing to remove")


def _leftover_row(one: Leftover) -> tuple[str, ...]:
    what = "in use by another process" if one.in_use else one.what
    return human_bytes(one.bytes), what, one_line(str(one.path))


def _leftover_record(one: Leftover, *, removed: bool) -> dict[str, object]:
    return {
        "path": str(one.path),
        "what": one.what,
        "bytes": one.bytes,
        "in_use": one.in_use,
        "removed": removed,
    }


def _total(leftovers: list[Leftover]) -> int:
    return sum(one.bytes for one in leftovers)
