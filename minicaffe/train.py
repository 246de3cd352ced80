"""python -m minicaffe.train SOLVER: the same as `minicaffe train SOLVER`."""

import sys

from minicaffe.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
