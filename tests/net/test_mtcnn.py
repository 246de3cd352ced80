"""Three networks that others trained with Caffe, MTCNN's face detectors, give what Caffe 1.0 gave."""

import numpy as np
import pytest

from minicaffe import TEST, Net

SHAPES = {1: (2, 3, 97, 131), 2: (5, 3, 24, 24), 3: (5, 3, 48, 48)}


@pytest.mark.parametrize("memory_order", ["auto", "batch_innermost"])
@pytest.mark.parametrize("number", SHAPES)
def test_the_recorded_outputs(models_dir, number, memory_order):
    folder = models_dir / "mtcnn"
    expected = np.load(folder / f"det{number}.expected.npz")
    x = np.random.RandomState(number).uniform(-1, 1, SHAPES[number]).astype(np.float32)
    weights = folder / f"det{number}.caffemodel"
    with Net(folder / f"det{number}.prototxt", TEST, weights=weights, memory_order=memory_order) as net:
        net.blobs["data"].reshape(*x.shape)
        found = net.forward(data=x)
        assert set(expected.files) == set(found)
        for name in expected.files:
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-5)
