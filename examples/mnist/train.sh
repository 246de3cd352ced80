#!/usr/bin/env bash
# Trains a net on MNIST as a solver file says: fetches the files and makes the databases where they are not there yet.
#   ./examples/mnist/train.sh examples/mnist/lenet_solver_adam.prototxt [options of minicaffe.train]
# Paths are from the repository root. PYTHON names the interpreter, "python" by default.
set -e

if [[ $# -eq 0 ]]; then
  echo "error: no solver file is named, for example examples/mnist/lenet_solver_adam.prototxt" >&2
  exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$root/data/mnist/get_mnist.sh"
BACKEND=lmdb "$root/examples/mnist/create_mnist.sh"
cd "$root"
exec "${PYTHON:-python}" -m minicaffe.train "$@"
