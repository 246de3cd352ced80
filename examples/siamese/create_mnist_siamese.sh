#!/usr/bin/env bash
# Makes two databases of random pairs from the files in data/mnist: examples/siamese/mnist_siamese_{train,test}_lmdb.
# Those that were there are made anew. Options go to minicaffe.tools.convert_mnist_siamese_data: --seed 2.
#   BACKEND=leveldb    makes mnist_siamese_{train,test}_leveldb instead, as Caffe's example has it
# PYTHON names the interpreter, "python" by default.
set -e

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
backend=${BACKEND:-lmdb}
data=data/mnist
example=examples/siamese

for name in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
  if [[ ! -f $data/$name ]]; then
    echo "error: $data/$name is missing; run data/mnist/get_mnist.sh first" >&2
    exit 1
  fi
done
if [[ $backend != lmdb && $backend != leveldb ]]; then
  echo "error: BACKEND is $backend, must be lmdb or leveldb" >&2
  exit 1
fi

convert() {
  rm -rf "$example/mnist_siamese_$1_$backend"
  "${PYTHON:-python}" -m minicaffe.tools.convert_mnist_siamese_data --backend "$backend" "${@:4}" \
    "$2" "$3" "$example/mnist_siamese_$1_$backend"
}

convert train $data/train-images-idx3-ubyte $data/train-labels-idx1-ubyte "$@"
convert test $data/t10k-images-idx3-ubyte $data/t10k-labels-idx1-ubyte "$@"
