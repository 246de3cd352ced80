"""A scene as PDF: a file that holds together, and every shape at its place."""

import re
import zlib

import pytest
from drawing_kit import graph_of, layer

from minicaffe.net.drawing import style
from minicaffe.net.drawing.compose import compose
from minicaffe.net.drawing.pdf import LONGEST_SIDE, POINTS, to_pdf
from minicaffe.net.drawing.scene import Box, Curve, Group, Polygon, Scene, Text
from minicaffe.net.drawing.text import text_width

SCENE = (
    Box(10, 20, 60, 30, 4, "#ff0000", "#0000ff"),
    Polygon(((80, 20), (90, 20), (85, 30)), "#00ff00"),
    Polygon(((80, 40), (90, 40), (85, 50)), "#00ff00", "#000000", dashed=True),
    Curve((10, 60), (((40, 60),), ((50, 60), (50, 80), (60, 80))), "#6b7480"),
    Text(50, 90, "conv1 (x)", 12, "#1f2328", halo=True),
)


def drawing_of(pdf):
    """The page's content, a line a shape."""
    stream = re.search(rb"stream\n(.*)\nendstream", pdf, re.DOTALL)[1]
    assert len(stream) == int(re.search(rb"/Length (\d+)", pdf)[1])
    return zlib.decompress(stream).decode("cp1252").splitlines()


def test_the_table_of_contents_leads_to_each_object():
    pdf = to_pdf(Scene(100, 200, "title \u4e2d", (Group(SCENE),)))
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[1])
    assert pdf[start:].startswith(b"xref\n0 7\n")
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n \n", pdf[start:])]
    assert len(places) == 6
    for number, place in enumerate(places, 1):
        assert pdf[place:].startswith(b"%d 0 obj\n" % number)
    assert b"/MediaBox [0 0 75 150]" in pdf
    assert ("\ufefftitle \u4e2d".encode("utf-16-be").hex().encode()) in pdf.lower()


def test_each_shape_is_drawn_where_it_stands():
    begin, box, arrow, dashed, curve, text = drawing_of(to_pdf(Scene(100, 200, "", (Group(SCENE),))))
    assert begin == f"{POINTS} 0 0 {-POINTS} 0 150 cm {style.LINE_WIDTH} w 1 j"
    assert box.startswith("1.000 0.000 0.000 rg 0.000 0.000 1.000 RG 14 20 m 66 20 l ") and box.endswith(" b")
    corners = [tuple(map(float, pair.split())) for pair in re.findall(r"([\d.]+ [\d.]+) (?:l|c)\b", box)]
    assert corners == [(66, 20), (70, 24), (70, 46), (66, 50), (14, 50), (10, 46), (10, 24), (14, 20)]
    # The middle of the first bow lies on its corner's circle, of radius 4 about (66, 24).
    bow = [float(word) for word in re.search(r"66 20 l ([\d. ]+) c", box)[1].split()]
    x, y = ((start + 3 * bow[i] + 3 * bow[i + 2] + bow[i + 4]) / 8 for i, start in enumerate((66, 20)))
    assert ((x - 66) ** 2 + (y - 24) ** 2) ** 0.5 == pytest.approx(4, abs=0.01)
    assert arrow == "0.000 1.000 0.000 rg 80 20 m 90 20 l 85 30 l f"
    assert dashed.endswith("[3] 0 d 80 40 m 90 40 l 85 50 l b [] 0 d")
    assert curve.endswith("RG 10 60 m 40 60 l 50 60 50 80 60 80 c S")
    left = 50 - text_width("conv1 (x)", 12) / 2
    assert text.count(rf"1 0 0 -1 {left:.3f} 90 Tm (conv1 \(x\)) Tj") == 2
    assert text.startswith("BT /F 12 Tf ") and text.endswith(f"ET {style.LINE_WIDTH} w")


def test_a_net_as_pdf():
    text = layer("data", "Input", "", "data") + layer(
        "conv \\303\\251 \\344\\270\\255", "Convolution", "data", "c\\\\(1)"
    )
    scene = compose(graph_of(text))
    lines = drawing_of(to_pdf(scene))
    assert len(lines) == 1 + len(scene.shapes())
    shown = "\n".join(lines)
    assert r"(c\\\(1\)) Tj" in shown and "(conv \u00e9 ?) Tj" in shown
    assert to_pdf(scene) == to_pdf(scene)


def test_a_page_is_no_longer_than_acrobat_opens():
    pdf = to_pdf(Scene(40_000, 100, "", ()))
    assert b"/MediaBox [0 0 %d 36]" % LONGEST_SIDE in pdf
