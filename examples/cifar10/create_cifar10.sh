#!/usr/bin/env bash
# Makes the example's two databases from the files in data/cifar10, examples/cifar10/cifar10_{train,test}_lmdb, and the
# mean of the training images, mean.binaryproto. Those that were there are made anew.
#   BACKEND=leveldb    makes cifar10_{train,test}_leveldb instead
# PYTHON names the interpreter, "python" by default.
set -e

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
backend=${BACKEND:-lmdb}
data=data/cifar10
example=examples/cifar10

for name in data_batch_{1,2,3,4,5}.bin test_batch.bin; do
  if [[ ! -f $data/$name ]]; then
    echo "error: $data/$name is missing; run data/cifar10/get_cifar10.sh first" >&2
    exit 1
  fi
done
if [[ $backend != lmdb && $backend != leveldb ]]; then
  echo "error: BACKEND is $backend, must be lmdb or leveldb" >&2
  exit 1
fi

rm -rf "$example/cifar10_train_$backend" "$example/cifar10_test_$backend" $example/mean.binaryproto
"${PYTHON:-python}" -m minicaffe convert_cifar_data $data $example "$backend"
"${PYTHON:-python}" -m minicaffe compute_image_mean --backend "$backend" \
  "$example/cifar10_train_$backend" $example/mean.binaryproto
