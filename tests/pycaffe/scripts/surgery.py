# ruff: noqa
"""Net surgery, pictures through caffe.io, a Classifier, blobs as files, and a Python layer from a module beside it."""

import os
import sys

os.environ["GLOG_minloglevel"] = "2"
sys.path.insert(0, os.path.join("caffe_root", "python"))
import numpy as np
from PIL import Image

import caffe
import doubling  # the Python layer's module

CONV = """
name: "conv"
input: "data"
input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }
layer { name: "%s" type: "%s" bottom: "data" top: "fc" %s { num_output: 4 %s weight_filler { type: "gaussian" std: 1 } } }
layer { name: "twice" type: "Python" bottom: "fc" top: "twice" python_param { module: "doubling" layer: "Doubling" } }
layer { name: "prob" type: "Softmax" bottom: "twice" top: "prob" }
"""
with open("fc.prototxt", "w") as f:
    f.write(CONV % ("fc", "InnerProduct", "inner_product_param", ""))
with open("conv.prototxt", "w") as f:
    f.write(CONV % ("fc-conv", "Convolution", "convolution_param", "kernel_size: 6"))

fc = caffe.Net("fc.prototxt", caffe.TEST)
conv = caffe.Net("conv.prototxt", caffe.TEST)
conv.params["fc-conv"][0].data.flat = fc.params["fc"][0].data.flat
conv.params["fc-conv"][1].data[...] = fc.params["fc"][1].data
fc.save("fc.caffemodel")
old = caffe.Net("fc.prototxt", "fc.caffemodel", caffe.TEST)

pixels = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
Image.fromarray(pixels).save("cat.png")
image = caffe.io.load_image("cat.png")
transformer = caffe.io.Transformer({"data": fc.blobs["data"].data.shape})
transformer.set_transpose("data", (2, 0, 1))
transformer.set_channel_swap("data", (2, 1, 0))
transformer.set_raw_scale("data", 255)
transformer.set_mean("data", np.array([104.0, 117.0, 123.0]))
for net in (fc, conv, old):
    net.blobs["data"].reshape(1, 3, 6, 6)
    net.blobs["data"].data[...] = transformer.preprocess("data", image) / 255
    net.forward()
flat = [net.blobs["prob"].data.ravel() for net in (fc, conv, old)]
print("surgery:", np.allclose(flat[0], flat[1], atol=1e-5), (flat[0] == flat[2]).all())
print("blobs:", [(k, tuple(v.data.shape)) for k, v in conv.blobs.items()])

conv.blobs["data"].reshape(2, 3, 8, 7)
conv.reshape()
print("a map:", tuple(conv.forward(data=np.zeros((2, 3, 8, 7)))["prob"].shape))

blob = caffe.io.array_to_blobproto(fc.blobs["data"].data)
with open("mean.binaryproto", "wb") as f:
    f.write(blob.SerializeToString())
read = caffe.proto.caffe_pb2.BlobProto()
with open("mean.binaryproto", "rb") as f:
    read.ParseFromString(f.read())
print("blob:", np.array_equal(caffe.io.blobproto_to_array(read), fc.blobs["data"].data))

classifier = caffe.Classifier("fc.prototxt", "fc.caffemodel", image_dims=(8, 8), raw_scale=255, channel_swap=(2, 1, 0))
prediction = classifier.predict([image, image[::-1]])
print("classifier:", prediction.shape, np.allclose(prediction.sum(1), 1, atol=1e-5))

fc.blobs["data"].diff[...] = 0
try:
    fc.forward(wrong=np.zeros((1, 3, 6, 6)))
except Exception as e:
    print("told:", str(e)[:47])
try:
    caffe.Net("nowhere.prototxt", caffe.TEST)
except RuntimeError as e:
    print("told:", str(e).partition(": ")[0])
