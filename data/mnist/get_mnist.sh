#!/usr/bin/env bash
# Puts MNIST's four files, unpacked and checked, beside this script. Options go to minicaffe.tools.fetch_mnist:
#   --from DIR    take them from a folder (four IDX files, plain or .gz); MINICAFFE_MNIST_DIR says the same
#   --generate    draw digits instead (this is not MNIST)
# PYTHON names the interpreter, "python" by default.
set -e

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The folder of the caller stays the current one: --from may be relative to it.
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m minicaffe.tools.fetch_mnist --to "$here" "$@"
