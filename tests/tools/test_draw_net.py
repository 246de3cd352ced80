"""minicaffe draw_net: pictures of real nets, and what it says of bad ones."""

import os
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from minicaffe.cli.main import main
from minicaffe.net.drawing import draw_net
from minicaffe.proto.upgrade import parse_net

EXAMPLES = Path(__file__).parents[2] / "examples"
LENET = EXAMPLES / "mnist" / "lenet_train_test.prototxt"


def texts(path):
    return [tag.text for tag in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def refused(capsys, *argv):
    """The line on stderr of a run that fails."""
    assert main(["draw_net", *map(str, argv)]) == 1
    lines = capsys.readouterr().err.splitlines()
    return lines[-1]


def test_lenet(tmp_path, capsys):
    picture = tmp_path / "lenet.svg"
    assert main(["draw_net", str(LENET), str(picture)]) == 0
    assert capsys.readouterr().out == f"Drawing net to {picture}\n"
    shown = texts(picture)
    assert {"conv1", "(Convolution)", "kernel 5", "stride 1, pad 0", "(MAX Pooling)", "relu1 (ReLU)"} <= set(shown)
    assert shown.count("mnist") == 2 and "TEST only" in shown and {"20", "50", "500", "10"} <= set(shown)
    assert "lr mult 1/2" not in shown
    assert os.listdir(tmp_path) == ["lenet.svg"]


def test_a_phase_and_the_learning_rates(tmp_path):
    picture = tmp_path / "lenet.svg"
    assert main(["draw_net", str(LENET), str(picture), "-phase", "TRAIN", "--display_lrm", "--rankdir=TB"]) == 0
    shown = texts(picture)
    assert "mnist (Data)" in shown and not any("only" in text or "Accuracy" in text for text in shown)
    assert "kernel 5, stride 1, pad 0, lr mult 1/2" in shown
    root = ElementTree.parse(picture).getroot()
    assert float(root.get("height")) > 2 * float(root.get("width"))


def test_as_png_with_an_extension_in_capitals(tmp_path):
    picture = tmp_path / "lenet.PNG"
    assert main(["draw_net", str(LENET), str(picture), "--rankdir", "RL"]) == 0
    with Image.open(picture) as image:
        assert image.format == "PNG" and image.width > 5 * image.height


@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_an_old_net_is_upgraded_and_said_to_be(name, tmp_path, capsys):
    folder = os.environ.get("MINICAFFE_MODELS_DIR")
    if not folder:
        assert not os.environ.get("MINICAFFE_REQUIRE_DATA"), "MINICAFFE_MODELS_DIR is not set"
        pytest.skip("MINICAFFE_MODELS_DIR is not set")
    assert main(["draw_net", f"{folder}/mtcnn/{name}.prototxt", str(tmp_path / "net.svg")]) == 0
    assert "Attempting to upgrade input file specified using deprecated input fields" in capsys.readouterr().err
    assert "(Input)" in texts(tmp_path / "net.svg") and "prob1" in texts(tmp_path / "net.svg")


def test_layers_of_the_oldest_form(tmp_path, capsys):
    net = tmp_path / "v1.prototxt"
    net.write_text('layers { name: "c" type: CONVOLUTION bottom: "x" top: "y" convolution_param { kernel_size: 3 } }')
    assert main(["draw_net", str(net), str(tmp_path / "net.svg")]) == 0
    assert "deprecated V1LayerParameter" in capsys.readouterr().err
    assert {"c", "(Convolution)", "kernel 3"} <= set(texts(tmp_path / "net.svg"))


def residual_net(blocks):
    """A net with a way past each of its blocks, as ResNets are: 7 layers a block."""
    text, before = 'input: "b" input_shape { dim: 1 }', "b"
    for i in range(blocks):
        for j, bottom in enumerate((before, f"c{i}_0")):
            text += f'layer {{ name: "conv{i}_{j}" type: "Convolution" bottom: "{bottom}" top: "c{i}_{j}" }}'
            for type in ("BatchNorm", "Scale")[: 2 - j] + ("ReLU",)[:1]:
                text += f'layer {{ name: "{type}{i}_{j}" type: "{type}" bottom: "c{i}_{j}" top: "c{i}_{j}" }}'
        text += f'layer {{ name: "sum{i}" type: "Eltwise" bottom: "c{i}_1" bottom: "{before}" top: "s{i}" }}'
        before = f"s{i}"
    return parse_net(text)


def test_a_net_of_hundreds_of_layers_takes_no_time():
    source = residual_net(40)
    assert len(source.param.layer) > 300
    start = time.process_time()
    draw_net(source, "svg")
    # A tenth of a second where it was measured; what grows with the square of the layers would take far longer.
    assert time.process_time() - start < 3


def test_other_formats(tmp_path, capsys):
    offered = "take one of svg, png, pdf, jpg, jpeg, gif, bmp, or as text for Graphviz dot, gv, raw"
    path = tmp_path / "net.xcf"
    assert refused(capsys, LENET, path) == f"error: {path}: '.xcf' is no format that can be drawn; {offered}"
    for name in ("net", ".svg"):
        path = tmp_path / name
        text = f"error: {path}: ends in no extension, which says what to draw; {offered}"
        assert refused(capsys, LENET, path) == text
    assert not os.listdir(tmp_path)


def test_a_phase_or_direction_that_there_is_not(tmp_path, capsys):
    picture = tmp_path / "net.svg"
    line = refused(capsys, LENET, picture, "--phase", "test")
    assert line == "error: Unknown phase: test; --phase is one of ALL, TRAIN, TEST"
    line = refused(capsys, LENET, picture, "--rankdir=XY")
    assert line.startswith("error: rankdir is 'XY', must be one of LR, TB, RL, BT: left to right, top to bottom")
    assert not picture.exists()


def test_what_is_no_net(tmp_path, capsys):
    picture, net = tmp_path / "net.svg", tmp_path / "net.prototxt"
    assert f"{tmp_path}/missing.prototxt: No such file" in refused(capsys, tmp_path / "missing.prototxt", picture)
    net.write_bytes(b"\x0a\x05LeNet\xff\x00")
    assert "is no text file (UTF-8); a prototxt is expected here" in refused(capsys, net, picture)
    line = refused(capsys, EXAMPLES / "mnist" / "lenet_solver.prototxt", picture)
    assert "lenet_solver.prototxt:2:1: net is not a field of NetParameter, but of SolverParameter" in line
    net.write_text('name: "empty"')
    assert refused(capsys, net, picture).startswith(f"error: {net}: has no layers: there is nothing to draw")
    net.write_text('layer { name: "d" type: "Data" top: "d" include { phase: TRAIN } }')
    assert "has no layer of phase TEST" in refused(capsys, net, picture, "--phase=TEST")
    assert not picture.exists()


def test_where_nothing_can_be_written(tmp_path, capsys):
    line = refused(capsys, LENET, tmp_path / "nowhere" / "net.svg")
    assert line.startswith(f"error: {tmp_path}/nowhere/net.svg: cannot be written: no such file or directory; create")
    (tmp_path / "folder.png").mkdir()
    assert "cannot be written: is a directory" in refused(capsys, LENET, tmp_path / "folder.png")


def test_a_word_too_many_or_too_few(tmp_path, capsys):
    assert "one argument too many: 'more'" in refused(capsys, LENET, tmp_path / "a.svg", "more")
    assert "the following arguments are required: PICTURE" in refused(capsys, LENET)
    assert "unknown command line flag 'rankdirs'; do you mean --rankdir?" in refused(
        capsys, LENET, tmp_path / "a.svg", "--rankdirs=LR"
    )
