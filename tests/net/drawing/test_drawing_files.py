"""Scenes as SVG and PNG: the same shapes in both, whatever the names."""

import io
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawing_kit import graph_of, layer, nets
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageColor, ImageFont

from minicaffe.errors import ParamError
from minicaffe.net.drawing import draw_net, png as png_module, style
from minicaffe.net.drawing.compose import compose
from minicaffe.net.drawing.png import SCALE, _font, to_png
from minicaffe.net.drawing.scene import Box, Curve, Group, Polygon, Scene, Text
from minicaffe.net.drawing.svg import to_svg
from minicaffe.net.drawing.text import text_width
from minicaffe.proto.upgrade import parse_net, read_net

LENET = Path(__file__).parents[3] / "examples" / "mnist" / "lenet_train_test.prototxt"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def lenet():
    return compose(graph_of(LENET.read_text(encoding="utf-8")))


def tags(svg, name):
    return ElementTree.fromstring(svg).iter(SVG + name)


def of_kind(scene, kind):
    return [shape for shape in scene.shapes() if isinstance(shape, kind)]


def test_an_svg_holds_every_shape_of_the_scene(lenet):
    svg = to_svg(lenet)
    boxes = [(float(tag.get("x")), float(tag.get("y")), tag.get("fill")) for tag in tags(svg, "rect") if tag.get("x")]
    assert boxes == [(round(box.x, 2), round(box.y, 2), box.fill) for box in of_kind(lenet, Box)]
    texts = [(float(tag.get("x")), float(tag.get("y")), tag.text) for tag in tags(svg, "text")]
    assert texts == [(round(text.x, 2), round(text.y, 2), text.text) for text in of_kind(lenet, Text)]
    polygons = [tag.get("points").split() for tag in tags(svg, "polygon")]
    assert [len(points) for points in polygons] == [len(shape.points) for shape in of_kind(lenet, Polygon)]
    assert len(list(tags(svg, "path"))) == len(of_kind(lenet, Curve))
    assert "conv1 (Convolution)" not in [text for _, _, text in texts] and "(Convolution)" in [t for _, _, t in texts]


def test_a_png_shows_every_figure_of_the_scene(lenet):
    image = Image.open(io.BytesIO(to_png(lenet)))
    assert image.format == "PNG" and image.mode == "RGB"
    assert image.size == (round(lenet.width * SCALE), round(lenet.height * SCALE))

    def pixel(x, y):
        return image.getpixel((int(x * SCALE), int(y * SCALE)))

    for box in of_kind(lenet, Box):
        # Inside, near the corner, no text reaches.
        for x in (box.x + 3.5, box.x + box.width - 3.5):
            assert pixel(x, box.y + box.height / 2) == ImageColor.getrgb(box.fill)
        assert pixel(box.x + box.width / 2, box.y) == pytest.approx(ImageColor.getrgb(box.stroke), abs=40)
    for octagon in (shape for shape in of_kind(lenet, Polygon) if shape.stroke):
        left, middle = min(x for x, _ in octagon.points), sum(y for _, y in octagon.points) / 8
        assert pixel(left + 3, middle) == ImageColor.getrgb(octagon.fill)
    for arrow in (shape for shape in of_kind(lenet, Polygon) if not shape.stroke):
        x, y = (sum(values) / 3 for values in zip(*arrow.points, strict=True))
        assert pixel(x, y) == pytest.approx(ImageColor.getrgb(arrow.fill), abs=40)
    for curve in of_kind(lenet, Curve):
        assert min(pixel(curve.start[0] + 1, curve.start[1])) < 200
    assert pixel(2, 2) == (255, 255, 255)


def test_text_is_where_the_scene_says():
    text = Text(60, 40, "HHHHHH", 20, "#000000")
    image = Image.open(io.BytesIO(to_png(Scene(120, 60, "", (Group((text,)),)))))
    left, top, right, bottom = image.convert("L").point(lambda value: 255 * (value < 128)).getbbox()
    assert bottom == pytest.approx(40 * SCALE, abs=2)
    assert (left + right) / 2 == pytest.approx(60 * SCALE, abs=2)
    # Capitals are about 0.7 high, 6 H are 6 * 0.722 wide.
    assert bottom - top == pytest.approx(0.7 * 20 * SCALE, rel=0.08)
    assert right - left == pytest.approx(6 * 0.722 * 20 * SCALE, rel=0.06)


def test_text_shrinks_into_its_room(monkeypatch):
    def width():
        png = to_png(Scene(120, 60, "", (Group((Text(60, 40, "HHHHHH", 20, "#000000"),)),)))
        left, _, right, _ = Image.open(io.BytesIO(png)).convert("L").point(lambda v: 255 * (v < 128)).getbbox()
        return right - left

    full = width()
    # As if the font were twice as wide as the scene took it to be.
    monkeypatch.setattr(png_module, "text_width", lambda text, size: text_width(text, size) / 2)
    assert width() == pytest.approx(full / 2, rel=0.05)


def test_a_dashed_rim_has_gaps_in_the_png_and_in_the_svg():
    points = ((10, 10), (90, 10), (90, 50), (10, 50))
    for dashed in (False, True):
        scene = Scene(100, 60, "", (Group((Polygon(points, "#ffffff", "#000000", dashed),)),))
        image = Image.open(io.BytesIO(to_png(scene))).convert("L")
        rim = [image.getpixel((x, int(10 * SCALE))) for x in range(int(12 * SCALE), int(88 * SCALE))]
        assert (max(rim) > 200) is dashed and min(rim) < 60
        assert (b"stroke-dasharray" in to_svg(scene)) is dashed


def test_the_same_net_gives_the_same_bytes(lenet):
    again = compose(graph_of(LENET.read_text(encoding="utf-8")))
    assert again == lenet
    assert to_svg(again) == to_svg(lenet) and to_png(again) == to_png(lenet)


@given(nets(most_layers=6), st.text(min_size=1, max_size=60), st.sampled_from(["LR", "BT"]))
@settings(deadline=None, max_examples=40)
def test_an_svg_is_well_formed_whatever_the_names(text, name, rankdir):
    source = parse_net(text)
    source.param.name = source.param.layer[0].name = name
    for blob in source.param.layer[0].top:
        for layer_param in source.param.layer:
            layer_param.bottom[:] = [name if bottom == blob else bottom for bottom in layer_param.bottom]
            layer_param.top[:] = [name if top == blob else top for top in layer_param.top]
        break
    svg = draw_net(source, "svg", rankdir)
    assert any(tag.text and tag.text.startswith('name: "') for tag in tags(svg, "title"))


def test_names_that_could_break_out_of_an_attribute_or_a_tag():
    text = layer('<b>&\\"x', "Data", "", "]]>&amp;") + layer("control\\001\\n", "ReLU", "]]>&amp;", "y")
    svg = draw_net(parse_net(text), "svg")
    shown = [tag.text for tag in tags(svg, "text")]
    assert '<b>&"x' in shown and "]]>&amp;" in shown and "control? " in shown
    assert draw_net(parse_net(text), "png")[:8] == b"\x89PNG\r\n\x1a\n"


def test_tips_say_what_boxes_leave_out():
    text = layer("conv", "Convolution", "x", "c", "convolution_param { num_output: 2 kernel_size: 3 bias_term: false }")
    svg = draw_net(parse_net(text + layer("relu", "ReLU", "c", "c")), "svg")
    titles = [tag.text for tag in tags(svg, "title")]
    assert any("bias_term: false" in title and 'bottom: "x"' in title for title in titles)
    assert any(title.endswith("# works in place") for title in titles)
    assert "blob x\nno layer makes it\nread by conv, relu" in titles
    assert "blob c\nmade by conv, relu\nno layer reads it" in titles
    assert "x -> conv" in titles


def test_pictures_in_one_page_share_nothing():
    svg = to_svg(compose(graph_of(LENET.read_text(encoding="utf-8"))))
    assert b" id=" not in svg and b"<style" not in svg and b" class=" not in svg


def colors(text):
    scene = compose(graph_of(text))
    named = {}
    for group in scene.groups:
        if isinstance(group.shapes[0], Box | Polygon):
            named.setdefault(group.shapes[1].text, (group.shapes[0].fill, getattr(group.shapes[0], "radius", None)))
    return named


def test_kinds_of_layers_have_colours_and_those_in_place_are_green():
    text = (
        layer("conv", "Convolution", "x", "c")
        + layer("relu (x)", "ReLU", "c", "c")
        + layer("tanh", "TanH", "c", "t")
        + layer("pool", "Pooling", "c", "p")
        + layer("ip", "InnerProduct", "p", "ip")
        + layer("loss", "EuclideanLoss", "ip", "l")
        + layer("mine", "MyOwn", "l", "m")
    )
    found = colors(text)
    assert found["relu (x) (ReLU)"] == (style.IN_PLACE.fill, 9.0)
    assert found["tanh"] == found["mine"] == (style.OTHER.fill, style.RADIUS)
    fills = {found[name][0] for name in ("conv", "pool", "ip", "loss", "tanh", "relu (x) (ReLU)")}
    assert len(fills) == 6


def test_every_text_is_readable_on_its_ground(lenet):
    def luminance(color):
        channels = [value / 255 for value in ImageColor.getrgb(color)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = set()
    for group in lenet.groups:
        ground = getattr(group.shapes[0], "fill", style.GROUND)
        pairs |= {(shape.color, ground) for shape in group.shapes if isinstance(shape, Text) and not shape.halo}
        pairs |= {(shape.color, style.GROUND) for shape in group.shapes if isinstance(shape, Text) and shape.halo}
    assert len(pairs) > 6
    for color, ground in pairs:
        # The contrast that WCAG 2 asks of body text.
        assert (luminance(ground) + 0.05) / (luminance(color) + 0.05) >= 4.5


def test_a_text_that_several_arrows_share_stands_once():
    text = layer("data", "Data", "", "x y z", "data_param { batch_size: 8 }")
    assert [shape.text for shape in of_kind(compose(graph_of(text)), Text)].count("batch 8") == 1


def test_a_trunk_that_wires_share_is_drawn_once():
    text = (
        layer("a", "X", "", "x y")
        + layer("b", "X", "x", "u")
        + layer("c", "X", "u y", "v")
        + layer("d", "X", "v y", "w")
    )
    scene = compose(graph_of(text))
    straight = [
        (piece_start, piece[0])
        for curve in of_kind(scene, Curve)
        for piece_start, piece in zip((curve.start, *(p[-1] for p in curve.pieces)), curve.pieces, strict=False)
        if len(piece) == 1
    ]
    for one in straight:
        for other in straight:
            if one != other and one[0][1] == other[0][1]:
                assert one[1][0] <= other[0][0] or other[1][0] <= one[0][0]


def test_a_huge_net_is_drawn_in_fewer_pixels():
    chain = "".join(layer(f"layer{i}", "ReLU", f"b{i}", f"b{i + 1}") for i in range(700))
    scene = compose(graph_of(chain))
    png = to_png(scene)
    width, height = struct.unpack(">II", png[16:24])
    assert width == 65000 and height == round(scene.height * 65000 / scene.width)


def test_letters_that_pillows_own_font_lacks(monkeypatch):
    asked, truetype = [], ImageFont.truetype

    def missing(font, size, **settings):
        asked.append(font)
        if isinstance(font, str):
            raise OSError("cannot open resource")
        return truetype(font, size, **settings)

    monkeypatch.setattr(ImageFont, "truetype", missing)
    _font.cache_clear()
    try:
        text = layer("\u4e2d\u6587", "ReLU", "x", "y")
        assert draw_net(parse_net(text), "png")[:4] == b"\x89PNG"
        assert "DejaVuSans.ttf" in asked
    finally:
        _font.cache_clear()


def test_a_pillow_whose_font_has_one_size(monkeypatch):
    load = ImageFont.load_default
    monkeypatch.setattr(ImageFont, "load_default", lambda: load(10))
    _font.cache_clear()
    try:
        assert draw_net(parse_net(layer("a", "ReLU", "x", "y")), "png")[:4] == b"\x89PNG"
    finally:
        _font.cache_clear()


def test_formats_and_directions_that_there_are_not():
    source = read_net(LENET)
    with pytest.raises(ParamError, match="'tga' is no format that can be drawn; take one of svg, png, pdf, jpg, jpeg"):
        draw_net(source, "tga")
    with pytest.raises(ParamError, match="rankdir is 'UP', must be one of LR, TB, RL, BT: left to right"):
        draw_net(source, "svg", "UP")
