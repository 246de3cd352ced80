"""Python: a layer that the user has written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from minicaffe import errors
from minicaffe.blob import DATA, Blob, HostBlob
from minicaffe.blob_vec import BlobVec
from minicaffe.errors import GraphError, MinicaffeError, ParamError
from minicaffe.io.blobproto import read_blob
from minicaffe.layers import consent
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.layers.user_layer import Layer as UserLayer


@register("Python")
class PythonLayer(Layer):
    """Hands its turns to an object of the user's class (layers/user_layer.py).

    bottom, top: any number, in C order; the user's code sees them as HostBlobs.
    python_param.module, .layer: where the class is.  .param_str (default ""): for the object.
    share_in_parallel changes nothing.
    user: the object.  What its code raises arrives as it is.
    Source: Caffe's python_layer.hpp; who may run code: layers/consent.py.
    """

    in_place = True
    c_order = True
    always_reshape = True
    user: Any = None

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        # As layer.hpp: blobs in the message come first, and setup may add to them.
        self.blobs += [self.stored_blob(*numbered) for numbered in enumerate(self.layer_param.blobs)]
        del self.layer_param.blobs[:]
        self.user = self.user_class()(self.layer_param)
        # Not self.new_blob: an object that held the layer that holds it would be freed late, with all its memory.
        new_blob = partial(Blob, backend=self.context.backend, dtype=self.context.dtype)
        vars(self.user)["blobs"] = BlobVec(self.blobs, new_blob)
        self.user.param_str = self.user.param_str_ = self.layer_param.python_param.param_str
        self.user.phase = self.phase
        self.user.setup(views(bottom), views(top))

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.method("reshape")(views(bottom), views(top))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.method("forward")(views(bottom), views(top))

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        self.method("backward")(views(top), list(propagate_down), views(bottom))

    def state(self) -> dict:
        return self.user.state() if self.keeps_state() else {}

    def restore(self, state: dict) -> None:
        if self.keeps_state():
            self.user.restore(state)

    def keeps_state(self) -> bool:
        """Whether the user's class means to: `state` alone may be anything of its own."""
        return all(callable(getattr(type(self.user), name, None)) for name in ("state", "restore"))

    def method(self, name: str) -> Any:
        found = getattr(self.user, name, None)
        if found is None or getattr(found, "__func__", None) is UserLayer.reshape:
            text = f'is "{type(self.user).__name__}", a class without a method {name}, which this net calls: add one'
            instead = ", or let no gradient be asked for here" if name == "backward" else ""
            raise self.error(GraphError, text + instead, "python_param.layer")
        return found

    def stored_blob(self, index: int, proto: Any) -> Blob:
        """blobs[index] of the message."""
        try:
            stored = read_blob(proto.SerializeToString())
        except MinicaffeError as error:
            raise self.error(type(error), f"cannot be used: {error}", f"blobs[{index}]") from error
        blob = self.new_blob(stored.shape)
        blob.load(DATA, stored.data)
        return blob

    def user_class(self) -> type:
        """The class that python_param names, if the user has consented to it.

        Raises ParamError otherwise, and from the ImportError where it cannot be had.
        """
        module, layer = (self.name_in(field) for field in ("module", "layer"))
        if not consent.is_allowed(module, layer):
            raise self.error(ParamError, refusal(module), "python_param.module")
        try:
            found = consent.find_class(module, layer)
        except consent.LacksClassError as error:
            raise self.error(ParamError, f'is "{layer}": {error}', "python_param.layer") from error
        except ImportError as error:
            raise self.error(ParamError, f'is "{module}": {error}; {advice(error)}', "python_param.module") from error
        if not consent.is_layer(found):
            text = f'is "{layer}", and in {module} that is {found!r}: must be a class that derives from minicaffe.Layer'
            raise self.error(ParamError, text, "python_param.layer")
        return found

    def name_in(self, field: str) -> str:
        """python_param.module or .layer, which could stand in an import."""
        name = getattr(self.layer_param.python_param, field)
        if not all(part.isidentifier() for part in name.split(".")):
            text = f'is "{name}", must be the name of a Python {"class" if field == "layer" else field}'
            raise self.error(ParamError, text, f"python_param.{field}")
        return name

    @contextmanager
    def placing_errors(self) -> Iterator[None]:
        """Only what minicaffe has found wrong gets this layer's place; the user's own exceptions stay themselves."""
        try:
            yield
        except MinicaffeError as error:
            if type(error).__module__ != errors.__name__:
                raise
            raise self.located(error) from error.__cause__


def views(blobs: Blobs) -> list[HostBlob]:
    return [HostBlob(blob) for blob in blobs]


def refusal(module: str) -> str:
    """What to say to a user who has not consented."""
    return (
        f'is "{module}": this net would run the code of that module, and you have not said that it may. If you trust '
        f"it: {consent.FLAG} {module} on the command line, or {consent.ENVIRONMENT}={module} in the environment "
        f'("{consent.EVERYTHING}" for every module), or import {module} in your program before it builds the net'
    )


def advice(error: ImportError) -> str:
    """What to do about a module that cannot be imported."""
    if error.name == "caffe":
        return "let that module import minicaffe as caffe, or call minicaffe.install_as_caffe() before"
    return "it must lie in a folder on Python's path: PYTHONPATH=FOLDER; and what it imports must be installed"
