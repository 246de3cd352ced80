"""What a process that was killed left of its snapshots: finished where it was whole, else removed."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from minicaffe import log
from minicaffe.errors import MinicaffeError
from minicaffe.io.atomic import put_in_place, remove_stale, stale_under
from minicaffe.solver.state_file import HDF5_SUFFIX, MODEL, STATE, extra_of, is_model, read_state


def clear_up(prefix: str) -> None:
    """Finish the pairs under a prefix that a killed process had whole on the disk; remove what else it left."""
    stale = stale_under(prefix)
    for path, final in stale:
        if match := re.fullmatch(rf"(.*)\.{STATE}({re.escape(HDF5_SUFFIX)})?", final, re.DOTALL):
            model = f"{match[1]}.{MODEL}{match[2] or ''}"
            _finish(path, final, model, [other for other, meant in stale if meant == model])
    for path in remove_stale(prefix):
        log.info(f"Removed {path}, which a process that was killed left half-written")


def _finish(path: str, final: str, model: str, stale_models: list[str]) -> None:
    """Rename a solverstate to its final name, and its weights before it, if both are whole and the former not there.

    It is not there where an older one was removed already, and where this is the first: a new pair is then nearer than
    none. Else the older pair stays.
    """
    with suppress(MinicaffeError, OSError):
        told = extra_of(read_state(path, final), path).get("model")
        there = [other for other in (model, *stale_models) if os.path.isfile(other)]
        whole = [other for other in there if told and is_model(other, told)]
        if not whole or os.path.lexists(final):
            return
        if whole[0] != model:
            put_in_place(whole[0], model)
        put_in_place(path, final)
        log.info(f"Finished the snapshot {final}, which a process that was killed had written")
