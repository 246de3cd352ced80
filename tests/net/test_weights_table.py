"""WeightsTable: what loading weights tells, and what it leaves alone when asked to."""

import os

import h5py
import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net

import minicaffe as caffe
from minicaffe.errors import ParamError, ShapeError
from minicaffe.net.summary import read_summary
from minicaffe.net.weights_table import Row, WeightsTable

OLD = (
    inputs("x")
    + inner_product("a", "x", "y", 4)
    + inner_product("b", "y", "z", 20)
    + inner_product("c", "z", "w", 3)
    + inner_product("gone", "w", "v", 5)
)
# a fits; b has another shape and c another shape of its weight alone; d is new, and one layer has no parameters.
NEW = (
    inputs("x")
    + inner_product("a", "x", "y", 4)
    + inner_product("b", "y", "z", 10)
    + inner_product("c", "z", "w", 3)
    + layer("r", "ReLU", "w", "w")
    + inner_product("d", "w", "v", 6)
)
SHAPES = {"a": [(4, 3), (4,)], "b": [(10, 4), (10,)], "c": [(3, 10), (3,)], "d": [(6, 3), (6,)]}
STORED = {"b": [(20, 4), (20,)], "c": [(3, 20), (3,)], "gone": [(5, 3), (5,)]}


@pytest.fixture(params=["binary", "hdf5"])
def path(request, tmp_path):
    """The weights of OLD in a file of either kind."""
    net, path = make_net(OLD, seed=5), tmp_path / "old.weights"
    (net.save if request.param == "binary" else net.save_hdf5)(path)
    return path


def values(net):
    return {name: [np.array(blob.data) for blob in blobs] for name, blobs in net.params.items()}


def listed(rows):
    return [(row.layer, list(row.shapes), list(row.stored)) for row in rows]


def check_rows(table, where):
    assert isinstance(table, WeightsTable) and table.path == str(where)
    assert listed(table.copied) == [("a", SHAPES["a"], SHAPES["a"])]
    assert listed(table.skipped) == [("d", SHAPES["d"], [])]
    assert listed(table.mismatched) == [(name, SHAPES[name], STORED[name]) for name in "bc"]
    assert listed(table.unused) == [("gone", [], STORED["gone"])]
    assert [row.count for row in (*table.copied, *table.mismatched, *table.unused)] == [16, 50, 33, 20]


def test_what_does_not_fit_may_be_left_as_it_is(path, logged):
    net, old = make_net(NEW, seed=6), make_net(OLD, seed=5)
    before = values(net)
    logged()
    table = net.copy_from(path, mismatched="skip")
    check_rows(table, path)
    after = values(net)
    for name in "bcd":
        for one, other in zip(after[name], before[name], strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(after["a"][0], old.params["a"][0].data)
    lines = [line for line in logged() if not line.startswith("Ignoring source layer")]
    assert lines == [
        f"{path}: copied 1 layer (16 values), skipped 1, mismatched 2, unused 1",
        "  skipped     d     6x3 + 6    24  not in the file, keeps its values",
        "  mismatched  b     10x4 + 10  50  in the file 20x4 + 20, keeps its values",
        "  mismatched  c     3x10 + 3   33  in the file 3x20 + 3, keeps its values",
        "  unused      gone  5x3 + 5    20  not in the net",
    ]


def test_by_default_nothing_is_copied_then_and_all_are_named(path, logged):
    net = make_net(NEW, seed=6)
    before = values(net)
    logged()
    with pytest.raises(ShapeError) as caught:
        net.copy_from(path)
    text = str(caught.value)
    assert text.startswith('net.prototxt:3: layer "b" (InnerProduct): Cannot ') and "shape mismatch" in text
    assert (
        'leave out what does not fit: mismatched="skip". Nor do these layers fit: c (3x10 + 3, source 3x20 + 3)' in text
    )
    check_rows(caught.value.table, path)
    assert all(np.array_equal(*two) for name in before for two in zip(before[name], values(net)[name], strict=True))
    assert all(line.startswith("Ignoring source layer") for line in logged()), "a table would say that a was copied"


def test_one_line_where_all_is_well(path, logged):
    net = make_net(OLD, seed=6)
    logged()
    table = net.copy_from(path)
    lines = [line for line in logged() if not line.startswith("Ignoring")]
    assert lines == [f"{path}: copied 4 layers (199 values)"] == [table.title()]
    assert [row.layer for row in table.copied] == ["a", "b", "c", "gone"]
    assert not (table.skipped or table.mismatched or table.unused)


def test_the_path_may_be_any_that_python_takes(path):
    for given in (path, str(path), os.fsencode(path)):
        assert make_net(OLD).copy_from(given).path == str(path)


def test_a_net_is_made_with_its_weights_and_the_log_tells(tmp_path, logged):
    (tmp_path / "net.prototxt").write_text(OLD)
    make_net(OLD).save(tmp_path / "w")
    logged()
    caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST, weights=str(tmp_path / "w"))
    assert logged()[-1] == f"{tmp_path}/w: copied 4 layers (199 values)"


def test_load_hdf5_takes_the_same_choice(tmp_path):
    make_net(OLD).save_hdf5(tmp_path / "w.h5")
    check_rows(make_net(NEW).load_hdf5(tmp_path / "w.h5", mismatched="skip"), tmp_path / "w.h5")


@pytest.mark.parametrize("load", ["copy_from", "load_hdf5"])
def test_there_are_two_choices(path, load):
    with pytest.raises(ParamError, match="mismatched is 'ignore', must be \"error\", to copy nothing"):
        getattr(make_net(NEW), load)(path, "ignore")


def test_another_number_of_blobs_is_a_mismatch(tmp_path):
    one = OLD.replace("num_output: 4", "num_output: 4 bias_term: false", 1)
    make_net(one).save(tmp_path / "w")
    net = make_net(OLD)
    table = net.copy_from(tmp_path / "w", mismatched="skip")
    assert [row.layer for row in table.mismatched] == ["a"] and len(table.copied) == 3
    assert table.mismatched[0].fault == f"Incompatible number of blobs for layer a: {tmp_path}/w has 1, the net 2"


def test_what_a_layer_shares_is_not_skipped(tmp_path):
    """The other layer's parameters came from the file, and they are this one's."""
    text = inputs("x") + "".join(
        inner_product(name, "x", f"y{name}", 4, "param { name: 'w' } param { name: 'v' }") for name in "ab"
    )
    make_net(text.split("\n")[0] + inner_product("a", "x", "y", 4)).save(tmp_path / "w")
    assert make_net(text).copy_from(tmp_path / "w").skipped == []
    make_net(inputs("x") + inner_product("z", "x", "y", 4)).save(tmp_path / "other")
    assert [row.layer for row in make_net(text).copy_from(tmp_path / "other").skipped] == ["a", "b"]


def test_groups_that_nobody_wants_may_be_anything(tmp_path):
    make_net(OLD).save_hdf5(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file["data/text"] = "no layer at all"
        file["data/link"] = h5py.ExternalLink("elsewhere.h5", "/data/a")
        file["data/odd/0"] = h5py.Empty("f")
    table = make_net(OLD).load_hdf5(tmp_path / "w.h5")
    assert listed(table.unused) == [("odd", [], [()])] and len(table.copied) == 4


# --- how it looks ----------------------------------------------------------------------------------

TABLE = WeightsTable(
    "old.caffemodel",
    copied=[Row("conv1", [(20, 1, 5, 5), (20,)], [(20, 1, 5, 5), (20,)])],
    mismatched=[Row("ip<2>", [(10, 500)], [(1000, 500)], "no")],
    unused=[Row("scalar", stored=[()])],
)


def test_the_printed_table():
    assert str(TABLE).splitlines() == [
        "old.caffemodel: copied 1 layer (520 values), mismatched 1, unused 1",
        "              layer   parameters     values",
        "  copied      conv1   20x1x5x5 + 20     520",
        "  mismatched  ip<2>   10x500          5,000  in the file 1000x500, keeps its values",
        "  unused      scalar  1                   1  not in the net",
    ]
    assert repr(TABLE) == "<WeightsTable old.caffemodel: copied 1 layer (520 values), mismatched 1, unused 1>"


def test_a_table_of_nothing():
    assert str(WeightsTable("w")).splitlines()[0] == "w: copied 0 layers (0 values)"


def test_the_table_of_a_notebook():
    found = TABLE._repr_html_()
    assert found.startswith("<table><caption>old.caffemodel: copied") and found.count("<tr>") == 4
    left, right = ('<td style="text-align: left">', '<td style="text-align: right">')
    assert f"{left}ip&lt;2&gt;</td>{left}10x500</td>{right}5,000</td>" in found


def test_a_summary_with_weights_says_nothing(tmp_path, logged):
    (tmp_path / "net.prototxt").write_text(OLD)
    make_net(OLD).save(tmp_path / "w")
    logged()
    read_summary(tmp_path / "net.prototxt", caffe.TEST, weights=tmp_path / "w")
    assert logged() == []
