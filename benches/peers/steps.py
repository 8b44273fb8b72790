"""Times the training steps of benches/steps.rs in PyTorch. `python steps.py a 5` prints one line of JSON,
`python steps.py a 5 cuda` runs on a GPU, and `python steps.py a 5 cuda tf32` allows TF32 matrix products."""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(2)
torch.manual_seed(1)


class WaveNet(nn.Module):
    """Dilated convolutions as two matrix products over time-major rows, which are faster on a CPU than nn.Conv1d."""

    def __init__(self, layers=20, residual=64, skip=128, classes=256, head=256):
        super().__init__()
        self.residual = residual
        self.embedding = nn.Embedding(classes, residual)
        self.dilations = [2 ** (i % 10) for i in range(layers)]
        self.past = nn.ModuleList(nn.Linear(residual, 2 * residual, bias=False) for _ in range(layers))
        self.current = nn.ModuleList(nn.Linear(residual, 2 * residual) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(residual, residual + skip) for _ in range(layers))
        self.head = nn.Linear(skip, head)
        self.logits = nn.Linear(head, classes)

    def forward(self, tokens):
        x = self.embedding(tokens.t())
        skips = 0
        for d, past, current, out in zip(self.dilations, self.past, self.current, self.out):
            shifted = F.pad(x, (0, 0, 0, 0, d, 0))[: x.shape[0]]
            f, g = (past(shifted) + current(x)).chunk(2, -1)
            r = out(torch.tanh(f) * torch.sigmoid(g))
            x = x + r[..., : self.residual]
            skips = skips + r[..., self.residual :]
        return self.logits(F.relu(self.head(F.relu(skips)))).transpose(0, 1)


class SampleTier(WaveNet):
    """The same with what a sample tier reads besides: conditions that change every `hop` samples, the class that is predicted
    for the next sample and the level of the prediction's error. The predictions cost nothing here: they are given."""

    def __init__(self, levels=24, condition=399, features=128, classes=256, residual=64):
        super().__init__()
        self.classes = classes
        self.predicted = nn.Embedding(classes, residual)
        self.level = nn.Embedding(levels, residual)
        self.features = nn.Linear(condition, features)
        self.conditioning = nn.ModuleList(nn.Linear(features, 2 * residual, bias=False) for _ in self.dilations)
        self.table = nn.Parameter(torch.randn(levels, 2 * classes - 1) * 0.01)

    def forward(self, tokens, predicted, levels, conditions):
        x = self.embedding(tokens.t()) + self.predicted(predicted.t()) + self.level(levels.t())
        features = F.relu(self.features(conditions.transpose(0, 1)))[:, None]
        hops, skips = features.shape[0], 0
        layers = zip(self.dilations, self.past, self.current, self.out, self.conditioning)
        for d, past, current, out, conditioning in layers:
            shifted = F.pad(x, (0, 0, 0, 0, d, 0))[: x.shape[0]]
            gates = (past(shifted) + current(x)).unflatten(0, (hops, -1)) + conditioning(features)
            f, g = gates.flatten(0, 1).chunk(2, -1)
            r = out(torch.tanh(f) * torch.sigmoid(g))
            x = x + r[..., : self.residual]
            skips = skips + r[..., self.residual :]
        logits = self.logits(F.relu(self.head(F.relu(skips)))).transpose(0, 1)
        windows = self.table.unfold(1, self.classes, 1).reshape(-1, self.classes)
        return logits + F.embedding(levels * self.classes + self.classes - 1 - predicted, windows)


class LstmModel(nn.Module):
    def __init__(self, classes=167, embedding=256, hidden=512):
        super().__init__()
        self.embedding = nn.Embedding(classes, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.logits = nn.Linear(hidden, classes)

    def forward(self, tokens):
        return self.logits(self.lstm(self.embedding(tokens))[0])


class SentenceVae(nn.Module):
    def __init__(self, words=10_000, width=256, code=32):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.encoder = nn.GRU(width, width, batch_first=True)
        self.code = nn.Linear(width, 2 * code)
        self.initial = nn.Linear(code, width)
        self.decoder = nn.GRU(width + code, width, batch_first=True)
        self.logits = nn.Linear(width, words)

    def loss(self, tokens):
        x = self.embedding(tokens)
        mean, log_variance = self.code(self.encoder(x)[1][0]).chunk(2, -1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        divergence = 0.5 * (log_variance.exp() + mean**2 - log_variance - 1).sum()
        steps = torch.cat([x, z[:, None].expand(-1, x.shape[1], -1)], -1)
        h = self.decoder(steps, torch.tanh(self.initial(z))[None])[0]
        nll = F.cross_entropy(self.logits(h).flatten(0, 1), tokens.flatten(), reduction="sum")
        return (nll + divergence) / tokens.shape[0]


class ImageVae(nn.Module):
    """Logits of one colour of two a pixel, the cheapest form of a categorical over two."""

    def __init__(self, code=32):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(64 * 49, 256), nn.ReLU(), nn.Linear(256, 2 * code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 256), nn.ReLU(), nn.Linear(256, 64 * 49), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1),
        )

    def loss(self, pictures):
        mean, log_variance = self.encoder(pictures).chunk(2, -1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        divergence = 0.5 * (log_variance.exp() + mean**2 - log_variance - 1).sum()
        nll = F.binary_cross_entropy_with_logits(self.decoder(z), pictures, reduction="sum")
        return (nll + divergence) / pictures.shape[0]


class Gan(nn.Module):
    """Generator and discriminator of the study of Lucic et al.; the latter has batch norm for ns alone; losses of both updates."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

        def norm(layer, width):
            return layer(width) if objective == "ns" else nn.Identity()

        self.generator = nn.Sequential(
            nn.Linear(64, 1024), nn.BatchNorm1d(1024), nn.LeakyReLU(0.2),
            nn.Linear(1024, 128 * 49), nn.BatchNorm1d(128 * 49), nn.LeakyReLU(0.2), nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1), norm(nn.BatchNorm2d, 128), nn.LeakyReLU(0.2), nn.Flatten(),
            nn.Linear(128 * 49, 1024), norm(nn.BatchNorm1d, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1),
        )

    def judged(self, pictures):
        """Scores, and the squared norms of their gradients by the pictures."""
        pictures = pictures.detach().requires_grad_()
        scores = self.discriminator(pictures)
        (gradient,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
        return scores, gradient.flatten(1).pow(2).sum(1)

    def discriminator_loss(self, real):
        made = self.generator(torch.randn(len(real), 64)).detach()
        if self.objective == "r3gan":
            (r, of_real), (f, of_made) = self.judged(real), self.judged(made)
            return F.softplus(f - r).mean() + 0.25 * (of_real + of_made).mean()
        r, f = self.discriminator(real), self.discriminator(made)
        if self.objective == "ns":
            return F.softplus(-r).mean() + F.softplus(f).mean()
        share = torch.rand(len(real), 1, 1, 1)
        _, squares = self.judged(made + (real - made) * share)
        return (f - r).mean() + 10 * ((squares + 1e-12).sqrt() - 1).pow(2).mean()

    def generator_loss(self, real):
        f = self.discriminator(self.generator(torch.randn(len(real), 64)))
        if self.objective == "ns":
            return F.softplus(-f).mean()
        if self.objective == "wgan-gp":
            return -f.mean()
        return F.softplus(self.discriminator(real) - f).mean()


def gan_updates(objective):
    net = Gan(objective)
    real = torch.rand(64, 1, 28, 28) * 2 - 1
    halves = [(net.discriminator, net.discriminator_loss), (net.generator, net.generator_loss)]
    optimizers = [torch.optim.Adam(half.parameters(), lr=1e-4, betas=(0.5, 0.9)) for half, _ in halves]

    def update():
        for (half, loss), optimizer in zip(halves, optimizers):
            net.requires_grad_(False)
            half.requires_grad_(True)
            optimizer.zero_grad(set_to_none=True)
            loss(real).backward()
            optimizer.step()

    return update


def likelihood(net, classes, rows, length):
    tokens = torch.randint(classes, (rows, length))
    return lambda: F.cross_entropy(net(tokens).flatten(0, 1), tokens.flatten())


def update_of(name):
    objectives = {"e": "ns", "f": "wgan-gp", "g": "r3gan"}
    if name in objectives:
        return gan_updates(objectives[name])
    net, loss = step(name)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.0)

    def update():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    return update


def step(name):
    if name == "a":
        net = WaveNet()
        return net, likelihood(net, 256, 4, 4096)
    if name == "h":
        net = SampleTier()
        tokens, predicted = (torch.randint(256, (4, 4096)) for _ in range(2))
        levels, conditions = torch.randint(24, (4, 4096)), torch.rand(4, 64, 399)
        return net, lambda: F.cross_entropy(net(tokens, predicted, levels, conditions).flatten(0, 1), tokens.flatten())
    if name == "b":
        net = LstmModel()
        return net, likelihood(net, 167, 32, 400)
    if name == "d":
        net = ImageVae()
        pictures = torch.randint(2, (64, 1, 28, 28)).float()
        return net, lambda: net.loss(pictures)
    net = SentenceVae()
    tokens = torch.randint(10_000, (32, 30))
    return net, lambda: net.loss(tokens)


def main():
    name, repeats = sys.argv[1], int(sys.argv[2])
    device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
    torch.set_default_device(device)
    if "tf32" in sys.argv[4:]:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    else:
        torch.backends.cudnn.allow_tf32 = False
    update = update_of(name)
    times = []
    for i in range(repeats + 2):
        begun = time.perf_counter()
        update()
        if device != "cpu":
            torch.cuda.synchronize(device)
        if i >= 2:
            times.append(round((time.perf_counter() - begun) * 1000, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"step": name, "ms": times, "peak_mib": round(peak)}))


main()
