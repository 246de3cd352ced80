"""A layer that is dropped is freed at once, not when Python's collector of cycles comes round: it holds memory."""

import gc
import time
import weakref

import pytest
from harness import run_layer
from layer_table import TABLE

from minicaffe.layers import layer_class


@pytest.fixture
def without_collector():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("in_place", [False, True], ids=["", "in place"])
def test_no_layer_holds_itself(without_collector, tmp_path, rng, in_place):
    held = []
    for layer_type, row in TABLE.items():
        case = row.cases[0]
        if in_place and not (layer_class(layer_type).in_place and case.in_place):
            continue
        layer = dropped(layer_type, case, tmp_path, rng, in_place)
        held += [layer_type] if not freed(layer) else []
    assert held == []


def freed(layer):
    """Whether it is gone, soon: a thread that fetches batches holds its layer while it makes one."""
    end = time.monotonic() + 5
    while layer() is not None and time.monotonic() < end:
        time.sleep(0.01)
    return layer() is None


def dropped(layer_type, case, folder, rng, in_place):
    """A weak reference to a layer that has run."""
    settings = case.settings(folder) if callable(case.settings) else case.settings
    bottoms = case.bottoms(rng, 2)
    run = run_layer(
        f'type: "{layer_type}" {settings}',
        *bottoms,
        tops=case.tops,
        phase=case.phase,
        prepare=case.prepare,
        in_place=in_place,
    )
    return weakref.ref(run.layer)
