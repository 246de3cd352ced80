"""HostLayer: a built-in layer of a net as scripts see it, pycaffe's Layer."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.blob import Blob, HostBlob
from minicaffe.blob_vec import BlobVec
from minicaffe.layers import base
from minicaffe.layers.python import PythonLayer
from minicaffe.layers.user_layer import Layer


class HostLayer(Layer):
    """What `net.layers[i]` and `net.layer_dict["ip1"]` give; of a Python layer they give the user's own object.

        net.layer_dict["conv1"].type                    # "Convolution"
        net.layer_dict["conv1"].blobs[0].data           # its weights, the same as net.params["conv1"][0].data

    name, type, phase: what the prototxt says; phase is the net's where it says none.
    blobs: its parameters, a BlobVec of HostBlobs.
    """

    def __init__(self, layer: base.Layer) -> None:
        self._layer = layer
        vars(self)["blobs"] = BlobVec(layer.blobs, layer.new_blob)
        self.phase = layer.phase

    @property
    def name(self) -> str:
        return self._layer.name

    @property
    def type(self) -> str:
        return self._layer.type

    def setup(self, bottom: Sequence[HostBlob], top: Sequence[HostBlob]) -> None:
        """Check that the layer can stand between so many blobs; parameters stay as they are.

        Its net has set it up when it was built, and as in Caffe a second time makes no new parameters.
        Raises GraphError for another number of blobs than the type takes.
        """
        self._layer.check_blob_counts(len(bottom), len(top))

    def reshape(self, bottom: Sequence[HostBlob], top: Sequence[HostBlob]) -> None:
        """Give the tops the shapes that follow from the bottoms', and compute nothing. Net.reshape does so everywhere.

        Raises GraphError for another number of blobs than the type takes, ShapeError for shapes that do not fit.
        """
        layer = self._layer
        layer.check_blob_counts(len(bottom), len(top))
        with layer.context.backend.at_work(), layer.placing_errors():
            layer.reshape(blobs_behind(bottom), blobs_behind(top))

    def __repr__(self) -> str:
        return f'<Layer "{self.name}" ({self.type})>'


def blobs_behind(views: Sequence[HostBlob]) -> list[Blob]:
    """The net's blobs that scripts hold views of. Raises TypeError for anything else."""
    for view in views:
        if not isinstance(view, HostBlob):
            raise TypeError(f'bottom and top are lists of blobs, [net.blobs["data"]], not of {view!r}')
    return [view._blob for view in views]


def as_scripts_see(layer: base.Layer) -> Layer:
    """The user's own object of a Python layer, a HostLayer of any other."""
    return layer.user if isinstance(layer, PythonLayer) else HostLayer(layer)
