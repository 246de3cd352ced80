"""Pictures of nets: graph, layout, scene, and a file's bytes, in this order, one file each.

graph.py, labels.py     what is drawn of a NetParameter, and what is written at it
ranks.py, order.py, place.py, layout.py    where it stands, and how the arrows run
style.py, text.py, figures.py, compose.py, scene.py    how it looks: shapes in pixels
svg.py, pdf.py, png.py, bitmaps.py         the shapes as a file; the last two by Pillow
page.py                 a net in a notebook

draw_net(read_net("lenet_train_test.prototxt"), "svg"); minicaffe/draw.py offers it under pycaffe's names.
"""

from minicaffe.net.drawing.draw import FORMATS, draw_net

__all__ = ["FORMATS", "draw_net"]
