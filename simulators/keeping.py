"""What the town remembers from one run to the next, in files of its own folder."""

import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from simulators.faults import Fault
from simulators.speakers import Speakers
from simulators.town import Town
from simulators.world import KEPT_HOURS, HourRead, World, WorldState

log = structlog.get_logger()

VERSION = 1
COLUMNS = (
    "register", "flow", "pressure_kpa", "voltage_v", "battery_pct", "exported", "lost_phase", "lost_left",
)  # fmt: skip


def begin(town: Town, *, folder: Path, now_h: int) -> tuple[World, Speakers]:
    """Wake the town where it was left; a town that was never alive, or is another one, begins anew."""
    saved = _load(folder / "state.json", town=town, now_h=now_h)
    boot = secrets.token_hex(4)
    if saved is None:
        # The history ends just before the first hour that is lived.
        first_h = max(int(town.starts_at.timestamp()) // 3600 - 1, now_h - KEPT_HOURS)
        world = World(town, hour=min(first_h, now_h))
        return world, Speakers(town, world, boot=boot)
    state = dict(saved["world"])
    state["faults"] = [Fault(**fault) for fault in state["faults"]]
    world = World(town, hour=state["hour"], state=WorldState(**state))
    world.recall(_load_memory(folder / "memory.npz"))
    speakers = Speakers(town, world, boot=boot)
    # A town that was killed has used numbers that its file does not know.
    speakers.restore(saved["speakers"], new_boot=None if saved["clean"] else boot)
    log.info("town.goes_on", hour=state["hour"], faults=len(state["faults"]), clean=saved["clean"])
    return world, speakers


def save(town: Town, world: World, speakers: Speakers, *, folder: Path, clean: bool) -> None:
    """Write the state in one step; `clean` says that nothing happens after it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "version": VERSION,
        "town": _identity(town),
        "clean": clean,
        "speakers": speakers.saved(),
        "world": asdict(world.state),
    }
    _replace(folder / "state.json", json.dumps(state).encode())
    if clean:
        reads = list(world.memory())
        if reads:
            part = folder / "memory.part.npz"
            arrays: dict[str, Any] = {name: np.stack([getattr(read, name) for read in reads]) for name in COLUMNS}
            np.savez(part, hour=np.array([read.hour for read in reads]), **arrays)
            part.replace(folder / "memory.npz")


def _load(path: Path, *, town: Town, now_h: int) -> dict[str, Any] | None:
    try:
        saved = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.warning("town.state_unreadable", path=str(path), why=str(error))
        return None
    if saved.get("version") != VERSION or saved.get("town") != _identity(town):
        return None
    if saved["world"]["hour"] > now_h:  # time was set back: the utility was founded anew
        return None
    return saved


def _load_memory(path: Path) -> list[HourRead]:
    try:
        with np.load(path) as arrays:
            return [
                HourRead(int(hour), *(arrays[name][at] for name in COLUMNS)) for at, hour in enumerate(arrays["hour"])
            ]
    except (OSError, ValueError, KeyError):
        return []  # then what is asked for again may be lost, as in a meter that lost its memory


def _identity(town: Town) -> dict[str, Any]:
    return {"seed": town.seed, "starts_on": town.starts_on.isoformat(), "points": len(town.points)}


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, path)
