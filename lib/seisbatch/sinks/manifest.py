"""The two small files that frame a run's output: the claim, written first, and the manifest, written last.

``_run.json`` says with which parameters an output was begun, so that other parameters never mix with it; ``manifest.json``
says that all is there, with the resolved configuration, the outcome counts and every table's files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from seisbatch.acquire.objects import Store
from seisbatch.outcome import Missing, RunError

CLAIM_KEY = "_run.json"
MANIFEST_KEY = "manifest.json"


def _read(store: Store, key: str) -> dict[str, Any] | None:
    try:
        value = json.loads(bytes(store.get(key)))
    except Missing:
        return None
    except ValueError as error:
        raise RunError(f"{store.settings.root}/{key} is not JSON ({error}): is --out a folder of this suite?") from error
    if not isinstance(value, dict):
        raise RunError(f"{store.settings.root}/{key} does not describe a run: is --out a folder of this suite?")
    return value


def write_json(store: Store, key: str, value: Mapping[str, Any]) -> None:
    """Put a mapping as indented JSON; dates and paths as text."""
    store.put(key, json.dumps(dict(value), indent=2, default=str).encode() + b"\n")


def claim(
    store: Store,
    job: str,
    parameters_id: str,
    parameters: Mapping[str, Any],
    source: str = "",
    folders: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Begin, or go on with, the output of a job; the manifest where it is complete already.

    Raises RunError, naming what differs, where the output belongs to another job, to other parameters, or to another source;
    and where nothing has begun yet but one of the ``folders`` that the run would keep to its own objects holds others.
    """
    mine = json.loads(
        json.dumps({"job": job, "source": source, "parameters_id": parameters_id, "parameters": parameters}, default=str)
    )
    there = _read(store, CLAIM_KEY)
    if there is None:
        for folder in folders:
            if next(iter(store.list(f"{folder}/")), None) is not None:
                raise RunError(f"{store.settings.root}/{folder} holds what no run here wrote: choose another --out")
        write_json(store, CLAIM_KEY, mine)
        return None
    if there.get("job") != job:
        raise RunError(f"{store.settings.root} holds results of {there.get('job')}, not of {job}: choose another --out")
    if there.get("parameters_id") != parameters_id:
        old = there.get("parameters", {})
        changed = [
            f"--{key.replace('_', '-')} {old.get(key)} there, {mine['parameters'].get(key)} now"
            for key in sorted(old.keys() | mine["parameters"].keys())
            if old.get(key) != mine["parameters"].get(key)
        ]
        if "tile" in old and old["tile"] != mine["parameters"].get("tile"):
            changed.append(f"the tile follows from --memory where it is not given: --tile {old['tile']} keeps it")
        raise RunError(
            f"{store.settings.root} holds results made with other parameters, which are never mixed: "
            f"{'; '.join(changed)}. Choose another --out, or give the same options."
        )
    if there.get("source", source) != source:
        raise RunError(
            f"{store.settings.root} holds results made from {there['source']}, not from {source}: choose another --out"
        )
    return _read(store, MANIFEST_KEY)


def claimed_parameters(store: Store) -> Mapping[str, Any]:
    """The parameters that an output was begun with; none where nothing has begun. RunError where it is no run's."""
    there = _read(store, CLAIM_KEY) or {}
    parameters = there.get("parameters", {})
    return parameters if isinstance(parameters, dict) else {}


def claimed_source(store: Store) -> str:
    """Where the data of an output came from, as its run told when it began; RunError where it tells nothing."""
    there = _read(store, CLAIM_KEY)
    if there is None:
        raise RunError(f"{store.settings.root}/{CLAIM_KEY} is gone: it tells where the data came from")
    return str(there.get("source", ""))


def abandon(store: Store) -> None:
    """Take back the claim of a run that ended before it wrote anything: corrected options find the output free."""
    if [key for key, _ in store.list("")] == [CLAIM_KEY]:
        store.delete([CLAIM_KEY])


def complete_manifest(store: Store, *jobs: str) -> dict[str, Any]:
    """The manifest of an output that another job reads, of one of some jobs; RunError where it is not there, or not whole."""
    manifest = _read(store, MANIFEST_KEY)
    if manifest is None or manifest.get("job") not in jobs or not manifest.get("complete"):
        raise RunError(f"{store.settings.root} holds no complete run of {' or '.join(jobs)}: run it first, or again")
    return manifest
