"""The shape pass: setting up a layer, of any type, takes no memory that grows with its blobs."""

import numpy as np
import pytest
from harness import make_context
from layer_table import TABLE
from watch import peak_of

from minicaffe.blob import DATA, DIFF, Blob
from minicaffe.layers import layer_class
from minicaffe.proto import caffe_pb2
from minicaffe.proto.text import parse_text

BATCH = 4000  # of 60 values mostly: about a megabyte a blob
SMALL = 300_000  # bytes

# Their memory does not come of shapes: what they read while they are set up they keep.
READS = {
    "Data": "its database's first item",
    "ImageData": "its list, and the first image",
    "WindowData": "its list of windows",
    "HDF5Data": "its first file",
    "InfogainLoss": "the matrix, where a file holds it",
    "Python": "what the user's setup writes",
}
ROWS = {layer_type: row for layer_type, row in TABLE.items() if layer_type not in READS}
CASES = [pytest.param(t, case, id=f"{t}-{i}") for t, row in ROWS.items() for i, case in enumerate(row.cases)]


@pytest.mark.parametrize("layer_type, case", CASES)
def test_set_up_takes_no_memory(layer_type, case, tmp_path, rng):
    settings = case.settings if isinstance(case.settings, str) else case.settings(tmp_path)
    param = parse_text(f'name: "l" type: "{layer_type}" {settings}', caffe_pb2.LayerParameter).message
    context = make_context(phase=case.phase)
    bottom = [Blob(np.shape(values), layout=context.layout) for values in case.bottoms(rng, BATCH)]
    top = [Blob(layout=context.layout) for _ in range(case.tops)]
    layer = layer_class(layer_type)(param, context)
    try:
        assert peak_of(lambda: layer.initialize(bottom, top)) < SMALL
        storages = [blob.storage(which) for blob in bottom + top + layer.blobs for which in (DATA, DIFF)]
        assert not any(storage.allocated for storage in storages) and context.workspace.nbytes == 0
    finally:
        layer.close()
