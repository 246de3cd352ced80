"""install_as_caffe: `import caffe` in all its forms gives minicaffe's own modules."""

import importlib
import importlib.util
import pickle
import subprocess
import sys
import threading
import types

import pytest

import minicaffe
from minicaffe.pycaffe.alias import FINDER

FORMS = """
import caffe, caffe.io, caffe.layers.relu
assert caffe is minicaffe and caffe.io is minicaffe.io and caffe.layers.relu is minicaffe.layers.relu
import caffe.proto.caffe_pb2 as pb
from caffe.proto import caffe_pb2
assert pb is caffe_pb2 is minicaffe.proto.caffe_pb2
from caffe.pycaffe import Net, SGDSolver
from caffe._caffe import Blob, Layer
assert (Net, SGDSolver, Layer) == (caffe.Net, caffe.SGDSolver, caffe.Layer)
from caffe import TEST, layers as L, log
assert L is caffe.layers and TEST == 1 and log is caffe.log
"""


@pytest.fixture
def no_caffe(monkeypatch):
    """As before the first install; and so it is afterwards."""
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if finder is not FINDER])
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "caffe"}
    for name in before:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "caffe"]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def alias(no_caffe):
    minicaffe.install_as_caffe()


def test_all_forms_of_import(alias):
    exec(FORMS, {"minicaffe": minicaffe})


def test_twice_is_once(alias):
    minicaffe.install_as_caffe()
    import caffe

    minicaffe.install_as_caffe()
    assert sys.meta_path.count(FINDER) == 1
    assert caffe is minicaffe


def test_modules_keep_their_names_and_specs(alias):
    import caffe.io

    assert (caffe.__name__, caffe.__spec__.name) == ("minicaffe", "minicaffe")
    assert (caffe.io.__name__, caffe.io.__spec__.name) == ("minicaffe.io", "minicaffe.io")
    assert type(caffe.io.__spec__.loader).__name__ == "SourceFileLoader"


def test_reload(alias):
    import caffe
    from caffe.proto import caffe_pb2

    message, net_class = caffe_pb2.NetParameter(name="n"), caffe.Net
    assert importlib.reload(caffe) is minicaffe
    assert importlib.reload(caffe_pb2) is minicaffe.proto.caffe_pb2
    assert importlib.reload(caffe.log) is minicaffe.log
    assert isinstance(message, caffe_pb2.NetParameter)
    assert caffe.Net is net_class


def test_pickles_of_caffes(alias):
    """Written where messages came from the module caffe.proto.caffe_pb2."""
    from caffe.proto import caffe_pb2

    message = caffe_pb2.LayerParameter(name="conv1", type="Convolution")
    written = pickle.dumps(message, protocol=0)
    assert b"minicaffe.proto.caffe_pb2" in written
    assert pickle.loads(written.replace(b"minicaffe.proto", b"caffe.proto")) == message
    assert pickle.loads(written) == message


@pytest.mark.parametrize("name", ["caffe.segmenter", "caffe.proto.nothing", "caffe.errors.inner"])
def test_what_is_not_there(alias, name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'") as caught:
        importlib.import_module(name)
    assert caught.value.name == name
    assert name not in sys.modules


def test_finding_imports_nothing(alias):
    spec = importlib.util.find_spec("caffe.tools.plot_log")
    assert (spec.name, spec.submodule_search_locations) == ("caffe.tools.plot_log", None)
    assert "caffe.tools.plot_log" not in sys.modules
    assert importlib.util.find_spec("caffeine") is None


def test_another_caffe_imported_before(no_caffe, monkeypatch):
    other = types.ModuleType("caffe")
    other.__file__ = "/opt/caffe/python/caffe/__init__.py"
    monkeypatch.setitem(sys.modules, "caffe", other)
    with pytest.raises(
        ImportError, match=r"another caffe .* from /opt/caffe/python/caffe/__init__\.py; call minicaffe"
    ):
        minicaffe.install_as_caffe()
    assert FINDER not in sys.meta_path


def test_it_comes_before_a_caffe_on_the_path(alias, tmp_path, monkeypatch):
    (tmp_path / "caffe").mkdir()
    (tmp_path / "caffe" / "__init__.py").write_text("raise ImportError('not built')")
    monkeypatch.syspath_prepend(tmp_path)
    import caffe

    assert caffe is minicaffe


def test_minicaffe_put_under_that_name_by_hand(no_caffe, monkeypatch):
    monkeypatch.setitem(sys.modules, "caffe", minicaffe)
    minicaffe.install_as_caffe()
    assert importlib.import_module("caffe.layers") is minicaffe.layers


def test_threads_that_import_at_once(alias):
    names = ["caffe", "caffe.io", "caffe.layers.relu", "caffe.proto.caffe_pb2"] * 8
    found, start = [], threading.Barrier(len(names))

    def work(name):
        start.wait()
        found.append((name, importlib.import_module(name)))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(names)
    assert all(module is sys.modules[f"mini{name}"] for name, module in found)


def test_no_type_registers_twice_in_a_fresh_process():
    """A second copy of a layer's module would fail to register its type."""
    code = (
        "import minicaffe; minicaffe.install_as_caffe(); import caffe, caffe.layers.convolution as c;"
        "assert c is minicaffe.layers.convolution; assert len(caffe.layer_type_list()) > 60"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_log_follows_the_environment_at_the_first_import(alias, monkeypatch, capsys):
    """os.environ["GLOG_minloglevel"] = "2"; import caffe: as old scripts begin."""
    before = minicaffe.log.set_level(minicaffe.log.INFO)
    monkeypatch.setenv("GLOG_minloglevel", "2")
    import caffe

    caffe.log("silenced")
    caffe.log.error("heard")
    monkeypatch.undo()
    minicaffe.log.follow_environment()
    minicaffe.log.set_level(before)
    assert "silenced" not in (said := capsys.readouterr().err)
    assert "heard" in said
