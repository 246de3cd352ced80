"""What minicaffe raises: one base class, a kind per sort of fault, and where the fault lies.

Every text has the same shape, so that a reader (or an editor) can jump to the place:

    lenet.prototxt:41: layer "pool1" (Pooling): pooling_param.stride is 0, must be 1 or more; omit it for 1
    `---- where ----'  `---- layer ---------'  `-- field ---------' `-- what is wrong, and what to do -----'

Each part is there only when it is known, and is also an attribute of the exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field as dataclass_field
from typing import TypeVar

Kind = TypeVar("Kind", bound="MinicaffeError")


@dataclass(frozen=True)
class Origin:
    """The place in a text file that a message was read from.

    file: the path as the user gave it; "" for a message made in code.
    line: 1 for the first line; 0 when unknown.
    fields: line of each field inside the message, by path: "pooling_param.stride", "bottom[1]".
    """

    file: str = ""
    line: int = 0
    fields: Mapping[str, int] = dataclass_field(default_factory=dict)

    def line_of(self, field: str) -> int:
        """Line of `field`, or of the nearest message around it, or of the whole."""
        while field:
            for path in (field, field + "[0]"):
                if path in self.fields:
                    return self.fields[path]
            field = field.rpartition(".")[0]
        return self.line

    def error(self, kind: Callable[..., Kind], message: str, field: str = "", **layer: str) -> Kind:
        """An exception that says where `field` stands. layer: layer and layer_type of MinicaffeError."""
        return kind(message, file=self.file, line=self.line_of(field), field=field, **layer)


def reason_of(error: OSError) -> str:
    """What the system says, to go on with in the middle of a sentence."""
    return (error.strerror or str(error)).lower()


class MinicaffeError(RuntimeError):
    """Base of all that minicaffe raises on purpose.

    file, line, column: the place (a prototxt, a data file); layer, layer_type: the layer at fault;
    field: the setting at fault, as written in a prototxt, with its message: "pooling_param.stride".
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        layer: str = "",
        layer_type: str = "",
        field: str = "",
    ) -> None:
        self.file, self.line, self.column = file, line, column
        self.layer, self.layer_type, self.field = layer, layer_type, field
        place = ":".join(str(part) for part in (file, line, column) if part)
        layer_text = f'layer "{layer}"' if layer else ""
        if layer_type:
            layer_text += f" ({layer_type})" if layer_text else f"layer of type {layer_type}"
        what = f"{field} {message}" if field else message
        super().__init__(": ".join(part for part in (place, layer_text, what) if part))


class ParamError(MinicaffeError):
    """A prototxt or an argument asks for something that cannot be: unknown field, value out of range."""


class GraphError(MinicaffeError):
    """Layers do not fit together: unknown bottom, two producers of one blob, wrong number of blobs."""


class ShapeError(MinicaffeError):
    """Shapes do not fit: a bottom, a stored weight, an array handed over by the user."""


class FormatError(MinicaffeError):
    """The bytes of a file are not what they should be: cut short, wrong magic number, bad checksum."""


class DataError(MinicaffeError):
    """A value in the data is impossible: a label out of range, a Datum whose bytes do not match its shape."""


class FileError(MinicaffeError, OSError):
    """A file or folder that is missing, unreadable, not writable, or in the way."""


class DeviceError(MinicaffeError):
    """The device asked for is not there: no CuPy, no driver, no GPU of that number."""


class SolverError(MinicaffeError):
    """A solver cannot go on, or cannot take up a snapshot that belongs to another run."""


class DivergedError(SolverError):
    """The loss became NaN or infinite; the text names the first blob that went bad."""
