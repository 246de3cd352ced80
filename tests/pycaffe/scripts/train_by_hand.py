# ruff: noqa
"""A net and a solver written in Python, a training loop by hand, accuracy counted by hand, snapshots, weights shared."""

from __future__ import print_function

import sys

import numpy as np

import caffe
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2

caffe.set_random_seed(1701)
caffe.set_mode_cpu()


def logreg(batch_size):
    n = caffe.NetSpec()
    n.data, n.label = L.MemoryData(batch_size=batch_size, channels=2, height=1, width=1, ntop=2)
    n.ip = L.InnerProduct(n.data, num_output=8, weight_filler=dict(type="xavier"))
    n.relu = L.ReLU(n.ip, in_place=True)
    n.score = L.InnerProduct(n.relu, num_output=2, weight_filler=dict(type="xavier"))
    n.accuracy = L.Accuracy(n.score, n.label, include=dict(phase=caffe.TEST))
    n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_param=dict(normalization=P.Loss.VALID), loss_weight=1)
    return n.to_proto()


with open("net.prototxt", "w") as f:
    f.write(str(logreg(10)))
s = caffe_pb2.SolverParameter()
s.train_net = "net.prototxt"
s.test_net.append("net.prototxt")
s.test_iter.append(4)
s.test_interval = 1000
s.test_initialization = False
s.base_lr, s.momentum, s.lr_policy = 0.1, 0.9, "fixed"
s.max_iter, s.display = 60, 0
s.snapshot_prefix = "byhand"
s.solver_mode = caffe_pb2.SolverParameter.CPU
with open("solver.prototxt", "w") as f:
    f.write(str(s))

solver = caffe.get_solver("solver.prototxt")
assert type(solver) is caffe.SGDSolver and type(solver.net) is caffe.Net
rng = np.random.RandomState(0)
x = rng.randn(100, 2, 1, 1).astype(np.float32)
y = (x[:, 0, 0, 0] * x[:, 1, 0, 0] > 0).astype(np.float32)
solver.net.set_input_arrays(x, y)
solver.test_nets[0].set_input_arrays(x, y)

seen = []
solver.add_callback(lambda: seen.append("start"), lambda: seen.append("ready"))
losses = np.zeros(60)
for it in range(60):
    solver.step(1)
    losses[it] = solver.net.blobs["loss"].data
print("loss fell:", losses[-10:].mean() < 0.5 * losses[:5].mean(), file=sys.stderr)

correct = 0
solver.test_nets[0].share_with(solver.net)
for _ in range(10):
    out = solver.test_nets[0].forward()
    predicted = solver.test_nets[0].blobs["score"].data.argmax(1)
    correct += (predicted == solver.test_nets[0].blobs["label"].data.ravel()).sum()
print("iterations:", solver.iter, "events:", len(seen), sorted(out))
print("correct:", correct >= 90, "accuracy of the last:", float(out["accuracy"]) > 0.7)
solver.snapshot()
again = caffe.AdamSolver("solver.prototxt")
again.net.copy_from("byhand_iter_60.caffemodel")
same = [(a.data == b.data).all() for k in again.net.params for a, b in zip(again.net.params[k], solver.net.params[k])]
print("weights:", len(same), all(same))
