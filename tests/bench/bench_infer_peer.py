"""The peer of bench_infer: the same networks in ONNX Runtime, same output lines.

bench_infer_peer.py [BATCH [THREADS [SECONDS]]]; exits 3 where onnxruntime or onnx is not installed.

In the peer's favour: inputs and outputs are bound once, all graph optimizations are on, spinning is
left as it is, and the time of a network that only copies ten numbers (the cost of calling from Python) is
taken off every median and minimum.  int8 is static QDQ, per channel, u8 activations and s8 weights, which
ONNX Runtime fuses into integer kernels.
"""
import os
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
except ImportError:
    sys.exit(3)

rng = np.random.default_rng(1)


class Net:
    """Layers one after the other, batch norm already folded, as a deployed network has it."""

    def __init__(self, shape):
        self.shape, self.nodes, self.weights, self.n = shape, [], [], 0

    def weight(self, *shape):
        self.n += 1
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 100
        data = (rng.standard_normal(shape) * (2 / fan_in) ** 0.5).astype(np.float32)
        self.weights.append(numpy_helper.from_array(data, f"w{self.n}"))
        return f"w{self.n}"

    def node(self, op, inputs, **attributes):
        self.n += 1
        self.nodes.append(helper.make_node(op, inputs, [f"v{self.n}"], f"n{self.n}", **attributes))
        return f"v{self.n}"

    def conv(self, x, c, m, k, stride=1, pads=0, group=1, relu=True):
        k = k if isinstance(k, tuple) else (k, k)
        stride = stride if isinstance(stride, tuple) else (stride, stride)
        pads = pads if isinstance(pads, tuple) else (pads,) * 4
        y = self.node("Conv", [x, self.weight(m, c // group, *k), self.weight(m)], kernel_shape=k,
                      strides=stride, pads=pads, group=group)
        return self.node("Relu", [y]) if relu else y

    def gemm(self, x, k, m, relu=True):
        y = self.node("Gemm", [x, self.weight(m, k), self.weight(m)], transB=1)
        return self.node("Relu", [y]) if relu else y

    def model(self, out, batch):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *self.shape])
        y = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "net", [x], [y], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def lenet300(n):
    x = n.node("Flatten", ["x"])
    return n.gemm(n.gemm(n.gemm(x, 784, 300), 300, 100), 100, 10, relu=False)


def lenet5(n):
    x = n.conv("x", 1, 20, 5, relu=False)
    x = n.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = n.conv(x, 20, 50, 5, relu=False)
    x = n.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = n.node("Flatten", [x])
    return n.gemm(n.gemm(x, 800, 500), 500, 10, relu=False)


def resnet8(n):
    x, c = n.conv("x", 3, 16, 3, pads=1), 16
    for m, stride in ((16, 1), (32, 2), (64, 2)):
        pads = 1 if stride == 1 else (0, 0, 1, 1)
        y = n.conv(n.conv(x, c, m, 3, stride, pads), m, m, 3, 1, 1, relu=False)
        short = n.conv(x, c, m, 1, stride, relu=False) if stride > 1 else x
        x, c = n.node("Relu", [n.node("Add", [y, short])]), m
    x = n.node("Flatten", [n.node("GlobalAveragePool", [x])])
    return n.gemm(x, 64, 10, relu=False)


def ds_cnn(n):
    x = n.conv("x", 1, 64, (10, 4), 2, (4, 1, 5, 1))
    for _ in range(4):
        x = n.conv(n.conv(x, 64, 64, 3, 1, 1, group=64), 64, 64, 1)
    x = n.node("Flatten", [n.node("GlobalAveragePool", [x])])
    return n.gemm(x, 64, 12, relu=False)


def mobilenet(n):
    x, c = n.conv("x", 3, 8, 3, 2, (0, 0, 1, 1)), 8
    for m, s in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (128, 1),
                 (128, 1), (128, 1), (256, 2), (256, 1)):
        x = n.conv(x, c, c, 3, s, 1 if s == 1 else (0, 0, 1, 1), group=c)
        x, c = n.conv(x, c, m, 1), m
    x = n.node("Flatten", [n.node("GlobalAveragePool", [x])])
    return n.gemm(x, 256, 2, relu=False)


def autoencoder(n):
    x, k = "x", 640
    for m in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x, k = n.gemm(x, k, m), m
    return n.gemm(x, k, 640, relu=False)


NETS = {"lenet-300-100": (lenet300, (1, 28, 28)), "lenet5": (lenet5, (1, 28, 28)),
        "resnet8": (resnet8, (3, 32, 32)), "ds-cnn": (ds_cnn, (1, 49, 10)),
        "mobilenetv1-0.25": (mobilenet, (3, 96, 96)), "fc-autoencoder": (autoencoder, (640,))}


class Calibration(CalibrationDataReader):
    def __init__(self, shape):
        self.left = [rng.random(shape, dtype=np.float32) for _ in range(4)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


class Subject:
    def __init__(self, name, kind, path, shape, n_threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.name, self.kind, self.samples = name, kind, []
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        x = ort.OrtValue.ortvalue_from_numpy(rng.random(shape, dtype=np.float32))
        self.binding.bind_ortvalue_input("x", x)
        out = self.session.get_outputs()[0].name
        y = self.session.run(None, {"x": x.numpy()})[0]
        self.y = ort.OrtValue.ortvalue_from_numpy(np.zeros_like(y))
        self.binding.bind_ortvalue_output(out, self.y)
        self.x, self.n_runs = x, 1
        while self.time() < 0.5e-3:
            self.n_runs *= 2

    def time(self):
        run, binding = self.session.run_with_iobinding, self.binding
        start = time.perf_counter()
        for _ in range(self.n_runs):
            run(binding)
        return time.perf_counter() - start

    def sample(self):
        self.samples.append(self.time() / self.n_runs)


def main():
    batch = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    n_threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3
    subjects = []
    with tempfile.TemporaryDirectory() as folder:
        empty = Net((10,))
        path = os.path.join(folder, "empty.onnx")
        onnx.save(empty.model(empty.node("Identity", ["x"]), 1), path)
        nothing = Subject("call", "none", path, (1, 10), n_threads)
        subjects.append(nothing)
        for name, (build, shape) in NETS.items():
            net = Net(shape)
            f32, int8 = os.path.join(folder, f"{name}.onnx"), os.path.join(folder, f"{name}.int8.onnx")
            onnx.save(net.model(build(net), batch), f32)
            subjects.append(Subject(name, "f32", f32, (batch, *shape), n_threads))
            quantize_static(f32, int8, Calibration((batch, *shape)), quant_format=QuantFormat.QDQ,
                            per_channel=True, activation_type=QuantType.QUInt8,
                            weight_type=QuantType.QInt8)
            subjects.append(Subject(name, "int8", int8, (batch, *shape), n_threads))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for s in subjects:
                s.sample()
    call = np.median(nothing.samples)
    print(f"# onnxruntime {ort.__version__}, a call costs {call * 1e6:.2f} us, taken off")
    for s in subjects[1:]:
        print(f"infer\t{s.name}\t{s.kind}\t{batch}\t{n_threads}\t{(np.median(s.samples) - call) * 1e6:.3f}"
              f"\t{(np.min(s.samples) - call) * 1e6:.3f}")


main()
