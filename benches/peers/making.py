"""Times the WaveNets of benches/making.rs in PyTorch: one stream, sample by sample, with a queue per layer, on one
core, sampling included. `python making.py` prints a table of samples per second."""

import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(1)


class Stepper(nn.Module):
    """Fast generation of Le Paine et al. (2016): each layer keeps a queue of its last `dilation` inputs."""

    def __init__(self, layers, residual, skip, classes=256, head=256):
        super().__init__()
        self.embedding = nn.Embedding(classes, residual)
        self.dilations = [2 ** (i % 10) for i in range(layers)]
        self.both = nn.ModuleList(nn.Linear(2 * residual, 2 * residual) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(residual, residual + skip) for _ in range(layers))
        self.head = nn.Linear(skip, head)
        self.logits = nn.Linear(head, classes)
        self.residual = residual
        self.queues = [torch.zeros(d, residual) for d in self.dilations]

    def step(self, token, t):
        x = self.embedding.weight[token]
        skips = 0
        for queue, d, both, out in zip(self.queues, self.dilations, self.both, self.out):
            past = queue[t % d].clone()
            queue[t % d] = x
            f, g = both(torch.cat((past, x))).chunk(2)
            r = out(torch.tanh(f) * torch.sigmoid(g))
            x = x + r[: self.residual]
            skips = skips + r[self.residual :]
        return self.logits(F.relu(self.head(F.relu(skips))))


print("| WaveNet | samples/s |")
print("|---|---|")
with torch.no_grad():
    for layers, residual, skip in ((20, 32, 128), (20, 64, 128), (40, 64, 256)):
        net, token, steps = Stepper(layers, residual, skip), 128, 1000
        for t in range(100):
            net.step(token, t)
        begun = time.perf_counter()
        for t in range(steps):
            token = torch.multinomial(torch.softmax(net.step(token, t), 0), 1).item()
        print(f"| {layers} x {residual}/{skip} | {steps / (time.perf_counter() - begun):.0f} |", flush=True)
