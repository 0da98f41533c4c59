"""A deliberately naive NAS-Bench-201 supernet and NWOT kernel, written from the protocol and not from the product.

Every ReLU-Conv-BN has a ReLU of its own, every operation of every edge is computed and
multiplied by its weight, and an operation of weight zero also has its input multiplied
by zero, as in the papers' code. Nothing here is fast. Only numbers are borrowed from
the product: `copy_of(model)` copies the weights.
"""

import torch
from torch import nn
from torch.nn import functional as F

EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


class ReLUConvBN(nn.Module):
    def __init__(self, channels_in, channels_out, kernel, stride, affine):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x, blocked=False):
        if blocked:
            x = x * 0
        return self.bn(self.conv(self.relu(x)))


class Zero(nn.Module):
    def forward(self, x, blocked=False):
        return x * 0


class Identity(nn.Module):
    def forward(self, x, blocked=False):
        return x * 0 if blocked else x


class AveragePool(nn.Module):
    """The mean of a pixel's 3x3 neighbourhood, of those neighbours that lie within the image."""

    def forward(self, x, blocked=False):
        if blocked:
            x = x * 0
        height, width = x.shape[2:]
        rows = []
        for i in range(height):
            row = []
            for j in range(width):
                row.append(
                    x[:, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean(
                        dim=(2, 3)
                    )
                )
            rows.append(torch.stack(row, dim=2))
        return torch.stack(rows, dim=2)


def operation(name, channels, affine):
    if name == "none":
        return Zero()
    if name == "skip_connect":
        return Identity()
    if name == "avg_pool_3x3":
        return AveragePool()
    return ReLUConvBN(
        channels, channels, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[name], 1, affine
    )


class MixedCell(nn.Module):
    """`names[e]` are the operations that edge e holds."""

    def __init__(self, channels, names, affine):
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(operation(name, channels, affine) for name in row)
            for row in names
        )

    def forward(self, x, weights):
        nodes = [x]
        for target in (1, 2, 3):
            terms = []
            for e, (source, end) in enumerate(EDGES):
                if end == target:
                    for k, module in enumerate(self.edges[e]):
                        weight = weights[e][k]
                        terms.append(
                            weight * module(nodes[source], blocked=bool(weight == 0))
                        )
            nodes.append(sum(terms))
        return nodes[3]


class BasicBlock(nn.Module):
    """Stride two: two ReLU-Conv3x3-BN beside average pooling and a 1x1 convolution."""

    def __init__(self, channels):
        super().__init__()
        self.a = ReLUConvBN(channels, 2 * channels, 3, 2, True)
        self.b = ReLUConvBN(2 * channels, 2 * channels, 3, 1, True)
        self.down = nn.Conv2d(channels, 2 * channels, 1, bias=False)

    def forward(self, x):
        return self.b(self.a(x)) + self.down(F.avg_pool2d(x, 2, 2))


class NaiveNet(nn.Module):
    """Three stages of N cells at C, 2C and 4C.

    `forward(images, weights)` takes (6, operations) weights.
    """

    def __init__(self, channels, cells, image_channels, classes, names, affine):
        super().__init__()
        self.stem_conv = nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(channels)
        self.layers = nn.ModuleList()
        for stage in range(3):
            if stage > 0:
                self.layers.append(BasicBlock(channels * 2 ** (stage - 1)))
            for _ in range(cells):
                self.layers.append(MixedCell(channels * 2**stage, names, affine))
        self.last_bn, self.last_relu = nn.BatchNorm2d(4 * channels), nn.ReLU()
        self.linear = nn.Linear(4 * channels, classes)

    def forward(self, images, weights):
        x = self.stem_bn(self.stem_conv(images))
        for layer in self.layers:
            x = layer(x, weights) if isinstance(layer, MixedCell) else layer(x)
        return self.linear(self.last_relu(self.last_bn(x)).mean(dim=(2, 3)))


def pairs_of(ours, mine):
    """(tensor of the product, tensor of the naive net) for every weight, bias and running statistic."""
    pairs = []

    def add(a, b, *names):
        for name in names:
            if getattr(b, name) is not None:
                pairs.append((getattr(a, name), getattr(b, name)))

    bn = ("weight", "bias", "running_mean", "running_var")

    def add_relu_conv_bn(a, b):
        add(a[0], b.conv, "weight")
        add(a[1], b.bn, *bn)

    add(ours.stem[0], mine.stem_conv, "weight")
    add(ours.stem[1], mine.stem_bn, *bn)
    for a, b in zip(ours.layers, mine.layers, strict=True):
        if isinstance(b, BasicBlock):
            add_relu_conv_bn(a.conv_a, b.a)
            add_relu_conv_bn(a.conv_b, b.b)
            add(a.downsample[1], b.down, "weight")
        else:
            for built, modules, names in zip(a.edges, b.edges, mine.names, strict=True):
                for name, module in zip(names, modules, strict=True):
                    if isinstance(module, ReLUConvBN):
                        add_relu_conv_bn(built[name], module)
    add(ours.last_norm, mine.last_bn, *bn)
    add(ours.classifier, mine.linear, "weight", "bias")
    return pairs


def copy_of(model, channels, cells):
    """The naive net with the weights of a supernet (all operations) or network (its architecture's) of nb201."""
    supernet = not hasattr(model, "architecture")
    names = [OPERATIONS] * 6
    if not supernet:
        names = [[OPERATIONS[k]] for k in model.architecture.choices[0]]
    image_channels, classes = model.stem[0].in_channels, model.classifier.out_channels
    mine = NaiveNet(
        channels, cells, image_channels, classes, names, affine=not supernet
    )
    mine.names = names
    mine = mine.to(model.classifier.weight.dtype)
    with torch.no_grad():
        for theirs, own in pairs_of(model, mine):
            own.copy_(theirs.reshape(own.shape))
    return mine.train(model.training)


def kernel(net, images, weights):
    """NWOT's K by the released code's rule: every module with "ReLU" in its class name tells its input."""
    count = len(images)
    total = torch.zeros(count, count, dtype=torch.float64)

    def listen(module, inputs, output):
        active = (inputs[0].reshape(count, -1) > 0).double()
        for i in range(count):
            for j in range(count):
                total[i, j] += (active[i] * active[j]).sum() + (
                    (1 - active[i]) * (1 - active[j])
                ).sum()

    hooks = [
        m.register_forward_hook(listen)
        for m in net.modules()
        if "ReLU" in type(m).__name__
    ]
    with torch.no_grad():
        net(images, weights)
    for hook in hooks:
        hook.remove()
    return total
