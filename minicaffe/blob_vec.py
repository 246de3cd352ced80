"""BlobVec: the parameter blobs of a layer, as scripts see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, overload

from minicaffe.blob import Blob, HostBlob
from minicaffe.errors import MinicaffeError


class BlobVec(Sequence[HostBlob]):
    """`net.params["ip1"]`, and any layer's `blobs`: indexed, counted and walked through like a list.

    blobs: the layer's own list of Blobs, of which this is a view.  new_blob: makes one of a shape for that layer.
    Raises IndexError for an index that is not there.
    """

    __slots__ = ("_blobs", "_new_blob")

    def __init__(self, blobs: list[Blob], new_blob: Callable[[Sequence[int]], Blob]) -> None:
        self._blobs, self._new_blob = blobs, new_blob

    def __len__(self) -> int:
        return len(self._blobs)

    @overload
    def __getitem__(self, index: int) -> HostBlob: ...
    @overload
    def __getitem__(self, index: slice) -> list[HostBlob]: ...
    def __getitem__(self, index: int | slice) -> HostBlob | list[HostBlob]:
        if isinstance(index, slice):
            return [HostBlob(blob) for blob in self._blobs[index]]
        try:
            return HostBlob(self._blobs[index])
        except IndexError:
            raise IndexError(f"Index out of range: {index}, of {len(self)} blobs") from None

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(f"a blob cannot be exchanged: write into it, blobs[{index!r}].data[...] = values")

    def add_blob(self, *dims: int, **kwargs: Any) -> None:
        """Append a new blob of zeros, add_blob(2, 3): one integer per axis; none makes a scalar."""
        if kwargs:
            raise MinicaffeError("BlobVec.add_blob takes no kwargs: pass the sizes as integers, add_blob(2, 3)")
        blob = HostBlob(self._new_blob(()))
        blob.reshape(*dims)
        self.append(blob)

    def append(self, blob: HostBlob) -> None:
        """Append a blob that is there already: both names stand for one memory."""
        if not isinstance(blob, HostBlob):
            raise TypeError(f"a BlobVec holds blobs, not {blob!r}; add_blob(2, 3) makes a new one")
        self._blobs.append(blob._blob)

    def extend(self, blobs: Iterable[HostBlob]) -> None:
        """Append several."""
        for blob in blobs:
            self.append(blob)

    def _repr_png_(self) -> bytes | None:
        """The pictures of the blobs, below each other."""
        from minicaffe.blob_picture import png_of, stacked

        return png_of(stacked([blob.picture() for blob in self])) if self._blobs else None

    def __repr__(self) -> str:
        return f"<BlobVec of {', '.join(map(repr, self)) or 'no blobs'}>"
