"""Opening a GPU: what is missing is said, with what to do about it, and devices and threads keep apart."""

import sys
import threading
from types import SimpleNamespace

import fake_cupy
import pytest
from fake_cupy_cuda import CUDARuntimeError, current_device, settings

from minicaffe import backend
from minicaffe.backend.gpu import device
from minicaffe.backend.gpu.update import SGD_UPDATE
from minicaffe.errors import DeviceError, MinicaffeError

TO_THE_CPU = "solver_mode: CPU in the solver file, --gpu none on the command line"


@pytest.fixture(autouse=True)
def nothing_open():
    device._open.cache_clear()
    yield
    device._open.cache_clear()
    backend.set_mode_cpu()
    backend.set_device(0)


def fails_with(device_id=0):
    """The text of the error that set_mode_gpu raises, after which the mode is still CPU."""
    backend.set_device(device_id)
    with pytest.raises(DeviceError) as error:
        backend.set_mode_gpu()
    assert backend.active() is backend.CPU
    text = str(error.value)
    assert text.startswith(f"cannot use GPU {device_id}: ")
    assert TO_THE_CPU in text
    return text


def install(monkeypatch, **runtime):
    """A module `cupy` whose CUDA runtime answers as told."""
    answers = {"driverGetVersion": lambda: 12040, "CUDARuntimeError": CUDARuntimeError, **runtime}
    module = SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(**answers)))
    monkeypatch.setitem(sys.modules, "cupy", module)


def raises(status, text):
    def call():
        raise CUDARuntimeError(status, text)

    return call


def test_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    text = fails_with()
    assert "CuPy is not installed" in text
    assert 'pip install "minicaffe[cuda12x]"' in text and '"minicaffe[cuda13x]"' in text


@pytest.mark.parametrize(
    "line, said",
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "ImportError: libcudart.so.12"),
        ("raise OSError('\\n====\\nsecond line')", "OSError: second line"),
        ("import a_module_that_cupy_needs", "ModuleNotFoundError: No module named 'a_module_that_cupy_needs'"),
    ],
)
def test_cupy_does_not_import(monkeypatch, tmp_path, line, said):
    (tmp_path / "cupy.py").write_text(line)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    text = fails_with()
    assert f"CuPy is installed but does not import: {said}" in text
    assert "install it anew" in text and "minicaffe[cuda12x]" in text


def test_no_driver(monkeypatch):
    install(monkeypatch, driverGetVersion=lambda: 0)
    assert "no NVIDIA driver was found; install one" in fails_with()


def test_old_driver(monkeypatch):
    install(monkeypatch, getDeviceCount=raises(35, "cudaErrorInsufficientDriver"))
    assert "the driver offers CUDA 12.4, too old for the CuPy installed; update the driver" in fails_with()


def test_another_error_of_cuda(monkeypatch):
    install(monkeypatch, getDeviceCount=raises(999, "cudaErrorUnknown: unknown error"))
    assert "CUDA does not start: cudaErrorUnknown: unknown error" in fails_with()


@pytest.mark.parametrize("count", [lambda: 0, raises(100, "cudaErrorNoDevice")])
def test_no_gpu(monkeypatch, count):
    install(monkeypatch, getDeviceCount=count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "the driver shows no GPU; use the CPU" in fails_with()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "the driver shows no GPU (CUDA_VISIBLE_DEVICES is '-1')" in fails_with()


@pytest.mark.parametrize("device_id", [2, 17, -1])
def test_no_gpu_of_that_number(monkeypatch, device_id):
    install(monkeypatch, getDeviceCount=lambda: 2)
    assert "this machine has 2 GPUs, numbered 0 to 1" in fails_with(device_id)
    install(monkeypatch, getDeviceCount=lambda: 1)
    assert "this machine has 1 GPU, number 0" in fails_with(device_id)


def test_a_library_is_missing(monkeypatch, fake_gpu):
    def no_nvrtc(*args):
        raise RuntimeError("libnvrtc.so.12: cannot open shared object file")

    backend.set_mode_cpu()
    SGD_UPDATE.compiled.clear()
    monkeypatch.setattr(fake_cupy, "RawKernel", no_nvrtc)
    text = fails_with(1)
    assert "a trial computation failed: RuntimeError: libnvrtc.so.12" in text
    assert "minicaffe[cuda12x]" in text


def test_errors_are_minicaffe_errors_and_keep_their_cause(monkeypatch):
    install(monkeypatch, getDeviceCount=raises(999, "cudaErrorUnknown"))
    with pytest.raises(MinicaffeError) as error:
        device.open_gpu(0)
    assert isinstance(error.value.__cause__, CUDARuntimeError)


def test_a_failure_is_not_remembered(fake_gpu):
    settings.device_count = 1
    with pytest.raises(DeviceError, match="this machine has 1 GPU, number 0"):
        device.open_gpu(1)
    settings.device_count = 2
    assert device.open_gpu(1).name == "gpu:1"


def test_each_device_is_opened_once_and_selected_every_time(fake_gpu):
    assert fake_gpu.is_gpu and fake_gpu.name == "gpu:0" and fake_gpu.xp is fake_cupy
    assert fake_gpu.device_name == "Fake GPU 0"
    second = device.open_gpu(1)
    assert current_device() == 1
    assert device.open_gpu(0) is fake_gpu and current_device() == 0
    assert device.open_gpu(1) is second and current_device() == 1


def test_another_thread_starts_on_the_cpu_and_chooses_for_itself(fake_gpu):
    seen = []

    def work():
        seen.append(backend.active().name)
        backend.set_device(1)
        backend.set_mode_gpu()
        seen.append((backend.active().name, current_device()))
        fake_gpu.select()
        seen.append(current_device())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["cpu", ("gpu:1", 1), 0]
    assert backend.active() is fake_gpu and current_device() == 0


def test_at_work_comes_back_to_the_device_before(fake_gpu):
    backend.set_device(1)
    with fake_gpu.at_work():
        assert current_device() == 0
    assert current_device() == 1


def test_set_device_takes_effect_at_once_in_gpu_mode(fake_gpu):
    backend.set_device(1)
    assert backend.active().name == "gpu:1" and current_device() == 1
