"""Python layers: their protocol, their parameters, shapes that change, whose exceptions arrive, and consent."""

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import python_layers
from net_kit import inner_product, inputs, kit, layer, make_net, refused, set_blobs  # noqa: F401

import minicaffe as caffe
from minicaffe.blob_vec import BlobVec
from minicaffe.errors import FormatError, GraphError, MinicaffeError, ParamError, ShapeError
from minicaffe.layers import consent

MODULE = python_layers.__name__
pytestmark = pytest.mark.usefixtures("kit")


def python(name, bottom, top, kind, param_str="", module=MODULE, more=""):
    settings = f'python_param {{ module: "{module}" layer: "{kind}" param_str: "{param_str}" }}'
    return layer(name, "Python", bottom, top, f"{settings} {more}")


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Call it with a module's name and text: it then lies on Python's path, and is forgotten when the test ends."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


# --- the protocol --------------------------------------------------------------------------------------


def test_three_times_ten(backend, rng):
    text = "force_backward: true " + inputs("x", shape=(2, 3))
    chain = [("one", "x", "a"), ("two", "a", "b"), ("three", "b", "c")]
    net = make_net(text + "".join(python(*names, "Affine", "10,0") for names in chain))
    x = set_blobs(net, rng)["x"]
    np.testing.assert_allclose(net.forward()["c"], 1000 * x, rtol=1e-5)
    dy = rng.normal(size=(2, 3))
    np.testing.assert_allclose(net.backward(c=dy)["x"], 1000 * dy, rtol=1e-5)


def test_reshaping_the_input_reaches_every_blob():
    net = make_net(inputs("x") + python("a", "x", "y", "Affine", "1,0") + python("b", "y", "z", "Affine", "1,0"))
    for shape in ((5, 3), (2, 4, 4, 5), ()):
        net.blobs["x"].reshape(*shape)
        net.forward()
        assert [blob.shape for blob in net.blobs.values()] == [shape] * 3


def test_gradients_through_shapes_that_change(rng):
    """Between iterations the batch grows, shrinks, and grows beyond what it ever was."""
    text = "force_backward: true " + inputs("x", shape=(2, 3)) + python("w", "x", "y", "Weighted")
    net = make_net(
        text + python("a", "y", "z", "Affine", "2,1") + layer("l", "TestSumOfSquares", "z", "l", "loss_weight: 1")
    )
    w = net.params["w"][0].data
    w[...] = [1, 2, 3]
    for batch in (2, 5, 1, 9):
        net.blobs["x"].reshape(batch, 3)
        x = rng.normal(size=(batch, 3))
        net.clear_param_diffs()
        z = 2 * w * x + 1
        np.testing.assert_allclose(net.forward(x=x)["l"], (z**2).sum(), rtol=1e-5)
        np.testing.assert_allclose(net.backward()["x"], 4 * z * w, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(net.params["w"][0].diff, (4 * z * x).sum(0), rtol=1e-4, atol=1e-4)


def test_any_number_of_bottoms_and_tops(rng):
    net = make_net(inputs("x", "z") + python("p", "x z", "a b", "Affine", "3,1"))
    values = set_blobs(net, rng)
    found = net.forward()
    for name, top in (("x", "a"), ("z", "b")):
        np.testing.assert_allclose(found[top], 3 * values[name] + 1, rtol=1e-5, atol=1e-6)


def test_in_place(rng):
    net = make_net("force_backward: true " + inputs("x") + python("p", "x", "x", "Affine", "3,1"))
    x = set_blobs(net, rng)["x"]
    np.testing.assert_allclose(net.forward()["x"], 3 * x + 1, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_phase_and_tops_that_grow(phase):
    """A source of data that reshapes its top as it goes on, and a reader that follows."""
    net = make_net(python("c", "", "n", "Counter") + layer("r", "ReLU", "n", "m"), phase)
    for turn in (1, 2, 3):
        np.testing.assert_array_equal(net.forward()["m"], [[phase, turn]] * turn)


def test_the_phase_of_the_layer_itself_wins():
    net = make_net(python("c", "", "n", "Counter", more="phase: TEST"), caffe.TRAIN)
    assert net.forward()["n"].tolist() == [[caffe.TEST, 1]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_the_users_code_sees(backend, monkeypatch, dtype):
    """Blobs in C order, of the net's precision, however large the batch; flags; strings."""
    seen = []

    def look(self, bottom, top):
        seen.append((type(self.param_str), self.param_str, self.phase, self.type, len(bottom), len(top)))
        seen.append((bottom[0].data.flags.c_contiguous, bottom[0].data.dtype, bottom[0].shape))
        Affine.kept(self, bottom, top)

    Affine = python_layers.Affine
    monkeypatch.setattr(Affine, "kept", Affine.forward, raising=False)
    monkeypatch.setattr(Affine, "forward", look)
    net = make_net(inputs("x", shape=(32, 2, 4, 5)) + python("p", "x", "y", "Affine", "1,2"), caffe.TEST, dtype=dtype)
    net.forward()
    assert seen == [(str, "1,2", 1, "Python", 1, 1), (True, dtype, (32, 2, 4, 5))]


def test_a_loss(rng):
    weight = 2.5
    text = "force_backward: true " + inputs("x", "z", shape=(3, 4))
    net = make_net(text + python("l", "x z", "loss", "SquaredDistance", more=f"loss_weight: {weight}"))
    values = set_blobs(net, rng)
    difference = values["x"] - values["z"]
    assert net.run_forward() == pytest.approx(weight * (difference**2).sum() / 6, rel=1e-5)
    net.backward()
    np.testing.assert_allclose(net.blobs["x"].diff, weight * difference / 3, rtol=1e-5)
    np.testing.assert_allclose(net.blobs["z"].diff, -weight * difference / 3, rtol=1e-5)


def test_no_loss_by_itself(rng):
    net = make_net(inputs("x", "z") + python("l", "x z", "loss", "SquaredDistance"))
    assert net.run_forward() == 0 and net.blob_loss_weights["loss"] == 0


def test_a_backward_that_nobody_runs_may_be_missing():
    net = make_net(inputs("x") + python("p", "x", "y", "Forgetful"))
    net.forward()
    net.backward()


def test_scripts_reach_the_users_own_object(rng):
    net = make_net(inputs("x") + python("p", "x", "y", "Affine", "1,0"))
    assert type(net.layers[1]) is python_layers.Affine and net.layer_dict["p"] is net.layers[1]
    net.layers[1].a = 7
    x = set_blobs(net, rng)["x"]
    np.testing.assert_allclose(net.forward()["y"], 7 * x, rtol=1e-6)


def test_the_older_name_of_param_str():
    net = make_net(inputs("x") + python("p", "x", "y", "Affine", "1,0"))
    assert net.layers[1].param_str_ == net.layers[1].param_str == "1,0"
    assert caffe.Layer.param_str_ == caffe.Layer.param_str == ""


def test_blobs_are_walked_through_in_a_for_loop():
    """Which raises TypeError in pycaffe: Affine does it in each of its methods."""
    net = make_net("force_backward: true " + inputs("x", "z") + python("p", "x z", "a b", "Affine", "3,1"))
    net.forward(x=np.ones((2, 3)), z=np.zeros((2, 3)))
    assert (net.backward(a=np.ones((2, 3)), b=np.ones((2, 3)))["x"] == 3).all()


def test_a_reshape_that_is_missing():
    text = 'is "NoReshape", a class without a method reshape, which this net calls: add one'
    refused(GraphError, inputs("x") + python("p", "x", "y", "NoReshape"), 'layer "p" (Python)', text)


def test_a_layer_that_no_net_has_made():
    with pytest.raises(NotImplementedError, match="Affine has no reshape: give every top its shape there"):
        super(python_layers.Affine, python_layers.Affine()).reshape([], [])
    with pytest.raises(AttributeError, match="this Affine has no blobs: a net gives them to the layers that it makes"):
        _ = python_layers.Affine().blobs


def test_what_is_read_only_in_pycaffe_is_read_only_here():
    net = make_net(inputs("x") + python("p", "x", "y", "Affine", "1,0"))
    for name in ("blobs", "type"):
        with pytest.raises(AttributeError):
            setattr(net.layer_dict["p"], name, None)


# --- parameters ----------------------------------------------------------------------------------------


def weighted(more=""):
    return inputs("x", shape=(2, 3)) + python("w", "x", "y", "Weighted", more=more)


def test_a_parameter_is_learned_like_any_other(backend, rng):
    loss = layer("l", "TestSumOfSquares", "y", "l", "loss_weight: 1")
    net = make_net(weighted("param { lr_mult: 2 decay_mult: 3 }") + loss)
    assert isinstance(net.params["w"], BlobVec) and net.params["w"][0].data.tolist() == [0.5] * 3
    assert net.params_lr == [2] and net.params_decay == [3] and len(net.learnable_params) == 1
    x = set_blobs(net, rng)["x"]
    for times in (1, 2):
        net.forward()
        net.backward()
        np.testing.assert_allclose(net.params["w"][0].diff, times * (x**2).sum(0), rtol=1e-4)
    net.clear_param_diffs()
    assert not net.params["w"][0].diff.any()


def test_parameter_gradients_are_those_of_differences(rng):
    net = make_net(weighted() + layer("l", "TestSumOfSquares", "y", "l", "loss_weight: 1"), dtype="float64")
    set_blobs(net, rng)
    w, step = net.params["w"][0], 1e-5
    net.forward()
    net.backward()
    for channel in range(3):
        sides = []
        for sign in (1, -1):
            w.data[channel] += sign * step
            sides.append(net.run_forward())
            w.data[channel] -= sign * step
        assert w.diff[channel] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


def test_saved_and_loaded(tmp_path, rng):
    one, other = (make_net(weighted()) for _ in range(2))
    one.params["w"][0].data[...] = [1, 2, 3]
    one.save(tmp_path / "w.caffemodel")
    other.copy_from(tmp_path / "w.caffemodel")
    assert other.params["w"][0].data.tolist() == [1, 2, 3]


def test_shared_with_another_net():
    one, other = (make_net(weighted()) for _ in range(2))
    other.share_with(one)
    one.params["w"][0].data[...] = 9
    assert other.params["w"][0].data.tolist() == [9] * 3


def test_shared_with_another_layer(rng):
    text = inputs("x", shape=(2, 3)) + python("a", "x", "y", "Weighted", more='param { name: "w" }')
    net = make_net("force_backward: true " + text + python("b", "y", "z", "Weighted", more='param { name: "w" }'))
    x = set_blobs(net, rng)["x"]
    net.params["a"][0].data[...] = [1, 2, 3]
    np.testing.assert_allclose(net.forward()["z"], x * np.array([1, 4, 9]), rtol=1e-5)
    net.backward(z=np.ones((2, 3)))
    np.testing.assert_allclose(net.params["b"][0].diff, 2 * x.sum(0) * [1, 2, 3], rtol=1e-4)


def test_values_in_the_message_come_before_what_setup_adds():
    net = make_net(weighted("blobs { shape { dim: 3 } data: [1, 2, 4] }"))
    assert [blob.data.tolist() for blob in net.params["w"]] == [[0.5] * 3, [0] * 3]
    assert not net.graph.layers[1].layer_param.blobs


def test_values_in_the_message_that_do_not_fit_their_shape():
    good, bad = "blobs { shape { dim: 1 } data: 1 }", "blobs { shape { dim: 3 } data: [1, 2] }"
    place = 'layer "w" (Python): blobs[1] cannot be used'
    error = refused(FormatError, weighted(f"{good} {bad}"), place, "has 2 values")
    assert (error.field, error.layer, error.line) == ("blobs[1]", "w", 2)


def test_training_with_one_falls(rng):
    """The blob that setup made, and the arrays that the solver moves it into, are one."""
    net = make_net(weighted() + layer("l", "TestSumOfSquares", "y", "l", "loss_weight: 1"))
    set_blobs(net, rng)
    losses = []
    for _ in range(5):
        losses.append(net.run_forward())
        net.clear_param_diffs()
        net.run_backward()
        net.param_data[...] -= 0.05 * net.param_diffs
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2


# --- state ---------------------------------------------------------------------------------------------


def test_state_goes_with_a_snapshot():
    one, other = (make_net(python("c", "", "n", "Counter")) for _ in range(2))
    one.forward()
    one.forward()
    assert one.state()["layers"] == {"c": {"count": 2}}
    other.restore(one.state())
    assert other.forward()["n"].tolist() == [[caffe.TRAIN, 3]] * 3


def test_an_attribute_of_that_name_is_no_state():
    assert make_net(inputs("x") + python("p", "x", "y", "Forgetful")).state()["layers"] == {}


# --- exceptions ----------------------------------------------------------------------------------------


def run(net):
    net.forward()
    net.backward()


@pytest.mark.parametrize("kind", python_layers.FAULTS)
@pytest.mark.parametrize("method", ["setup", "reshape", "forward", "backward"])
def test_the_users_exception_arrives_as_itself(method, kind):
    text = "force_backward: true " + inputs("x") + python("p", "x", "y", "Faulty", f"{method} {kind}")
    with pytest.raises(python_layers.FAULTS[kind]) as caught:
        run(make_net(text))
    assert type(caught.value) is python_layers.FAULTS[kind]


def test_what_minicaffe_finds_wrong_names_the_layer():
    words = ['layer "p" (Python)', "1048576 1048576", "4398046511104 bytes"]
    error = refused(ShapeError, inputs("x") + python("p", "x", "y", "TooLarge"), *words)
    assert error.file == "net.prototxt" and error.line == 2


# --- consent -------------------------------------------------------------------------------------------

SPY = "import minicaffe as caffe\nopen({!r}, 'w').close()\nclass Spy(caffe.Layer):\n    def reshape(self, b, t): pass\n"


@pytest.fixture
def spy(user_module, tmp_path, monkeypatch):
    """A module that leaves a file behind when it is imported."""
    monkeypatch.delenv(consent.ENVIRONMENT, raising=False)
    user_module("a_spy", SPY.format(str(tmp_path / "ran")))
    return tmp_path / "ran"


SPIED = inputs("x") + python("p", "x", "", "Spy", module="a_spy")


def test_nothing_is_imported_because_a_prototxt_says_so(spy):
    error = refused(ParamError, SPIED, 'is "a_spy"', "--python-layer a_spy", "MINICAFFE_PYTHON_LAYERS=a_spy")
    assert not spy.exists() and "a_spy" not in sys.modules
    assert (error.field, error.line) == ("python_param.module", 2)


@pytest.mark.parametrize("value", ["a_spy", "*", "other,a_spy", " other , a_spy ", "other,*"])
def test_the_environment_consents(spy, monkeypatch, value):
    monkeypatch.setenv(consent.ENVIRONMENT, value)
    make_net(SPIED)
    assert spy.exists()


@pytest.mark.parametrize("value", ["", "other", "a_sp", "a_spy.part", ","])
def test_the_environment_names_another_module(spy, monkeypatch, value):
    monkeypatch.setenv(consent.ENVIRONMENT, value)
    refused(ParamError, SPIED, 'is "a_spy"')
    assert not spy.exists()


def test_a_module_that_the_program_imported_is_allowed(spy):
    import a_spy  # noqa: F401

    make_net(SPIED)


SCRIPT = """
import minicaffe as caffe
print("runs")
class Mine(caffe.Layer):
    def reshape(self, bottom, top): top[0].reshape(7)
    def forward(self, bottom, top): top[0].data[...] = 3
net = caffe.Net("net.prototxt", caffe.TEST)
print(net.forward()["y"].sum(), type(net.layers[0]) is Mine)
"""


def test_the_script_itself_counts_as_imported_and_runs_once(tmp_path, monkeypatch):
    """Python calls it __main__; a prototxt calls it as other programs would import it."""
    monkeypatch.delenv(consent.ENVIRONMENT, raising=False)
    (tmp_path / "my_training.py").write_text(SCRIPT)
    (tmp_path / "net.prototxt").write_text(python("p", "", "y", "Mine", module="my_training"))
    command = [sys.executable, "my_training.py"]
    root = str(Path(caffe.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root, "GLOG_minloglevel": "2"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["runs", "21.0 True"], done.stderr


@pytest.mark.parametrize(
    "spec, file, name",
    [
        (None, "/home/me/train.py", "train"),
        (ModuleSpec("tools.train", None), "/home/me/tools/train.py", "tools.train"),
        (None, None, ""),
    ],
)
def test_what_the_program_is_called(spec, file, name):
    main = ModuleType("__main__")
    main.__spec__ = spec
    if file:
        main.__file__ = file
    assert consent.name_of_script(main) == name


def test_a_class_that_the_script_does_not_have(monkeypatch):
    main = ModuleType("__main__")
    main.__file__, main.Other = "/home/me/my_training.py", python_layers.Affine
    monkeypatch.setitem(sys.modules, "__main__", main)
    text = inputs("x") + python("p", "x", "y", "Mine", module="my_training")
    refused(ParamError, text, "cannot import name 'Mine' from 'my_training'; its layers are Other")


def test_consent_ends_with_the_command(spy):
    with consent.naming_modules(["other", "a_spy"]):
        make_net(SPIED)
    del sys.modules["a_spy"]
    refused(ParamError, SPIED, 'is "a_spy"')


def test_a_registered_class_needs_no_module(monkeypatch):
    monkeypatch.setattr(consent, "_registered", {})

    @caffe.register_python_layer
    class Mine(python_layers.Affine):
        pass

    assert caffe.register_python_layer(Mine, "no_such_module", "Name") is Mine
    assert type(make_net(inputs("x") + python("p", "x", "y", "Mine", "1,0", __name__)).layers[1]) is Mine
    assert type(make_net(inputs("x") + python("p", "x", "y", "Name", "1,0", "no_such_module")).layers[1]) is Mine
    refused(ParamError, inputs("x") + python("p", "x", "y", "Other", "1,0", "no_such_module"), 'is "no_such_module"')


def test_a_module_that_makes_names_is_asked_only_if_it_was_named(monkeypatch):
    text = inputs("x") + python("p", "x", "y", "Lazy", "1,0")
    refused(ParamError, text, 'is "Lazy"')
    monkeypatch.setenv(consent.ENVIRONMENT, MODULE)
    make_net(text)


# --- modules that are no good --------------------------------------------------------------------------


def named(module):
    with consent.naming_modules([module]):
        return refused(ParamError, inputs("x") + python("p", "x", "y", "L", module=module), f'is "{module}"')


def test_a_module_that_is_not_there():
    error = named("no_such_module")
    assert isinstance(error.__cause__, ImportError) and isinstance(error, MinicaffeError)
    assert (error.field, error.line, error.layer) == ("python_param.module", 2, "p")
    assert "No module named 'no_such_module'" in str(error) and "PYTHONPATH=FOLDER" in str(error)


def test_a_module_that_imports_what_is_not_there(user_module):
    error = named(user_module("wants_more", "import nobody_has_this"))
    assert "No module named 'nobody_has_this'" in str(error)


def test_a_module_that_imports_caffe(user_module, monkeypatch):
    monkeypatch.setitem(sys.modules, "caffe", None)
    assert "import minicaffe as caffe" in str(named(user_module("of_old", "import caffe")))


def test_a_class_that_is_not_there(user_module):
    module = user_module("has_another", "import minicaffe as caffe\nclass Another(caffe.Layer): pass\n")
    with consent.naming_modules([module]):
        error = refused(ParamError, inputs("x") + python("p", "x", "y", "L", module=module), 'is "L"', "Another")
    assert isinstance(error.__cause__, ImportError) and error.field == "python_param.layer"


def test_a_module_with_a_fault_of_its_own(user_module):
    module = user_module("divides", "1 / 0")
    with consent.naming_modules([module]), pytest.raises(ZeroDivisionError):
        make_net(inputs("x") + python("p", "x", "y", "L", module=module))


def test_a_net_of_both_kinds_of_layers(rng):
    """A Python layer between built-in ones, with the batch innermost around it."""
    text = "force_backward: true " + inputs("x", shape=(32, 2, 4, 5)) + layer("r", "ReLU", "x", "a")
    net = make_net(text + python("p", "a", "b", "Affine", "2,1") + inner_product("ip", "b", "y", 3))
    x = set_blobs(net, rng)["x"]
    weight, bias = (blob.data for blob in net.params["ip"])
    expected = (2 * np.maximum(x, 0) + 1).reshape(32, -1) @ weight.T + bias
    np.testing.assert_allclose(net.forward()["y"], expected, rtol=1e-3, atol=1e-4)
    dy = rng.normal(size=(32, 3))
    dx = 2 * (dy @ weight).reshape(x.shape) * (x > 0)
    np.testing.assert_allclose(net.backward(y=dy)["x"], dx, rtol=1e-3, atol=1e-4)
