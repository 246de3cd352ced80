"""Net surgery: filters by hand, and LeNet as a net for pictures of any size, with weights that Caffe trained."""

import numpy as np
import pytest
from notebook_kit import assert_pictures, run_example

import minicaffe as caffe


@pytest.fixture(scope="module")
def found(tmp_path_factory, mnist_dir, models_dir):
    out = tmp_path_factory.mktemp("net_surgery")
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    return run_example("net_surgery/net_surgery.py", out, "--quick", "--weights", weights), out


def window_sums(picture, kernel):
    """The sum of each window of 5x5 of a padded picture, weighted: by its definition, in float64."""
    padded = np.pad(picture.astype(np.float64), 2)
    rows, columns = picture.shape
    parts = [kernel[i, j] * padded[i : i + rows, j : j + columns] for i in range(5) for j in range(5)]
    return np.sum(parts, axis=0)


def test_filters_by_hand(found):
    found = found[0]
    for kernel, filtered in zip(found["weights"], found["filtered"], strict=True):
        np.testing.assert_allclose(filtered, window_sums(found["picture"], kernel[0]), rtol=1e-4, atol=1e-5)
    blur, _, lying = found["filtered"]
    assert blur.std() < found["picture"].std() and blur.mean() == pytest.approx(found["picture"].mean(), rel=0.01)
    # A picture on its side has standing edges where lying ones were.
    np.testing.assert_allclose(window_sums(found["picture"].T, found["weights"][1, 0]).T, lying, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["moved"], blur - 0.5, atol=1e-6)


def test_the_convolutional_net_is_the_same_net(found):
    found, out = found
    assert found["by_full_conv"].shape == (64, 10, 1, 1) and found["difference"] < 1e-5
    assert found["accuracy"] > 0.95
    # It was saved, and is found by name again.
    again = caffe.Net(
        str(found["HERE"] / "lenet_full_conv.prototxt"), caffe.TEST, weights=str(out / "lenet_full_conv.caffemodel")
    )
    for new, old in (("ip1-conv", "ip1"), ("ip2-conv", "ip2"), ("conv1", "conv1")):
        for one, other in zip(again.params[new], found["lenet"].params[old], strict=True):
            np.testing.assert_array_equal(one.data.ravel(), other.data.ravel())


def test_the_map_of_scores_is_a_window_that_slides(found):
    found, out = found
    assert found["scores"].shape == (10, 29, 29) and found["map_difference"] < 1e-5
    np.testing.assert_allclose(found["scores"].sum(axis=0), 1, rtol=1e-5)
    right = [found["found"][spot] == found["labels"][i] for spot, i in found["spots"].items()]
    assert len(right) == 8 and sum(right) >= 7
    assert_pictures(out, "filters_random.png", "filters_by_hand.png", "score_map.png")


def test_what_to_run_without_weights(tmp_path):
    with pytest.raises(
        SystemExit, match=r"nothing\.caffemodel is missing: run \./examples/mnist/train_lenet\.sh first"
    ):
        run_example("net_surgery/net_surgery.py", tmp_path, "--weights", tmp_path / "nothing.caffemodel")
