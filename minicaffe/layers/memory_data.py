"""MemoryData: batches of arrays that the program hands over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.backend.layout import C_ORDER
from minicaffe.blob import DATA, Blob, shape_text
from minicaffe.errors import DataError, ParamError, ShapeError
from minicaffe.io.data_transformer import DataTransformer
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register

_SIZES = ("batch_size", "channels", "height", "width")


@register("MemoryData")
class MemoryDataLayer(Layer):
    """Serves arrays of the program's own, batch by batch, over and over.

    No bottoms. top[0]: (N, C, H, W).  top[1]: the labels, (N,) at first, (N, 1, 1, 1) from the first forward pass on.

    memory_data_param.batch_size, channels, height, width: N, C, H, W, all required.
    transform_param: for what add_datum_vector and add_mat_vector bring; arrays given to reset are taken as they are.

    On the CPU the arrays are used in place: an edit shows in the next batch that holds it, and a layer that works in
    place on a top writes into them, as in Caffe. Arrays that cannot be written to are copied batch by batch, and so
    are all on a GPU.

    Its state: position, the first item of the next batch; items, how many were transformed, which random crops and
    mirrors depend on. The arrays are the program's, to be handed over again before a snapshot is restored.
    Source: Caffe's memory_data_layer.cpp.
    """

    exact_bottom = 0
    exact_top = 2
    c_order = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.memory_data_param
        for name in _SIZES:
            if not getattr(param, name):
                text = f"is 0, must be 1 or more: {', '.join(_SIZES)} must all be given"
                raise self.error(ParamError, text, f"memory_data_param.{name}")
        self.batch_size: int = param.batch_size
        self.item_shape = (param.channels, param.height, param.width)
        self.transformer = DataTransformer(
            self.layer_param.transform_param, self.phase, self.context.seed, self.name, self.error_maker()
        )
        told = f"{self.batch_size}, for items {shape_text(self.item_shape)}"
        with self.blaming("memory_data_param.batch_size", told):
            top[0].reshape(self.batch_size, *self.item_shape)
        top[1].reshape(self.batch_size)
        self.data: np.ndarray | None = None
        self.labels: np.ndarray | None = None
        self.has_new_data = False
        self.position = self.items = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """The tops take their shapes in forward."""

    # --- what the program calls ----------------------------------------------------------------

    def reset(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Serve these arrays from now on, from their first item.

        data: (n, C, H, W), labels: (n, 1, 1, 1), in C order and of the net's type; n a multiple of the batch size.
        Neither copied nor transformed. Raises ShapeError for other arrays.
        """
        self._check_array("data array", data, self.item_shape)
        self._check_array("labels array", labels, (1, 1, 1))
        if len(data) != len(labels):
            text = f"data and labels must have the same first dimension, they have {len(data)} and {len(labels)}"
            raise self.error(ShapeError, text)
        self._check_count("first dimensions of input arrays", len(data))
        if self.layer_param.HasField("transform_param"):
            log.warning("MemoryData does not transform array data on Reset()")
        self._serve(data, labels, new=False)

    def add_datum_vector(self, datums: Sequence[Any]) -> None:
        """Serve the images and labels of Datums, messages or their bytes, transformed.

        A multiple of the batch size, one at least. Raises DataError while what was added before is not used up.
        """
        self._check_room("add data")
        self._check_count("the number of Datums", len(datums))
        values = [datum if isinstance(datum, bytes) else datum.SerializeToString() for datum in datums]
        batch = self.transformer.decode(values)
        self._add(batch.items, batch.labels)

    def add_mat_vector(self, mats: Sequence[np.ndarray], labels: Sequence[int]) -> None:
        """Serve images as OpenCV gives them, transformed: uint8 (H, W, C), channels in the order B, G, R, or (H, W).

        Otherwise as add_datum_vector; a label for each image.
        """
        self._check_room("add mat")
        self._check_count("the number of images", len(mats))
        if len(mats) != len(labels):
            raise self.error(ShapeError, f"{len(mats)} images need as many labels, there are {len(labels)}")
        for index, mat in enumerate(mats):
            if not isinstance(mat, np.ndarray) or mat.dtype != np.uint8 or mat.ndim not in (2, 3):
                found = f"{mat.dtype} of shape {mat.shape}" if isinstance(mat, np.ndarray) else type(mat).__name__
                text = f"image {index} is {found}, must be an array of uint8 of shape (H, W, C) or (H, W)"
                raise self.error(DataError, text)
        items = [np.atleast_3d(mat).transpose(2, 0, 1) for mat in mats]
        alike = len({item.shape for item in items}) == 1
        self._add(np.stack(items) if alike else items, labels)

    def set_batch_size(self, batch_size: int) -> None:
        """Serve batches of another size from now on. Raises DataError while what was added is not used up."""
        self._check_room("change batch_size")
        if batch_size < 1:
            text = f"is to become {batch_size}, must be 1 or more"
            raise self.error(ParamError, text, "memory_data_param.batch_size")
        self.batch_size = int(batch_size)

    # --- what a net calls ----------------------------------------------------------------------

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        if self.data is None or self.labels is None:
            text = "MemoryDataLayer needs to be initialized by calling Reset: it has no data yet; hand arrays over with"
            raise self.error(DataError, f"{text} net.set_input_arrays(data, labels), or the layer's own methods")
        count, first, behind = len(self.data), self.position, self.position + self.batch_size
        if count % self.batch_size or behind > count:
            text = f"has become {self.batch_size}, which does not divide the {count} items, from item {first} on"
            raise self.error(ShapeError, f"{text}; hand the data over again", "memory_data_param.batch_size")
        self._lend(self.data[first:behind], top[0])
        self._lend(self.labels[first:behind], top[1])
        self.position = behind % count
        self.has_new_data = self.has_new_data and self.position > 0

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Nothing lies below."""

    def state(self) -> dict:
        return {"position": self.position, "items": self.items}

    def restore(self, state: dict) -> None:
        """Go on where `state` was taken, in the arrays that are there; where none are, others begin at their first."""
        position, items = (self.count_in(state, name) for name in ("position", "items"))
        if self.data is None:
            position = 0
        elif position >= len(self.data):
            text = f"holds {len(self.data)} items, when the snapshot was taken they were more than {position}"
            raise self.error(DataError, f"{text}; hand the arrays of then over before you restore it")
        self.transformer.seed = self.context.seed
        self.position, self.items = position, items

    # --- how -----------------------------------------------------------------------------------

    def _add(self, items: np.ndarray | list[np.ndarray], labels: Sequence[int] | np.ndarray) -> None:
        """Transform the items and serve them."""
        count = len(items)
        data = np.empty((count, *self.item_shape), self.context.dtype)
        self.transformer.transform(items, data, self.items)
        self._serve(data, np.array(labels, self.context.dtype).reshape(count, 1, 1, 1), new=True)
        self.items += count

    def _serve(self, data: np.ndarray, labels: np.ndarray, new: bool) -> None:
        self.data, self.labels, self.position, self.has_new_data = data, labels, 0, new

    def _lend(self, values: np.ndarray, blob: Blob) -> None:
        """Let the values be the blob's data: in place where that can be, else as a copy."""
        blob.reshape(*values.shape)
        storage = blob.storage(DATA)
        if self.context.backend.is_gpu or storage.order != C_ORDER:
            blob.load(DATA, values)
        else:
            # What is the blob's memory already may be an array lent before: it must not be written to.
            storage.adopt(values.reshape(-1) if values.flags.writeable else values.flatten())

    def _check_array(self, name: str, array: np.ndarray, sizes: Sequence[int]) -> None:
        """As _caffe.cpp, in the same words."""
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} must be a NumPy array, not {type(array).__name__}")
        found = f"it is {array.dtype} of shape {array.shape}"
        dtype = self.context.dtype
        faults = {
            "must be C contiguous (numpy.ascontiguousarray makes it so)": not array.flags.c_contiguous,
            f"must be 4-d: (n, {', '.join(map(str, sizes))})": array.ndim != 4,
            f"must be {dtype}": array.dtype != dtype,
        }
        for axis, (wrong, size) in enumerate(zip(("number of channels", "height", "width"), sizes, strict=True), 1):
            faults[f"has wrong {wrong}, must be {size}"] = array.ndim == 4 and array.shape[axis] != size
        for fault, is_so in faults.items():
            if is_so:
                raise self.error(ShapeError, f"{name} {fault}; {found}")

    def _check_count(self, name: str, count: int) -> None:
        if not count or count % self.batch_size:
            text = f"{name} must be a multiple of the batch size, {self.batch_size}, and 1 or more, not {count}"
            raise self.error(ShapeError, text)

    def _check_room(self, what: str) -> None:
        if self.has_new_data:
            assert self.data is not None
            text = f"Can't {what} until current data has been consumed: {len(self.data) - self.position} of the"
            raise self.error(DataError, f"{text} {len(self.data)} items added before are left; run forward first")
