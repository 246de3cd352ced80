"""NaN and infinity in the bottoms of every type: NumPy says nothing of it to the user, in either pass."""

import warnings

import numpy as np
import pytest
from harness import run_layer
from layer_table import TABLE

from minicaffe.errors import DataError
from minicaffe.layers import layer_class

# Without those that have no bottoms, and users' own code.
TYPES = [t for t in TABLE if layer_class(t).exact_bottom != 0 and not layer_class(t).c_order]


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("layer_type", TYPES)
def test_nothing_is_printed(layer_type, value, tmp_path):
    for case in TABLE[layer_type].cases[:3]:
        settings = case.settings(tmp_path) if callable(case.settings) else case.settings
        text = f'type: "{layer_type}" {settings}'
        bottoms = [np.array(bottom, float) for bottom in case.bottoms(np.random.default_rng(0), 2)]
        for index, bottom in enumerate(bottoms):
            kept, bottoms[index] = bottom, np.where(np.arange(bottom.size) % 2, bottom.ravel(), value)
            bottoms[index] = bottoms[index].reshape(bottom.shape)
            try_both_passes(text, bottoms, case, TABLE[layer_type].gradient)
            bottoms[index] = kept


def try_both_passes(text, bottoms, case, gradient):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            run = run_layer(text, *bottoms, tops=case.tops, phase=case.phase)
        except DataError as error:
            # Labels and other indices, which a layer looks at first.
            assert "bottom[" in str(error)
            return
        for top in run.top:
            top.diff[...] = bottoms[0].flat[0]
        if gradient is not None:
            run.backward([i in gradient for i in range(len(bottoms))])
