"""Layouts of any graph: nodes keep apart, arrows keep off nodes, and what can be straight is."""

from itertools import combinations, pairwise

from drawing_kit import graph_of, layer, nets
from hypothesis import given, settings, strategies as st

from minicaffe.net.drawing.compose import RANKDIRS, compose
from minicaffe.net.drawing.layout import GAP, LANE_SPACE, NODE_SPACE, STEEP, WIDEST_GAP, Size, lay_out
from minicaffe.net.drawing.order import (
    Neighbours,
    _exchange,
    _sort_by_medians,
    crossings,
    first_order,
    order_rows,
)
from minicaffe.net.drawing.place import place_nodes
from minicaffe.net.drawing.png import bezier
from minicaffe.net.drawing.ranks import Wire, assign_ranks, with_lanes
from minicaffe.net.drawing.scene import Box, Curve, Polygon, Text
from minicaffe.net.drawing.style import ARROW_LENGTH
from minicaffe.net.drawing.tighten import tighten

TOLERANCE = 1e-4


@st.composite
def graphs(draw, most=16):
    """(sizes, wires) of a graph without circles, its nodes in any order."""
    count = draw(st.integers(1, most))
    names = draw(st.permutations(range(count)))
    pairs = list(combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * count)) if pairs else []
    wires = [Wire(names[a], names[b], draw(st.sampled_from([0, names[b]]))) for a, b in chosen]
    side = st.floats(5, 120).map(lambda size: round(size, 1))
    return [Size(draw(side), draw(side)) for _ in range(count)], wires


def rectangles(layout, sizes):
    return [
        (x - size.along / 2, y - size.across / 2, x + size.along / 2, y + size.across / 2)
        for (x, y), size in zip(layout.places, sizes, strict=True)
    ]


def on_the_way(route):
    """Points along a route, as it is drawn: bows as Bézier curves."""
    for (x, y), (to_x, to_y) in pairwise(route):
        middle = (x + to_x) / 2
        for step in range(17):
            yield bezier(((x, y), (middle, y), (middle, to_y), (to_x, to_y)), step / 16)


def lies_in(point, box):
    return box[0] + TOLERANCE < point[0] < box[2] - TOLERANCE and box[1] + TOLERANCE < point[1] < box[3] - TOLERANCE


@given(graphs())
@settings(deadline=None)
def test_no_two_nodes_touch(graph):
    sizes, wires = graph
    layout = lay_out(sizes, wires)
    for one, other in combinations(rectangles(layout, sizes), 2):
        along = max(one[0] - other[2], other[0] - one[2])
        across = max(one[1] - other[3], other[1] - one[3])
        assert along >= GAP - TOLERANCE or across >= NODE_SPACE - TOLERANCE


@given(graphs())
@settings(deadline=None)
def test_wires_lead_from_node_to_node_and_through_no_other(graph):
    sizes, wires = graph
    layout = lay_out(sizes, wires)
    boxes = rectangles(layout, sizes)
    for wire, route in zip(wires, layout.routes, strict=True):
        source, target = boxes[wire.source], boxes[wire.target]
        assert abs(route[0][0] - source[2]) < TOLERANCE and route[0][1] == layout.places[wire.source][1]
        assert abs(route[-1][0] - target[0]) < TOLERANCE and route[-1][1] == layout.places[wire.target][1]
        assert all(a[0] < b[0] for a, b in pairwise(route))
        for point in on_the_way(route):
            assert not any(lies_in(point, box) for box in boxes)


@given(graphs())
@settings(deadline=None)
def test_all_lies_in_the_picture(graph):
    sizes, wires = graph
    layout = lay_out(sizes, wires)
    for x, y in [point for route in layout.routes for point in route]:
        assert -TOLERANCE <= x <= layout.size.along + TOLERANCE and -TOLERANCE <= y <= layout.size.across + TOLERANCE
    boxes = rectangles(layout, sizes)
    assert min(box[0] for box in boxes) >= -TOLERANCE and min(box[1] for box in boxes) >= -TOLERANCE
    assert max(box[2] for box in boxes) <= layout.size.along + TOLERANCE
    assert max(box[3] for box in boxes) <= layout.size.across + TOLERANCE


@given(graphs())
@settings(deadline=None)
def test_ranks_and_lanes(graph):
    sizes, wires = graph
    ranks = assign_ranks(len(sizes), wires)
    assert sorted(set(ranks)) == list(range(max(ranks) + 1))
    ranked = with_lanes(ranks, wires)
    assert all(ranked.ranks[a] + 1 == ranked.ranks[b] for a, b in ranked.links)
    assert len(set(ranked.links)) == len(ranked.links)
    for wire, path in zip(wires, ranked.paths, strict=True):
        assert (path[0], path[-1]) == (wire.source, wire.target)
        assert all(ranked.is_lane(lane) for lane in path[1:-1])
    # A lane belongs to one source, and to one target unless the wires share a trunk.
    for lane in range(ranked.count, len(ranked.ranks)):
        users = [wire for wire, path in zip(wires, ranked.paths, strict=True) if lane in path]
        assert len({(wire.source, wire.trunk) for wire in users}) == 1


@given(graphs())
@settings(deadline=None)
def test_sorting_the_ranks_adds_no_crossings(graph):
    sizes, wires = graph
    ranked = with_lanes(assign_ranks(len(sizes), wires), wires)
    neighbours = Neighbours(ranked)
    first, best = first_order(ranked, neighbours), order_rows(ranked)
    assert [sorted(row) for row in best] == [sorted(row) for row in first]
    assert crossings(best, neighbours) <= crossings(first, neighbours)


@given(graphs())
@settings(deadline=None)
def test_crossings_are_counted_rightly(graph):
    sizes, wires = graph
    ranked = with_lanes(assign_ranks(len(sizes), wires), wires)
    rows = order_rows(ranked)
    place = {node: at for row in rows for at, node in enumerate(row)}
    crossed = sum(
        ranked.ranks[a] == ranked.ranks[c] and (place[a] - place[c]) * (place[b] - place[d]) < 0
        for (a, b), (c, d) in combinations(ranked.links, 2)
    )
    assert crossings(rows, Neighbours(ranked)) == crossed


@given(graphs())
@settings(deadline=None)
def test_tightening_keeps_order_and_distance_and_makes_no_link_longer_in_sum(graph):
    sizes, wires = graph
    ranked = with_lanes(assign_ranks(len(sizes), wires), wires)
    rows = order_rows(ranked)
    placed = place_nodes(ranked, rows, lambda a, b: 30.0)
    tight = tighten(ranked, rows, lambda a, b: 30.0, placed)
    assert all(tight[b] - tight[a] >= 30 - TOLERANCE for row in rows for a, b in pairwise(row))

    def length(places):
        return sum(abs(places[a] - places[b]) for a, b in ranked.links)

    assert length(tight) <= length(placed) + TOLERANCE


def test_a_chain_is_one_straight_line():
    sizes = [Size(40, 20 + 7 * i) for i in range(5)]
    layout = lay_out(sizes, [Wire(i, i + 1) for i in range(4)])
    assert len({across for _, across in layout.places}) == 1
    assert layout.size == Size(5 * 40 + 4 * GAP, 48)


def test_a_wire_that_passes_nodes_by_has_a_lane_beside_them():
    layout = lay_out([Size(40, 20)] * 4, [Wire(0, 1), Wire(1, 2), Wire(2, 3), Wire(0, 3)])
    long = layout.routes[3]
    lane = {y for (x, y) in long if layout.places[1][0] - 1 < x < layout.places[2][0] + 1}
    assert {abs(y - layout.places[1][1]) for y in lane} == {10 + LANE_SPACE}


def test_wires_of_one_blob_share_their_lane_and_others_do_not():
    wires = [Wire(0, 1), Wire(1, 2), Wire(2, 3), Wire(3, 4)]
    shared = with_lanes(range(5), [*wires, Wire(0, 3), Wire(0, 4)])
    assert len(shared.ranks) == 5 + 3
    apart = with_lanes(range(5), [*wires, Wire(0, 3, 3), Wire(0, 4, 4)])
    assert len(apart.ranks) == 5 + 2 + 3


def test_who_has_no_inputs_stands_next_to_its_reader():
    # 0 -> 1 -> 2 -> 3 -> 4, and 5 -> 6 -> 4.
    wires = [Wire(0, 1), Wire(1, 2), Wire(2, 3), Wire(3, 4), Wire(5, 6), Wire(6, 4)]
    assert assign_ranks(7, wires) == [0, 1, 2, 3, 4, 2, 3]


def test_a_label_makes_room_for_itself():
    layout = lay_out([Size(40, 20)] * 3, [Wire(0, 1), Wire(1, 2)], [90.0, 0.0])
    assert [b[0] - a[0] - 40 for a, b in pairwise(layout.places)] == [90, GAP]


def test_two_layers_of_two_blobs_cross_once():
    wires = [Wire(0, 2), Wire(0, 3), Wire(1, 2), Wire(1, 3)]
    ranked = with_lanes(assign_ranks(4, wires), wires)
    assert crossings(order_rows(ranked), Neighbours(ranked)) == 1


def test_a_tangle_that_can_be_undone_is():
    # 0 -> 5, 1 -> 4, 2 -> 3: as numbered, all cross.
    wires = [Wire(0, 5), Wire(1, 4), Wire(2, 3)]
    ranked = with_lanes(assign_ranks(6, wires), wires)
    assert crossings([[0, 1, 2], [3, 4, 5]], Neighbours(ranked)) == 3
    assert crossings(order_rows(ranked), Neighbours(ranked)) == 0


def test_a_tree_of_scattered_leaves_has_no_crossings():
    # Leaves 0 ... 7 under 8 ... 11, those under 12 and 13, and 14: as numbered, and as first walked, many cross.
    leaves = [Wire(leaf, 8 + leaf % 4) for leaf in range(8)]
    wires = [*leaves, Wire(8, 12), Wire(9, 13), Wire(10, 12), Wire(11, 13), Wire(12, 14), Wire(13, 14)]
    ranked = with_lanes(assign_ranks(15, wires), wires)
    neighbours = Neighbours(ranked)
    assert crossings(first_order(ranked, neighbours), neighbours) > 5
    assert crossings(order_rows(ranked), neighbours) == 0


def test_neighbours_are_exchanged_where_that_helps():
    ranked = with_lanes([0, 0, 1, 1], [Wire(0, 3), Wire(1, 2)])
    rows, neighbours = [[0, 1], [2, 3]], Neighbours(ranked)
    _exchange(rows, neighbours)
    assert rows == [[1, 0], [2, 3]]
    _exchange(rows, neighbours)
    assert rows == [[1, 0], [2, 3]]


def test_sorting_by_medians():
    # 3 hangs between 0, 1 and 2; 4 at 2, 5 at 0; 6 at nothing.
    wires = [Wire(0, 3), Wire(1, 3), Wire(2, 3), Wire(2, 4), Wire(0, 5)]
    ranked = with_lanes([0, 0, 0, 1, 1, 1, 1], wires)
    rows = [[0, 1, 2], [4, 6, 3, 5]]
    _sort_by_medians(rows, Neighbours(ranked), forth=True)
    assert rows == [[0, 1, 2], [5, 6, 3, 4]]
    rows = [[2, 1, 0], [5, 6, 3, 4]]
    _sort_by_medians(rows, Neighbours(ranked), forth=False)
    # Medians: of 0 among 3 and 5: 1; of 1: 2; of 2 among 3 and 4: 2.5.
    assert rows[0] == [0, 1, 2]


@st.composite
def graphs_with_one_long_wire(draw):
    """(ranks, wires): links from rank to rank, and one wire past at least two ranks."""
    widths = draw(st.lists(st.integers(1, 4), min_size=4, max_size=7))
    ranks = [rank for rank, width in enumerate(widths) for _ in range(width)]
    pairs = [(a, b) for a, b in combinations(range(len(ranks)), 2) if ranks[a] + 1 == ranks[b]]
    wires = [Wire(a, b) for a, b in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=15))]
    return ranks, [*wires, Wire(0, len(ranks) - 1)]


@given(graphs_with_one_long_wire(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_long_wire_is_straight_whatever_crosses_it(graph, random):
    ranks, wires = graph
    ranked = with_lanes(ranks, wires)
    rows = [[node for node, rank in enumerate(ranked.ranks) if rank == row] for row in range(max(ranks) + 1)]
    for row in rows:
        random.shuffle(row)
    places = place_nodes(ranked, rows, lambda a, b: 30.0)
    assert all(places[b] - places[a] >= 30 - TOLERANCE for row in rows for a, b in pairwise(row))
    lanes = [places[lane] for lane in range(ranked.count, len(ranked.ranks))]
    assert max(lanes) - min(lanes) < TOLERANCE


def test_a_lane_comes_back_once_it_is_past_what_held_it_off():
    # A chain of 12 nodes with a huge one near its beginning, and a wire past them to three nodes at its end.
    chain = [Wire(i, i + 1) for i in range(11)]
    ends = [Wire(11, end) for end in (12, 13, 14)]
    long = [Wire(0, end) for end in (12, 13, 14)]
    sizes = [Size(40, 900 if i == 3 else 20) for i in range(15)]
    layout = lay_out(sizes, [*chain, *ends, *long])
    lane = sorted(point for route in layout.routes[-3:] for point in route)
    beside, after = (next(y for x, y in lane if x > layout.places[node][0]) for node in (3, 11))
    assert abs(beside - layout.places[3][1]) >= 450
    assert abs(after - layout.places[11][1]) < 150


def test_far_turns_get_a_wider_gap():
    layout = lay_out([Size(40, 20)] + [Size(40, 80)] * 7, [Wire(0, i) for i in range(1, 8)])
    farthest = max(abs(y - layout.places[0][1]) for _, y in layout.places)
    gap = layout.places[1][0] - layout.places[0][0] - 40
    assert abs(gap - min(STEEP * farthest, WIDEST_GAP)) < TOLERANCE and gap > 2 * GAP


def figures(scene):
    """The rectangle of each box and octagon."""
    for shape in scene.shapes():
        if isinstance(shape, Box):
            yield shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
        elif isinstance(shape, Polygon) and len(shape.points) == 8:
            xs, ys = zip(*shape.points, strict=True)
            yield min(xs), min(ys), max(xs), max(ys)


@given(nets(), st.sampled_from(RANKDIRS))
@settings(deadline=None, max_examples=60)
def test_pictures_of_nets_in_all_directions(text, rankdir):
    scene = compose(graph_of(text), rankdir)
    boxes = list(figures(scene))
    for one, other in combinations(boxes, 2):
        assert max(one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3]) >= 1
    assert all(min(x0, y0) >= 0 and x1 <= scene.width and y1 <= scene.height for x0, y0, x1, y1 in boxes)
    for curve in (shape for shape in scene.shapes() if isinstance(shape, Curve)):
        at = curve.start
        for piece in curve.pieces:
            corners = (at, at, piece[0], piece[0]) if len(piece) == 1 else (at, *piece)
            points = [bezier(corners, step / 12) for step in range(13)]
            assert not any(lies_in(point, box) for point in points for box in boxes)
            at = piece[-1]


def test_a_shaft_ends_under_its_tip():
    scene = compose(graph_of(layer("a", "X", "", "x") + layer("b", "X", "x", "y z")))
    for group in scene.groups:
        *curves, tip = group.shapes
        if curves and isinstance(curves[0], Curve):
            (end_x, end_y), (tip_x, tip_y) = curves[-1].pieces[-1][-1], tip.points[0]
            assert end_y == tip_y and 2 < tip_x - end_x < ARROW_LENGTH


def test_labels_stand_where_no_other_arrow_leaves():
    text = "".join(
        layer(name, "Data", "", "x y", f"include {{ phase: {phase} }} data_param {{ batch_size: {batch} }}")
        for name, phase, batch in (("a", "TRAIN", 64), ("b", "TEST", 100))
    )
    beside = {}
    for rankdir in RANKDIRS:
        shapes = compose(graph_of(text), rankdir).shapes()
        at = {shape.text.removesuffix(" (Data)"): (shape.x, shape.y) for shape in shapes if isinstance(shape, Text)}
        axis = 1 if rankdir in ("LR", "RL") else 0
        # From the middles of their makers, in the order of these.
        pairs = sorted((at[name][axis], at[label][axis]) for name, label in (("a", "batch 64"), ("b", "batch 100")))
        beside[rankdir] = [label - maker for maker, label in pairs]
    # The arrows to the other blob cross between the straight ones: the texts stand on the far sides.
    assert beside["TB"][0] < -10 and beside["TB"][1] > 10
    assert beside["BT"] == beside["TB"] and beside["RL"] == beside["LR"]
    # In a box the name stands above the middle, at which the arrow leaves.
    assert beside["LR"][0] < 15 < beside["LR"][1]


def test_upwards_what_works_in_place_stands_above():
    text = layer("conv", "Convolution", "x", "y") + layer("relu", "ReLU", "y", "y")
    for rankdir in RANKDIRS:
        heights = {}
        for shape in compose(graph_of(text), rankdir).shapes():
            if isinstance(shape, Text):
                heights[shape.text.split()[0]] = shape.y
        assert (heights["relu"] < heights["conv"]) is (rankdir == "BT")


def test_the_flow_leads_where_rankdir_says():
    text = layer("a", "X", "", "x") + layer("b", "X", "x", "y")
    ways = {}
    for rankdir in RANKDIRS:
        first, *_, last = list(figures(compose(graph_of(text), rankdir)))
        ways[rankdir] = (last[0] > first[2]) - (last[2] < first[0]), (last[1] > first[3]) - (last[3] < first[1])
    assert ways == {"LR": (1, 0), "RL": (-1, 0), "TB": (0, 1), "BT": (0, -1)}
