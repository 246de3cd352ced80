"""python tests/endurance TRIAL: the long forms (README.md)."""

import sys
from pathlib import Path

# This checkout's minicaffe, and the modules under the names that pytest gives them.
sys.path[:1] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from endurance.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
