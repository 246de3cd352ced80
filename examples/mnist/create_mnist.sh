#!/usr/bin/env bash
# Makes the tutorial's two databases from the files in data/mnist: examples/mnist/mnist_{train,test}_lmdb.
#   BACKEND=leveldb    makes mnist_{train,test}_leveldb instead, for the older tutorial
# A database that is complete and holds the same digits is left as it is; another is made anew.
# PYTHON names the interpreter, "python" by default.
set -e

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
backend=${BACKEND:-lmdb}
data=data/mnist
example=examples/mnist

for name in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
  if [[ ! -f $data/$name ]]; then
    echo "error: $data/$name is missing; run data/mnist/get_mnist.sh first" >&2
    exit 1
  fi
done

convert() {
  "${PYTHON:-python}" -m minicaffe.tools.convert_mnist_data --update --backend "$backend" "$@"
}

convert "$data/train-images-idx3-ubyte" "$data/train-labels-idx1-ubyte" "$example/mnist_train_$backend"
convert "$data/t10k-images-idx3-ubyte" "$data/t10k-labels-idx1-ubyte" "$example/mnist_test_$backend"
