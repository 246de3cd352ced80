"""The stand-in for CuPy behaves as CuPy where nets would notice, and refuses what CuPy refuses."""

import inspect
import re

import fake_cupy as cupy
import fake_cupy_array
import numpy as np
import pytest

from minicaffe.backend.memory import HEAD_AT_DEVICE, HEAD_AT_HOST, Storage
from minicaffe.backend.workspace import Workspace


@pytest.fixture
def x(fake_gpu):
    return cupy.asarray(np.arange(6.0).reshape(2, 3))


def test_device_and_host_copies_are_apart(fake_gpu):
    host = np.ones(3)
    there = cupy.asarray(host)
    host[:] = 5
    back = there.get()
    back[:] = 7
    assert there.get().tolist() == [1, 1, 1]
    there.set(host)
    assert there.get(out=back) is back and back.tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, host: x + host,
        lambda x, host: host + x,
        lambda x, host: x.__iadd__(host),
        lambda x, host: cupy.add(x, host),
        lambda x, host: cupy.maximum(x, 0, out=host),
        lambda x, host: np.add(host, x),
        lambda x, host: np.copyto(host, x),
        lambda x, host: cupy.copyto(x, host),
        lambda x, host: x.__setitem__(..., host),
        lambda x, host: np.asarray(x),
        lambda x, host: x.dot(host.T),
        lambda x, host: x[host > 0],
    ],
)
def test_host_and_device_do_not_mix(x, mix):
    with pytest.raises(TypeError):
        mix(x, np.ones((2, 3)))


def test_operators_and_functions(x):
    assert (2 * x - 1).get().tolist() == [[-1, 1, 3], [5, 7, 9]]
    assert (np.float64(2) * x / 2 == x).all()
    assert float(x.sum()) == 15 and isinstance(x.sum(), cupy.ndarray)
    assert x.max(axis=0).get().tolist() == [3, 4, 5]
    assert cupy.where(x > 2, x, 0).get().tolist() == [[0, 0, 0], [3, 4, 5]]
    assert [row.get().tolist() for row in x] == [[0, 1, 2], [3, 4, 5]]


def test_out_gives_the_same_array_back(x):
    out = cupy.empty((2, 3))
    assert cupy.exp(x, out=out) is out
    before = out
    out += 1
    assert out is before
    np.testing.assert_allclose(out.get(), np.exp(x.get()) + 1)


def test_views_share_memory_down_to_one_element(x):
    x.reshape(3, 2)[0] = 9
    x.T[2, 1] = 8
    x[1, 0][...] = 7
    assert x.get().tolist() == [[9, 9, 2], [7, 4, 8]]


@pytest.mark.parametrize(
    "use, said",
    [
        (lambda x: cupy.add(x, x, where=x > 0), "add has no parameter 'where'"),
        (lambda x: x.sum(initial=0), "sum has no parameter 'initial'"),
        (lambda x: cupy.take(x, 0, mode="clip"), "take has no parameter 'mode'"),
        (lambda x: cupy.count_nonzero(x, 0, True), "count_nonzero takes 2 arguments, got 3"),
        (lambda x: cupy.errstate, "no attribute 'errstate'"),
        (lambda x: x.ctypes, "no 'ctypes'"),
        (lambda x: [1, 2, 3][x.sum()], "list indices must be integers"),
    ],
)
def test_what_cupy_lacks_is_refused(x, use, said):
    with pytest.raises((TypeError, AttributeError), match=said):
        use(x)


def test_fresh_memory_is_no_zero(fake_gpu):
    assert np.isnan(cupy.empty((2, 3)).get()).all()
    assert (cupy.empty(4, "int32").get() == -1).all()


def test_devices_do_not_mix(x):
    with cupy.cuda.Device(1):
        with pytest.raises(ValueError, match="an array of device 0 used while device 1 is current"):
            x + 1
        other = cupy.zeros(3)
    assert other.device.id == 1 and x.device.id == 0
    assert x[0].device.id == 0


def test_set_and_get_check_shape_and_dtype(x):
    for wrong in (np.zeros((3, 2)), np.zeros((2, 3), "float32"), [[0] * 3] * 2):
        with pytest.raises(ValueError, match=r"needs a NumPy array of \(2, 3\) and float64"):
            x.set(wrong)
        with pytest.raises(ValueError, match=r"needs a NumPy array"):
            x.get(out=wrong)


def test_storage_moves_between_host_and_device(fake_gpu):
    storage = Storage(fake_gpu, "float32")
    storage.grow(4)
    assert storage.host().tolist() == [0] * 4 and storage.state == HEAD_AT_HOST
    storage.host()[1] = 3
    storage.device()[2] = 5
    assert storage.state == HEAD_AT_DEVICE
    assert storage.host().tolist() == [0, 3, 5, 0]


def test_workspace_lends_device_memory(fake_gpu):
    lent = Workspace(fake_gpu).array("a", (2, 3), "float32")
    assert isinstance(lent, cupy.ndarray) and lent.shape == (2, 3) and lent.flags.c_contiguous


def test_the_table_is_what_cupy_offers():
    real = pytest.importorskip("cupy", reason="CuPy is not installed, to compare the table of its functions with")
    for name, parameters in fake_cupy_array.api().items():
        found = getattr(real.ndarray, name[1:]) if name.startswith(".") else getattr(real, name)
        assert parameters == ["value"] or set(parameters) - {"*x"} <= names(found), name


def names(function) -> set[str]:
    """The parameters of one of CuPy's functions; compiled ones tell them in their docstrings."""
    try:
        parameters = inspect.signature(function).parameters.values()
        return {{2: "*", 4: "**"}.get(parameter.kind, "") + parameter.name for parameter in parameters}
    except (TypeError, ValueError):
        line = function.__doc__.partition("\n")[0]
        return set(re.findall(r"\*{0,2}\w+(?=[,=)\]]|$)", line[line.index("(") :]))
