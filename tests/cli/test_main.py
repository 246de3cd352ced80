"""The program as its users start it: exit status, what stands on stderr."""

import re

import numpy as np
import pytest
from cli_kit import FIXED, run, solver
from solver_kit import CLASSIFIER, write_solver

from minicaffe import backend
from minicaffe.cli import device
from minicaffe.cli.main import main
from minicaffe.io.solverstate import read_solverstate

# --- train -------------------------------------------------------------------------------------


def test_train(tmp_path, capsys):
    status, logged, _ = run(capsys, "train", solver(tmp_path))
    assert status == 0
    order = ["Use CPU.", "Creating training net from net file", "Solver scaffolding done.", "Starting Optimization"]
    order += ["Solving classifier", "Iteration 0 (", "Iteration 4, loss", "Optimization Done.", "Optimization Done."]
    found = iter(logged)
    assert all(any(line.startswith(start) for line in found) for start in order)
    assert (tmp_path / "s_iter_4.caffemodel").exists()


def test_level_and_stage_reach_the_train_net_alone(tmp_path, capsys):
    rules = 'include { stage: "s" min_level: 2 }'
    net = CLASSIFIER.replace('top: "accuracy" include { phase: TEST }', f'top: "accuracy" {rules}')
    path = write_solver(
        tmp_path, f'{FIXED} max_iter: 0 test_iter: 1 test_interval: 1 snapshot_prefix: "{tmp_path}/s"', net
    )
    _, logged, _ = run(capsys, "train", "-solver", path, "-level", 2, "-stage", "r,s")
    assert logged.count("Creating Layer accuracy") == 1
    assert logged.index("Creating Layer accuracy") < logged.index(
        f"Creating test net (#0) specified by net file: {tmp_path}/net.prototxt"
    )


def test_max_iter_and_weights(tmp_path, capsys):
    main(["train", solver(tmp_path)])
    path = solver(tmp_path, f'max_iter: 1000000 weights: "{tmp_path}/absent.caffemodel"')
    weights = f"{tmp_path}/s_iter_4.caffemodel"
    status, logged, _ = run(capsys, "train", path, "--weights", weights, "--max_iter", 6)
    assert status == 0
    assert f"Finetuning from {weights}" in logged
    assert (tmp_path / "s_iter_6.solverstate").exists()


def test_snapshot_goes_on_and_drops_the_weights_of_the_file(tmp_path, capsys):
    main(["train", solver(tmp_path)])
    path = solver(tmp_path, f'max_iter: 6 weights: "{tmp_path}/absent.caffemodel"')
    state = f"{tmp_path}/s_iter_4.solverstate"
    status, logged, _ = run(capsys, "train", path, f"-snapshot={state}")
    assert status == 0
    assert logged.index(f"Resuming from {state}") < logged.index("Starting Optimization")
    assert read_solverstate(f"{tmp_path}/s_iter_6.solverstate").iter == 6


def test_log_file(tmp_path, capsys):
    path = tmp_path / "train.log"
    assert main(["train", solver(tmp_path), "--log_file", str(path)]) == 0
    written = path.read_text()
    assert "] Solving classifier" in written and "] Optimization Done." in written
    assert main(["train", solver(tmp_path, 'lr_policy: "x"'), "--log_file", str(path)]) == 1
    assert path.read_text().startswith(written)
    assert "lr_policy" in path.read_text()[len(written) :].splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train"], "error: Need a solver definition to train: minicaffe train SOLVER"),
        (["train", "a", "-solver", "b"], "error: 2 solver files given: minicaffe train SOLVER"),
        (["train", "absent.prototxt"], "error: Could not open file absent.prototxt: No such file or directory"),
        (["train", "SOLVER", "--max_iter", "-5"], "error: --max_iter is -5, must be 0 or more; it counts iterations"),
        (
            ["train", "SOLVER", "-snapshot", "a", "-weights", "b"],
            "error: --snapshot and --weights: Give a snapshot to resume training or weights to finetune but not both",
        ),
        (
            ["train", "SOLVER", "-sigint_effect", "explode"],
            "error: --sigint_effect explode: Invalid signal effect, must be stop, snapshot or none",
        ),
        (
            ["train", "SOLVER", "-gpu", "0,1"],
            "error: -gpu 0,1: Multi-GPU execution not available: this version of minicaffe trains on one GPU; give one "
            "number",
        ),
        (
            ["train", "SOLVER", "-gpu", "first"],
            'error: -gpu first: give the number of a GPU, as nvidia-smi lists them, "all", or "none" for the CPU',
        ),
        (["train", "SOLVER", "-gpu", "99"], "error: cannot use GPU 99: "),
        (["train", "SOLVER", "-gpu", "all"], "error: cannot use GPU 0: "),
        (["-gpu", "0", "trian", "SOLVER"], "error: one argument too many: '"),
        (["-gpu", "0", "trian"], "error: Unknown command: trian; do you mean train? minicaffe -help lists all"),
        (["-nosuch"], "error: unknown command line flag 'nosuch'; minicaffe <command> -help lists all flags"),
        (["trian", "SOLVER"], "error: Unknown command: trian; do you mean train? minicaffe -help lists all"),
        (["train", "SOLVER", "-log_file", "/no/where/x"], "error: /no/where/x: cannot be written: no such file or"),
        (["test"], "error: Need a model definition to score: --model FILE"),
        (["test", "-model", "x"], "error: Need model weights to score: --weights FILE"),
        (
            ["test", "-model", "x", "-weights", "y", "-iterations", "0"],
            "error: --iterations is 0, must be 1 or more; it counts batches",
        ),
    ],
)
def test_errors_are_one_line(tmp_path, capsys, words, text):
    path = solver(tmp_path)
    if "GPU 0" in text and device_is_there():
        pytest.skip("there is a GPU")
    status, _, last = run(capsys, *[path if word == "SOLVER" else word for word in words])
    assert status == 1
    assert last.startswith(text)


def device_is_there():
    try:
        backend.set_mode_gpu()
    except Exception:
        return False
    finally:
        backend.set_mode_cpu()
    return True


def test_a_bad_solver_file_names_file_line_and_field(tmp_path, capsys):
    status, _, last = run(capsys, "train", solver(tmp_path, "\niter_size: 0"))
    assert (status, last) == (
        1,
        f"error: {tmp_path}/solver.prototxt:3: iter_size is 0, must be 1 or more; it counts iterations",
    )


def test_debug_shows_the_traceback(tmp_path):
    for word in ("--debug", "-debug"):
        with pytest.raises(Exception, match="iter_size"):
            main(["train", solver(tmp_path, "iter_size: 0"), word])


def test_a_diverged_run_has_status_1(tmp_path, capsys):
    path = solver(tmp_path, "max_iter: 50")
    net = CLASSIFIER.replace('weight_filler { type: "xavier" }', 'weight_filler { type: "constant" value: nan }')
    (tmp_path / "net.prototxt").write_text(net)
    status, _, last = run(capsys, "train", path)
    assert status == 1
    assert last.startswith('error: layer "ip" (InnerProduct): the loss is nan at iteration 0; its parameter blob 0')
    assert not list(tmp_path.glob("*.caffemodel"))


@pytest.mark.parametrize(("words", "status"), [([], 0), (["-help"], 0), (["--version"], 0)])
def test_without_a_command_the_usage_is_shown(capsys, words, status):
    if words == ["--version"]:
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 0
        assert re.fullmatch(r"minicaffe version \S+\n", capsys.readouterr().out)
        return
    assert main(words) == status
    assert "usage: minicaffe <command>" in capsys.readouterr().out


# --- which device ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words", "name"),
    [
        ("", [], "Use CPU."),
        ("solver_mode: CPU", [], "Use CPU."),
        ("solver_mode: GPU", [], "Using GPUs 0"),
        ("solver_mode: GPU device_id: 1", [], "Using GPUs 1"),
        ("solver_mode: GPU", ["--gpu", "none"], "Use CPU."),
        ("solver_mode: CPU", ["-gpu", "1"], "Using GPUs 1"),
        ("", ["-gpu=0"], "Using GPUs 0"),
    ],
)
def test_the_flag_goes_before_the_file(tmp_path, capsys, fake_gpu, settings, words, name):
    backend.set_mode_cpu()
    status, logged, _ = run(capsys, "train", solver(tmp_path, f"max_iter: 1 {settings}"), *words)
    assert status == 0
    assert logged[0] == name
    if "GPU" in name and "CPU" not in name:
        assert logged[1] == f"GPU {name[-1]}: Fake GPU {name[-1]}"


def test_numbers_of_gpus(fake_gpu):
    assert device.gpu_numbers(None) is device.gpu_numbers("") is None
    assert device.gpu_numbers("none") == device.gpu_numbers("CPU") == []
    assert device.gpu_numbers("2, 1") == [2, 1]
    assert device.gpu_numbers("all") == [0, 1]


# --- test --------------------------------------------------------------------------------------


def test_test(tmp_path, capsys):
    main(["train", solver(tmp_path)])
    words = ["-model", tmp_path / "net.prototxt", "-weights", tmp_path / "s_iter_4.caffemodel"]
    status, logged, _ = run(capsys, "test", *words, "-iterations", 3)
    assert status == 0
    lines = logged[logged.index("Running for 3 iterations.") + 1 :]
    number = r"(-?[\d.]+(?:e[+-]\d+)?)"
    batches = [re.fullmatch(rf"Batch (\d), (accuracy|loss) = {number}", line).groups() for line in lines[:6]]
    assert [(index, name) for index, name, _ in batches] == [
        (str(i), name) for i in range(3) for name in ("accuracy", "loss")
    ]
    means = {name: np.mean([float(x) for _, n, x in batches if n == name]) for name in ("accuracy", "loss")}
    loss = float(re.fullmatch(rf"Loss: {number}", lines[6])[1])
    assert loss == pytest.approx(means["loss"], rel=1e-4)
    assert lines[7] == f"accuracy = {means['accuracy']:g}"
    assert lines[8] == f"loss = {loss:g} (* 1 = {loss:g} loss)"
    assert len(lines) == 9
