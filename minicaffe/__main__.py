"""python -m minicaffe <command>"""

import sys

from minicaffe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
