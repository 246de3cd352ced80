"""Blob: a shape with two arrays, data and diff; and HostBlob, the same as scripts see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from minicaffe import backend as backends
from minicaffe.backend import layout as layouts
from minicaffe.backend.layout import Layout, Shape
from minicaffe.backend.memory import Storage
from minicaffe.errors import MinicaffeError, ShapeError

if TYPE_CHECKING:
    from minicaffe.blob_picture import BlobPicture

MAX_AXES = 32
MAX_COUNT = 2**31 - 1
DATA, DIFF = 0, 1
# What the axes of a blob were called when all had four.
LEGACY = ("num", "channels", "height", "width")


def legacy_sizes(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape with ones from the left for the axes it lacks of four."""
    return (1,) * (len(LEGACY) - len(shape)) + tuple(shape)


class Blob:
    """A shape with two arrays of the net's backend: `data`, and `diff`, its gradient.

    Both are zero-filled and allocated when first touched. Reshaping to a count that fits the memory
    keeps the contents in C order, as Caffe's Blob does; growing drops them.

    shape: 0 to 32 axes; a scalar has none and count 1; a blob that was never shaped has count 0.
    layout: shape -> memory order (backend/layout.py); C order by default.
    """

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        *,
        backend: backends.Backend = backends.CPU,
        dtype: Any = np.float32,
        layout: Layout = layouts.c_order,
    ) -> None:
        self.backend, self.dtype, self.layout = backend, np.dtype(dtype), layout
        self.shape: Shape = ()
        self.count = 0
        self._storage = [Storage(backend, dtype), Storage(backend, dtype)]
        self._owns = [True, True]
        self._flats: list[Any] = [None, None]
        self._arrays: list[Any] = [None, None]
        if shape is not None:
            self.reshape(*shape)

    # --- shape ---------------------------------------------------------------------------------

    def reshape(self, *shape: int) -> None:
        """Take a new shape.

        Raises ShapeError for more than 32 axes, a negative size, or 2**31 values and more.
        """
        if shape == self.shape and self.count:
            return
        new, count = checked_shape(shape)
        order = self.layout(new)
        for storage, owned in zip(self._storage, self._owns, strict=True):
            if owned:
                if not storage.grow(count) and storage.allocated:
                    layouts.rearrange(storage.device(), self.shape, storage.order, new, order)
                storage.order = order
        self.shape, self.count = new, count
        self._flats = [None, None]

    def reshape_like(self, other: Blob) -> None:
        self.reshape(*other.shape)

    @property
    def num_axes(self) -> int:
        return len(self.shape)

    @property
    def order(self) -> str:
        """The memory order of `data`."""
        return self._storage[DATA].order

    def canonical_axis(self, axis: int) -> int:
        """A non-negative axis; negative ones count from the end. Raises ShapeError when out of range."""
        if not -self.num_axes <= axis < self.num_axes:
            axes = f"its {self.num_axes} axes are numbered {-self.num_axes} to {self.num_axes - 1}"
            raise ShapeError(
                f"axis {axis} does not exist in a blob of shape {shape_text(self.shape)}: "
                f"{axes if self.num_axes else 'a scalar has no axes'}"
            )
        return axis % self.num_axes

    def count_between(self, start: int, end: int | None = None) -> int:
        """The product of the sizes of axes start to end - 1 (to the last one by default)."""
        return math.prod(self.shape[start:end])

    def legacy_axis(self, axis: int) -> int:
        """num, channels, height or width: the size of axis 0 to 3, 1 where there is none."""
        if self.num_axes > 4:
            name = LEGACY[axis]
            raise ShapeError(
                f"{name} is defined for blobs of at most 4 axes, and this one has shape "
                f"{shape_text(self.shape)}: use shape[{axis}]"
            )
        return self.shape[axis] if axis < self.num_axes else 1

    # --- contents ------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The values: an array of the backend, of this shape, in any memory order."""
        return self._array(DATA)

    @property
    def diff(self) -> Any:
        """The gradient with respect to `data`."""
        return self._array(DIFF)

    def _array(self, which: int) -> Any:
        storage = self._storage[which]
        flat = storage.device()
        if flat is not self._flats[which]:
            self._flats[which], self._arrays[which] = flat, self._shaped(flat, storage)
        return self._arrays[which]

    def _shaped(self, flat: Any, storage: Storage) -> Any:
        if self.shape == () and self.count == 0:
            raise ShapeError("this blob has no shape yet: reshape it before you use its data")
        return layouts.view(flat, self.shape, storage.order)

    def claim_zero_diff(self) -> Any:
        """`diff` if it counts as zeros that are not written yet, else None. The caller overwrites all of it."""
        flat = self._storage[DIFF].claim_zeros()
        return None if flat is None else self.diff

    def host_array(self, which: int) -> np.ndarray:
        """DATA or DIFF as a NumPy array that writes through; on a GPU the host copy is the newer from now on."""
        storage = self._storage[which]
        return self._shaped(storage.host(), storage)

    def load(self, which: int, array: np.ndarray) -> None:
        """Overwrite DATA or DIFF with a host array of this shape."""
        storage = self._storage[which]
        np.copyto(self._shaped(storage.host(fetch=False), storage), array)

    # --- sharing -------------------------------------------------------------------------------

    def share_data(self, other: Blob) -> None:
        """Make `data` the same memory as other's. Counts must agree; shapes need not."""
        self._share(DATA, other)

    def share_diff(self, other: Blob) -> None:
        """Make `diff` the same memory as other's. Counts must agree; shapes need not."""
        self._share(DIFF, other)

    def can_alias(self, shape: Shape, which: int = DATA) -> bool:
        """Whether a blob of `shape` (same count) can be a view of this one's memory, DATA or DIFF.

        With the batch innermost that needs the same batch axis in front.
        """
        in_c_order = self._storage[which].order == layouts.C_ORDER
        return in_c_order or (len(shape) > 0 and shape[0] == self.shape[0])

    def _share(self, which: int, other: Blob) -> None:
        if other.count != self.count:
            raise ShapeError(
                f"cannot share memory between blobs of shape {shape_text(self.shape)} and {shape_text(other.shape)}"
            )
        self._storage[which], self._owns[which] = other._storage[which], False
        self._flats[which] = None

    def rebind(self, which: int, flat: Any) -> None:
        """Move DATA or DIFF into `flat`, a slice of a larger buffer; contents come along. C order only."""
        self._storage[which].rebind(flat)

    def storage(self, which: int) -> Storage:
        return self._storage[which]


class HostBlob:
    """A blob as scripts see it: NumPy arrays that write through, Caffe's attributes, nothing to assign to.

        net.blobs["data"].data[...] = images            # (N, C, H, W)
        net.blobs["data"].reshape(1, 3, 224, 224)       # and the next pass has the other shapes

    data, diff: arrays of `shape`, float32 unless the net is of another dtype; a new array object each time. In GPU mode
    they are copies on the host: reading one fetches it, and what is written there reaches the GPU before the next pass.
    shape: a tuple of integers.  count: their product.
    num, channels, height, width: the first four sizes, 1 where there is no such axis; ShapeError with more than four.

    Other libraries read and write `data` without a copy, the data of a net in GPU mode on the GPU:
        np.asarray(blob)                                # on the host, always: __array_interface__
        torch.from_dlpack(blob), cupy.from_dlpack(blob) # where the net computes: __dlpack__
        cupy.asarray(blob), torch.as_tensor(blob)       # in GPU mode: __cuda_array_interface__
    Arrays keep the memory they show. Reshaping a blob to more values than ever gives it other memory, and earlier
    arrays then stand alone.
    """

    __slots__ = ("_blob", "_lent")

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        # By address, the memory that was lent as a bare address: whoever took it keeps only this object alive.
        self._lent: dict[int, Any] = {}

    @property
    def data(self) -> np.ndarray:
        """The values."""
        return self._blob.host_array(DATA)

    @data.setter
    def data(self, values: NoReturn) -> NoReturn:
        raise AttributeError("a blob's data cannot be assigned to: write into it, blob.data[...] = values")

    @property
    def diff(self) -> np.ndarray:
        """The gradient with respect to `data`."""
        return self._blob.host_array(DIFF)

    @diff.setter
    def diff(self, values: NoReturn) -> NoReturn:
        raise AttributeError("a blob's diff cannot be assigned to: write into it, blob.diff[...] = values")

    @property
    def shape(self) -> Shape:
        """The size of each axis; () for a scalar."""
        return self._blob.shape

    @property
    def count(self) -> int:
        """How many values the blob holds."""
        return self._blob.count

    @property
    def num(self) -> int:
        """The size of axis 0."""
        return self._blob.legacy_axis(0)

    @property
    def channels(self) -> int:
        """The size of axis 1."""
        return self._blob.legacy_axis(1)

    @property
    def height(self) -> int:
        """The size of axis 2."""
        return self._blob.legacy_axis(2)

    @property
    def width(self) -> int:
        """The size of axis 3."""
        return self._blob.legacy_axis(3)

    def reshape(self, *dims: int, **kwargs: Any) -> None:
        """Take a new shape, reshape(2, 3, 4, 5): one integer per axis; none makes a scalar.

        Values stay where they fit, in C order; a blob that grows beyond what it ever held is zero. Shapes further on
        follow with the next forward pass, or Net.reshape.
        Raises TypeError for a tuple, ShapeError for a size that cannot be.
        """
        if kwargs:
            raise MinicaffeError("Blob.reshape takes no kwargs: pass the sizes as integers, reshape(2, 3, 4, 5)")
        for dim in dims:
            if not isinstance(dim, int | np.integer):
                raise TypeError(f"Blob.reshape takes integers, reshape(2, 3, 4, 5), not {dim!r}")
        self._blob.reshape(*map(int, dims))

    # --- for other libraries -------------------------------------------------------------------

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """`data` on the host, in NumPy's protocol."""
        array = self.data
        self._lent[array.ctypes.data] = array
        return array.__array_interface__

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """`data` on the GPU, in Numba's protocol. AttributeError in CPU mode, so that others are tried."""
        return self._lend_gpu(DATA, "__cuda_array_interface__").__cuda_array_interface__

    def __dlpack__(self, **options: Any) -> Any:
        """`data` where the net computes, in DLPack's protocol. options: stream, max_version, dl_device, copy."""
        return self._blob.data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The device's kind and number: (1, 0) is the CPU, (2, 0) the first GPU."""
        return self._blob.data.__dlpack_device__()

    @property
    def _gpu_data_ptr(self) -> int:
        """The address of `data` on the GPU, which others may write to. AttributeError in CPU mode."""
        return self._lend_gpu(DATA, "_gpu_data_ptr").data.ptr

    @property
    def _gpu_diff_ptr(self) -> int:
        """The address of `diff` on the GPU, which others may write to. AttributeError in CPU mode."""
        return self._lend_gpu(DIFF, "_gpu_diff_ptr").data.ptr

    def _lend_gpu(self, which: int, name: str) -> Any:
        if not self._blob.backend.is_gpu:
            raise AttributeError(f"no {name} in CPU mode: call set_mode_gpu() before you build the net")
        array = self._blob.diff if which == DIFF else self._blob.data
        self._lent[array.data.ptr] = array
        return array

    # --- for notebooks -------------------------------------------------------------------------

    def picture(self, diff: bool = False, channel_order: str = "BGR") -> BlobPicture:
        """The values, or the gradient, as an image grid, which a notebook shows (minicaffe/blob_picture.py).

            net.blobs["conv1"].picture()                            # blob alone, as the last line of a cell: the same
            net.params["conv1"][0].picture(diff=True)
            net.blobs["data"].picture().image().save("data.png")    # an image of Pillow

        channel_order: what three channels mean, "BGR" or "RGB"; "" shows each as a grey tile. ValueError for another.
        Looking changes nothing: on a GPU the values there stay the newer ones.
        """
        from minicaffe.blob_picture import blob_picture

        return blob_picture(self._as_it_is(DIFF if diff else DATA), channel_order)

    def _as_it_is(self, which: int) -> np.ndarray:
        """The values of DATA or DIFF on the host, to read; no memory is taken, and none is moved for good."""
        blob, storage = self._blob, self._blob.storage(which)
        if not blob.count:
            return np.empty(blob.shape or (0,))
        if not storage.allocated:
            return np.broadcast_to(blob.dtype.type(0), blob.shape)
        if storage.host_is_newer:
            return blob.host_array(which)
        return blob.backend.to_host(blob.diff if which == DIFF else blob.data)

    def _repr_png_(self) -> bytes:
        return self.picture().png()

    def __repr__(self) -> str:
        return f"<Blob {shape_text(self.shape)}>"


def checked_shape(shape: Sequence[int]) -> tuple[Shape, int]:
    """(shape, count), or ShapeError where Caffe's Blob would refuse it."""
    if len(shape) > MAX_AXES:
        raise ShapeError(f"a blob has at most {MAX_AXES} axes, not {len(shape)}")
    if any(dim < 0 for dim in shape):
        raise ShapeError(f"a blob cannot have shape {' '.join(map(str, shape))}: no size may be negative")
    count = math.prod(shape)
    if count > MAX_COUNT:
        raise ShapeError(
            f"blob size exceeds INT_MAX: shape {shape_text(shape)} needs {4 * count} bytes in float32; "
            f"a blob holds at most {MAX_COUNT} values"
        )
    return tuple(shape), count


def shape_text(shape: Sequence[int]) -> str:
    """A shape as Caffe's logs write it: `64 1 28 28 (50176)`; a scalar is `(1)`."""
    return "".join(f"{dim} " for dim in shape) + f"({math.prod(shape)})"
