"""From a line of an image list to a Datum: raw pixels, or an image file. As Caffe's ReadImageToDatum, io.cpp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minicaffe import log
from minicaffe.errors import DataError, ParamError
from minicaffe.io.datum import make_datum, make_encoded_datum, sizes_text
from minicaffe.io.decode import decode_image, path_text, read_bytes
from minicaffe.io.encode import KINDS, encode_image
from minicaffe.io.image_list import ImageList
from minicaffe.io.resize import resize

# Bytes of a protobuf message.
_LARGEST = 2**31 - 1


@dataclass
class Settings:
    """How images are stored.

    gray: 1 channel instead of 3. resize_height, resize_width: in pixels, both above 0 to resize.
    check_size: refuse images of another size than the first. encoded: as image files, else as pixels.
    encode_type: "png", "jpg", ..., of the files, by default as each file's name ends; implies encoded.
    Raises ParamError where they ask for what cannot be.
    """

    gray: bool = False
    resize_height: int = 0
    resize_width: int = 0
    check_size: bool = False
    encoded: bool = False
    encode_type: str = ""

    def __post_init__(self) -> None:
        # As convert_imageset.cpp: a negative size counts as none.
        self.resize_height, self.resize_width = max(0, self.resize_height), max(0, self.resize_width)
        if (size := self.resize_height * self.resize_width * (1 if self.gray else 3)) > _LARGEST:
            sizes = f"--resize_height {self.resize_height} and --resize_width {self.resize_width}"
            raise ParamError(f"{sizes} make images of {size:,} bytes; a Datum holds {_LARGEST:,}")
        if self.encode_type and self.encode_type.lower() not in KINDS:
            known = ", ".join(KINDS)
            raise ParamError(f"--encode_type is {self.encode_type}; the types that can be written are {known}")
        self.encoded |= bool(self.encode_type)
        if self.check_size and self.encoded:
            # Caffe refuses the second image, whatever its size: it looks for sizes that encoded Datums do not have.
            raise ParamError("--check_size compares raw pixels, and --encoded stores none; leave one of them out")


@dataclass
class Item:
    """A line of the list, read.

    image: uint8 (3, H, W) or (1, H, W). file: the image file to store, None to store the pixels.
    """

    label: int
    image: np.ndarray
    file: bytes | None

    def datum(self) -> bytes:
        if self.file is not None:
            return make_encoded_datum(self.file, self.label)
        return make_datum(self.image, self.label, encoded=False)


class ImageRecords:
    """Reads the lines of a list as the settings say."""

    def __init__(self, images: ImageList, settings: Settings) -> None:
        self._images, self._settings = images, settings
        self._size: tuple[int, ...] = ()

    def read(self, line: int) -> Item:
        """The image and the label of a line.

        Raises DataError or FileError, with the list's name and line, for what is missing or no image.
        """
        path, settings = self._images.path(line), self._settings
        label = self._images.label(line)
        with self._images.placing_errors(line):
            data = read_bytes(path)
            # Read even where the file is stored as it is: what is no image is found here, not in training.
            image = decode_image(data, not settings.gray, path_text(path))
            if settings.resize_height and settings.resize_width:
                image = resize(image, settings.resize_height, settings.resize_width)
            return Item(label, image, self._file(line, data, image) if settings.encoded else None)

    def check_size(self, line: int, item: Item) -> None:
        """Raise DataError for an image of another size than the first that was checked, where sizes are to be alike."""
        self._size = self._size or item.image.shape
        if self._settings.check_size and item.image.shape != self._size:
            found, wanted = sizes_text(item.image.shape), sizes_text(self._size)
            text = f"Incorrect data field size {item.image.size}: {path_text(self._images.path(line))} is {found}"
            text += f" (C x H x W), the first image {wanted}; resize all, or leave --check_size out"
            raise DataError(text, file=self._images.source, line=line + 1)

    def _file(self, line: int, data: bytes, image: np.ndarray) -> bytes:
        """The image file to store: the original where it will do, else one of the image as it was read.

        The original keeps its own channels, even where the image was read as grey: so does Caffe, which asks whether
        the image it has read has the channels it has asked for.
        """
        settings, ending = self._settings, self._ending(line)
        resized = settings.resize_height or settings.resize_width
        kind = settings.encode_type or ending
        if not resized and _same_kind(kind, ending):
            return data
        try:
            return encode_image(image, kind)
        except DataError as error:
            raise DataError(f"{error}; give --encode_type", file=path_text(self._images.path(line))) from error

    def _ending(self, line: int) -> str:
        """What stands behind the last dot of the file's name, all of it where there is none."""
        name = path_text(self._images.entry(line))
        if "." not in name and not self._settings.encode_type:
            log.warning(f"Failed to guess the encoding of '{name}'")
        return name.rpartition(".")[2].lower()


def _same_kind(kind: str, other: str) -> bool:
    return kind.lower().replace("jpeg", "jpg") == other.replace("jpeg", "jpg")
