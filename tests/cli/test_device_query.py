"""minicaffe device_query: Caffe's lines for each GPU; and the flag -gpu of the commands that use one."""

import re

import fake_cupy
import pytest

from minicaffe import backend
from minicaffe.backend.gpu.device import device_count, import_cupy
from minicaffe.cli import device
from minicaffe.cli.device_query import LINES
from minicaffe.cli.main import main
from minicaffe.errors import DeviceError, ParamError

# Numbers of cudaDeviceAttr, in driver_types.h of the CUDA toolkit, and what an H100 says.
H100 = {
    "MaxThreadsPerBlock": (1, 1024),
    "MaxBlockDimX": (2, 1024),
    "MaxBlockDimY": (3, 1024),
    "MaxBlockDimZ": (4, 64),
    "MaxGridDimX": (5, 2147483647),
    "MaxGridDimY": (6, 65535),
    "MaxGridDimZ": (7, 65535),
    "MaxSharedMemoryPerBlock": (8, 49152),
    "TotalConstantMemory": (9, 65536),
    "WarpSize": (10, 32),
    "MaxPitch": (11, 2147483647),
    "MaxRegistersPerBlock": (12, 65536),
    "ClockRate": (13, 1755000),
    "TextureAlignment": (14, 512),
    "GpuOverlap": (15, 1),
    "MultiProcessorCount": (16, 114),
    "KernelExecTimeout": (17, 0),
}
DESCRIBED = """\
Device id:                     1
Major revision number:         9
Minor revision number:         0
Name:                          Fake GPU 1
Total global memory:           8589934592
Total shared memory per block: 49152
Total registers per block:     65536
Warp size:                     32
Maximum memory pitch:          2147483647
Maximum threads per block:     1024
Maximum dimension of block:    1024, 1024, 64
Maximum dimension of grid:     2147483647, 65535, 65535
Clock rate:                    1755000
Total constant memory:         65536
Texture alignment:             512
Concurrent copy and execution: Yes
Number of multiprocessors:     114
Kernel execution timeout:      No
""".splitlines()


@pytest.fixture
def attributes(fake_gpu, monkeypatch):
    """Two GPUs with the attributes of an H100."""
    runtime, values = fake_cupy.cuda.runtime, dict(H100.values())
    for name, (number, _) in H100.items():
        monkeypatch.setattr(runtime, f"cudaDevAttr{name}", number, raising=False)
    monkeypatch.setattr(runtime, "deviceGetAttribute", lambda number, gpu: values[number], raising=False)
    backend.set_mode_cpu()


def run(capsys, *words):
    """(exit status, messages, last line of stderr)."""
    capsys.readouterr()
    status = main(["device_query", *words])
    text = capsys.readouterr().err
    logged = re.findall(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] (.*)$", text, re.MULTILINE)
    return status, logged, text.splitlines()[-1] if text else ""


def test_one_gpu(capsys, attributes):
    assert run(capsys, "-gpu", "1")[:2] == (0, ["Querying GPUs 1", *DESCRIBED])


def test_all_gpus(capsys, attributes):
    for flag in ("all", "0,1"):
        status, logged, _ = run(capsys, f"--gpu={flag}")
        ids = [line for line in logged if line.startswith("Device id:")]
        assert (status, logged[0]) == (0, f"Querying GPUs {flag}")
        assert ids == [f"Device id:                     {i}" for i in (0, 1)]
        assert len(logged) == 1 + 2 * len(DESCRIBED)


def test_nothing_is_listed_without_the_flag(capsys):
    assert run(capsys)[:2] == (0, ["Querying GPUs ", "No GPU is named; -gpu all describes all there are"])
    assert run(capsys, "-gpu", "none")[:2] == (0, ["Querying GPUs none"])


def test_cupy_knows_the_attributes_by_these_names():
    """On a machine with CuPy, real or not: what the stand-in has been given exists."""
    runtime = pytest.importorskip("cupy").cuda.runtime
    for _, *names in LINES:
        for name in names:
            assert getattr(runtime, f"cudaDevAttr{name}") == H100[name][0]


def test_a_real_gpu_describes_itself(capsys, real_gpu):
    status, logged, _ = run(capsys, "-gpu", "0")
    found = dict(re.split(r": +", line, maxsplit=1) for line in logged[1:])
    assert status == 0 and list(found) == [line.split(":")[0] for line in DESCRIBED]
    assert found["Warp size"] == "32" and found["Name"] == real_gpu.device_name


def test_a_gpu_that_is_not_there(capsys, attributes):
    status, logged, last = run(capsys, "-gpu", "1,2")
    assert status == 1
    assert logged == ["Querying GPUs 1,2", *DESCRIBED]
    assert last.startswith("error: cannot use GPU 2: this machine has 2 GPUs, the last is number 1; use the CPU: ")
    fake_cupy.settings.device_count = 1
    assert run(capsys, "-gpu", "1")[2].startswith("error: cannot use GPU 1: this machine has 1 GPU, number 0; ")
    fake_cupy.settings.device_count = 0
    for flag in ("0", "all"):
        status, _, last = run(capsys, "-gpu", flag)
        assert status == 1 and last.startswith("error: cannot use GPU 0: the driver shows no GPU")


def test_without_cupy(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    status, _, last = run(capsys, "-gpu", "all")
    assert status == 1
    assert last.startswith("error: cannot use GPU 0: ") and "minicaffe[cuda12x]" in last


@pytest.mark.parametrize("flag", ["first", "-1", "0;1", "0,x", ",", "1.5", "²"])
def test_what_is_no_number_of_a_gpu(capsys, flag):
    status, _, last = run(capsys, f"-gpu={flag}")
    assert status == 1
    assert last == (
        f'error: -gpu {flag}: give the number of a GPU, as nvidia-smi lists them, "all", or "none" for the CPU'
    )


def test_a_log_file(capsys, attributes, tmp_path):
    path = tmp_path / "gpus.log"
    assert run(capsys, "-gpu", "0", "-log_file", str(path))[0] == 0
    assert "] Name:                          Fake GPU 0\n" in path.read_text()


# --- -gpu of commands that use one GPU ---------------------------------------------------------


def messages(capsys):
    return re.findall(r"\] (.*)$", capsys.readouterr().err, re.MULTILINE)


def test_the_first_of_several_is_used(capsys, fake_gpu):
    backend.set_mode_cpu()
    device.use_first_device("1,0")
    assert backend.active().device_id == 1
    assert messages(capsys) == [
        "Not using GPU #0 for single-GPU function",
        "Use GPU with device ID 1",
        "GPU device name: Fake GPU 1",
    ]
    device.use_first_device("none")
    assert not backend.active().is_gpu
    assert messages(capsys) == ["Use CPU."]
    device.use_first_device("all")
    assert backend.active().device_id == 0


def test_the_cpu_without_the_flag(capsys):
    device.use_first_device(None)
    assert messages(capsys) == ["Use CPU."]


def test_numbers_with_blanks():
    assert device.gpu_numbers(" 1, 0 ") == [1, 0]
    with pytest.raises(ParamError, match="-gpu , ,: give the number of a GPU"):
        device.gpu_numbers(", ,")


def test_all_needs_a_gpu(fake_gpu):
    assert device_count(import_cupy(0), 0) == 2
    fake_cupy.settings.device_count = 0
    with pytest.raises(DeviceError, match="the driver shows no GPU"):
        device.gpu_numbers("all")
