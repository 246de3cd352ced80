"""A solverstate as one half of a pair: its kinds of files, what it says of its weights, and where these are."""

from __future__ import annotations

import json
import os

from minicaffe import log
from minicaffe.errors import FileError, FormatError, SolverError
from minicaffe.io.solverstate import SolverState, read_solverstate
from minicaffe.io.solverstate_hdf5 import read_solverstate_hdf5
from minicaffe.io.wire_file import size_and_sha256

MODEL, STATE = "caffemodel", "solverstate"
HDF5_SUFFIX = ".h5"


def read_state(path: str, name: str = "") -> SolverState:
    """Read a solverstate. As in Caffe, the name tells the format: HDF5 ends in .h5.

    name: the one that counts, where the file has another for now.
    """
    return (read_solverstate_hdf5 if (name or path).endswith(HDF5_SUFFIX) else read_solverstate)(path)


def extra_of(state: SolverState, path: str) -> dict:
    """What stands beside Caffe's fields: {} in a file of Caffe's. Raises FormatError for what cannot be that."""
    if not state.extra:
        return {}
    try:
        extra = json.loads(state.extra)
    except ValueError as error:
        raise FormatError(f"what it keeps for an exact resume cannot be read: {error}", file=path) from error
    if not isinstance(extra, dict) or not isinstance(extra.get("model"), dict):
        raise FormatError("what it keeps for an exact resume is not what minicaffe writes there", file=path)
    return extra


def find_weights(learned_net: str, state_path: str, model: dict | None = None) -> str:
    """Where the weights of a solverstate are: where it says, or else beside it, for pairs that were moved together.

    model: size and SHA-256 of the file, where the solverstate has them.
    Raises SolverError where a file of that name holds other weights, FileError where there is none.
    """
    if not learned_net:
        return ""
    beside = os.path.join(os.path.dirname(state_path), os.path.basename(learned_net))
    there = [candidate for candidate in (learned_net, beside) if os.path.isfile(candidate)]
    for candidate in there:
        if model is None or is_model(candidate, model):
            if candidate != learned_net:
                log.info(f"{learned_net} is not there, or of another run; using {candidate}, beside the solver state")
            return candidate
    if there:
        text = (
            f"{there[0]} holds other weights than those saved with this solver state (another size or SHA-256): "
            "the pair was mixed; resume from another one, or put the right file back"
        )
        raise SolverError(text, file=state_path)
    text = f"the weights that belong to it, {learned_net}, are not there, nor beside it: put them beside it"
    raise FileError(f"{text} (relative paths begin at {os.getcwd()})", file=state_path)


def is_model(path: str, model: dict) -> bool:
    """Whether a file holds the weights of which a solverstate told the size and SHA-256."""
    # The size first: a file of another one need not be read.
    return os.path.getsize(path) == model.get("size") and size_and_sha256(path)[1] == model.get("sha256")
