"""What may be asked of a running solver from outside."""

from __future__ import annotations

import enum


class Action(enum.Enum):
    """NONE: go on.  SNAPSHOT: save, then go on.  STOP: save, then end."""

    NONE = "none"
    STOP = "stop"
    SNAPSHOT = "snapshot"
