"""The peer of bench_train: the same networks, batches and optimizer in PyTorch, same output lines.

bench_train_torch.py [SECONDS] [THREADS]; exits 3 where torch is not installed.

Tuned in its favour: samples are ready in memory as normalised tensors, gradients are dropped instead of
zeroed, and run_bench.sh tells glibc to keep memory; the best of three stretches counts.
"""
import sys
import time

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    sys.exit(3)


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Conv2d(c_in, c_out, 1, stride) if stride > 1 else None

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.shortcut(x) if self.shortcut else x))


def lenet300():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(),
                         nn.Linear(100, 10))


def lenet5():
    return nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def resnet8():
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), Block(16, 16, 1),
                         Block(16, 32, 2), Block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(64, 10))


def best_speed(model, batch, shape, seconds):
    x, y = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    best = 0
    for _ in range(3):
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds / 3:
            for _ in range(5):
                optimizer.zero_grad(set_to_none=True)
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                steps += 1
        best = max(best, steps * batch / (time.perf_counter() - start))
    return best


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    torch.set_num_threads(threads)
    for name, build, batch, shape, macs in (("lenet-300-100", lenet300, 128, (1, 28, 28), 266200),
                                            ("lenet5", lenet5, 64, (1, 28, 28), 2293000),
                                            ("resnet8", resnet8, 64, (3, 32, 32), 12501632)):
        speed = best_speed(build().train(), batch, shape, seconds)
        print(f"train\t{name}\t{batch}\t{threads}\t{speed:.0f}\t{6e-9 * macs * speed:.1f}", flush=True)


main()
