"""Slips of the pen in scripts, and what the errors advise."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from net_kit import inner_product, inputs, make_net

import minicaffe as caffe


@pytest.fixture(scope="module")
def net():
    return make_net(inputs("x", shape=(2, 5)) + inner_product("ip", "x", "y", 4))


@pytest.mark.parametrize(
    "names, wrong, words",
    [
        ("blobs", "yy", "this net has no blob 'yy', but: x, y"),
        ("layer_dict", 0, "this net has no layer 0, but: x, ip"),
        ("params", "x", "this net has no layer with parameters 'x', but: ip"),
    ],
)
def test_a_name_that_is_not_there(net, names, wrong, words):
    found = getattr(net, names)
    with pytest.raises(KeyError) as caught:
        found[wrong]
    assert caught.value.args == (words,)
    assert found.get(wrong) is None and wrong not in found and isinstance(found, OrderedDict)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)), dict.copy])
def test_lists_of_names_may_be_copied(net, copied):
    assert copied(net.top_names) == {"x": ["x"], "ip": ["y"]}


@pytest.mark.parametrize("method", ["forward", "backward", "forward_all", "forward_backward_all"])
@pytest.mark.parametrize("arrays", [np.ones((2, 5)), {"x": np.ones((2, 5))}], ids=["array", "dict"])
def test_arrays_are_handed_over_by_name(net, method, arrays):
    with pytest.raises(TypeError, match=f"not as {type(arrays).__name__}; arrays are handed over by the names"):
        getattr(net, method)(arrays)


@pytest.mark.parametrize("wrong", [3, None, iter([1])])
def test_forward_all_takes_what_has_items(net, wrong):
    with pytest.raises(TypeError, match=f"^'x' is to be an array of items, .* not {type(wrong).__name__}$"):
        net.forward_all(x=wrong)


def test_forward_all_of_nothing():
    with pytest.raises(RuntimeError, match=r"this net has no blobs"):
        make_net("").forward_all(x=np.ones((2, 5)))


def test_a_blob_is_written_into(net):
    with pytest.raises(TypeError, match=r"write into it, blobs\[0\]\.data\[\.\.\.\] = values"):
        net.params["ip"][0] = np.ones((4, 5))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize(
    "of", [lambda net: net, lambda net: net.blobs["x"], lambda net: net.params, lambda net: net.layers]
)
def test_what_belongs_to_a_net_is_not_copied_whole(net, copied, of):
    with pytest.raises(
        TypeError, match=r"^nets, blobs, .* cannot be pickled or copied: take arrays, .* what save wrote$"
    ):
        copied(of(net))


def test_a_net_is_not_copied(net):
    with pytest.raises(TypeError, match=r"^a net cannot be copied: build another of its prototxt, and share_with"):
        copy.copy(net)


def test_weights_in_the_place_of_the_level(tmp_path):
    with pytest.raises(TypeError, match=r"^level must be an integer, not 'a.caffemodel'.*: weights='a.caffemodel'$"):
        caffe.Net("net.prototxt", caffe.TEST, "a.caffemodel")


@pytest.mark.parametrize("make", [lambda: caffe.Net("", caffe.TEST), lambda: caffe.SGDSolver("")])
def test_no_file_name(make):
    with pytest.raises(RuntimeError, match=r"^Could not open file '': this is no file name$"):
        make()


def test_weights_are_one_file(tmp_path):
    (tmp_path / "net.prototxt").write_text("")
    with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object, not list"):
        caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST, weights=["a.caffemodel"])
