"""Pictures of nets: graph, layout, scene, SVG and PNG, in this order, one file each. No library draws but Pillow.

graph.py, labels.py     what is drawn of a NetParameter, and what is written at it
ranks.py, order.py, place.py, layout.py    where it stands, and how the arrows run
style.py, text.py, figures.py, compose.py, scene.py    how it looks: shapes in pixels
svg.py, png.py          the shapes as a file

draw_net(read_net("lenet_train_test.prototxt"), "svg")
"""

from minicaffe.net.drawing.draw import FORMATS, draw_net, draw_net_to_file, format_of

__all__ = ["FORMATS", "draw_net", "draw_net_to_file", "format_of"]
