"""A deliberately naive DARTS supernet and stand-alone network, written from the protocol and not from the product.

Every operation has a ReLU of its own, an edge adds up its operations one by one, and
those of weight zero are left out, as in the papers' code. Classes are named as there,
because NWOT's rule goes by the name. Nothing here is fast. Only numbers are borrowed
from the product: `copy_of(model)` copies the weights.
"""

import torch
from torch import nn
from torch.nn import functional as F

EDGES = [(source, target) for target in (2, 3, 4, 5) for source in range(target)]


class ReLUConvBN(nn.Module):
    """1x1, as cells preprocess their inputs."""

    def __init__(self, channels_in, channels_out, affine):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x):
        return self.bn(self.conv(self.relu(x)))


class FactorizedReduce(nn.Module):
    """Half of the channels see the pixels of even rows and columns, the other half those of odd ones."""

    def __init__(self, channels_in, channels_out, affine):
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(channels_in, channels_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(
            channels_in, channels_out - channels_out // 2, 1, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x):
        x = self.relu(x)
        return self.bn(
            torch.cat(
                [self.even(x[:, :, 0::2, 0::2]), self.odd(x[:, :, 1::2, 1::2])], dim=1
            )
        )


class SepConv(nn.Module):
    """Twice ReLU, depthwise, pointwise, BN; the first depthwise has the stride."""

    def __init__(self, channels, kernel, stride, affine):
        super().__init__()
        self.relu_a, self.relu_b = nn.ReLU(), nn.ReLU()
        self.depth_a = nn.Conv2d(
            channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False
        )
        self.point_a = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_a = nn.BatchNorm2d(channels, affine=affine)
        self.depth_b = nn.Conv2d(
            channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False
        )
        self.point_b = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_b = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x):
        x = self.bn_a(self.point_a(self.depth_a(self.relu_a(x))))
        return self.bn_b(self.point_b(self.depth_b(self.relu_b(x))))


class DilConv(nn.Module):
    """ReLU, depthwise with holes, pointwise, BN."""

    def __init__(self, channels, kernel, stride, affine):
        super().__init__()
        self.relu = nn.ReLU()
        self.depth = nn.Conv2d(
            channels,
            channels,
            kernel,
            stride,
            kernel - 1,
            2,
            groups=channels,
            bias=False,
        )
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x):
        return self.bn(self.point(self.depth(self.relu(x))))


def neighbours(x, outside):
    """(9, batch, channels, height, width): each pixel's 3x3 neighbourhood, with a value for what is outside."""
    height, width = x.shape[2:]
    x = F.pad(x, (1, 1, 1, 1), value=outside)
    return torch.stack(
        [x[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    )


class Pool(nn.Module):
    """The mean or maximum of a pixel's neighbours within the image, then BN where it is a supernet's."""

    def __init__(self, kind, channels, stride, normalised):
        super().__init__()
        self.kind, self.stride = kind, stride
        if normalised:
            self.bn = nn.BatchNorm2d(channels, affine=False)
        self.normalised = normalised

    def forward(self, x):
        if self.kind == "max":
            out = neighbours(x, -torch.inf).amax(dim=0)
        else:
            out = neighbours(x, 0).sum(dim=0) / neighbours(torch.ones_like(x), 0).sum(
                dim=0
            )
        out = out[:, :, :: self.stride, :: self.stride]
        return self.bn(out) if self.normalised else out


class Identity(nn.Module):
    def forward(self, x):
        return x


class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride] * 0


class NoiseOp(nn.Module):
    """Numbers that have nothing to do with the input; a test that lets it run says which (`drawn`)."""

    drawn = None

    def forward(self, x):
        return self.drawn


def operation(name, channels, stride, affine):
    match name.rsplit("_", 1):
        case ["none"]:
            return Zero(stride)
        case ["noise"]:
            return NoiseOp()
        case ["skip", _]:
            return (
                Identity()
                if stride == 1
                else FactorizedReduce(channels, channels, affine)
            )
        case ["max_pool" | "avg_pool" as kind, _]:
            # Only in a supernet, where nothing is affine, is a pool followed by BN.
            return Pool(kind[:3], channels, stride, normalised=not affine)
        case ["sep_conv", size]:
            return SepConv(channels, int(size[0]), stride, affine)
        case ["dil_conv", size]:
            return DilConv(channels, int(size[0]), stride, affine)


class MixedOp(nn.Module):
    def __init__(self, names, channels, stride, affine):
        super().__init__()
        self.names = names
        self.ops = nn.ModuleList(
            operation(name, channels, stride, affine) for name in names
        )

    def forward(self, x, weights):
        """None if nothing is added."""
        total = None
        for weight, op in zip(weights, self.ops, strict=True):
            if weight != 0:
                total = weight * op(x) if total is None else total + weight * op(x)
        return total


class Cell(nn.Module):
    """`names[e]` are the operations that edge e holds.

    Inputs: those of the two layers before.
    """

    def __init__(
        self, names, before_last, last, channels, reduction, reduction_before, affine
    ):
        super().__init__()
        self.reduction, self.channels = reduction, channels
        kind = FactorizedReduce if reduction_before else ReLUConvBN
        self.preprocess0 = kind(before_last, channels, affine)
        self.preprocess1 = ReLUConvBN(last, channels, affine)
        self.edges = nn.ModuleList(
            MixedOp(row, channels, 2 if reduction and source < 2 else 1, affine)
            for (source, _), row in zip(EDGES, names, strict=True)
        )

    def forward(self, before_last, last, weights):
        nodes = [self.preprocess0(before_last), self.preprocess1(last)]
        batch, _, height, width = nodes[1].shape
        size = (
            [(height + 1) // 2, (width + 1) // 2] if self.reduction else [height, width]
        )
        for target in (2, 3, 4, 5):
            total = torch.zeros(
                batch, self.channels, *size, dtype=last.dtype, device=last.device
            )
            for (source, end), edge, row in zip(
                EDGES, self.edges, weights, strict=True
            ):
                if end == target and (out := edge(nodes[source], row)) is not None:
                    total = total + out
            nodes.append(total)
        return torch.cat(nodes[2:], dim=1)


class NaiveDarts(nn.Module):
    """`forward(images, weights)`: per cell type, normal and reduction, a row of weights for each of the 14 edges."""

    def __init__(self, channels, layers, image_channels, classes, names, affine):
        super().__init__()
        self.stem_conv = nn.Conv2d(
            image_channels, 3 * channels, 3, padding=1, bias=False
        )
        self.stem_bn = nn.BatchNorm2d(3 * channels)
        self.cells = nn.ModuleList()
        before_last, last, reduction_before = 3 * channels, 3 * channels, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            if reduction:
                channels = 2 * channels
            cell = Cell(
                names[int(reduction)],
                before_last,
                last,
                channels,
                reduction,
                reduction_before,
                affine,
            )
            self.cells.append(cell)
            before_last, last, reduction_before = last, 4 * channels, reduction
        self.linear = nn.Linear(last, classes)

    def forward(self, images, weights):
        before_last = last = self.stem_bn(self.stem_conv(images))
        for cell in self.cells:
            before_last, last = (
                last,
                cell(before_last, last, weights[int(cell.reduction)]),
            )
        return self.linear(last.mean(dim=(2, 3)))


def ones(model):
    """Weights for the naive copy of a network: one wherever an edge has an operation."""
    return [
        [[1.0] * (choice is not None) for choice in row]
        for row in model.architecture.choices
    ]


def parts_of(ours, mine):
    """(module of the product, module of the naive net) for every part that holds weights or draws noise."""
    yield ours.stem, nn.ModuleList([mine.stem_conv, mine.stem_bn])
    for a, b in zip(ours.layers, mine.cells, strict=True):
        yield from zip(a.preprocess, (b.preprocess0, b.preprocess1), strict=True)
        for built, edge in zip(a.edges, b.edges, strict=True):
            for name, module in zip(edge.names, edge.ops, strict=True):
                if name != "none":
                    yield built[name], module
    yield ours.classifier, mine.linear


def pairs_of(ours, mine):
    """(tensor of the product, tensor of the naive net) for every weight, bias and running statistic."""

    def layers(part):
        return [
            m
            for m in part.modules()
            if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
        ]

    pairs = []
    for part, own in parts_of(ours, mine):
        for a, b in zip(layers(part), layers(own), strict=True):
            names = (
                "weight",
                "bias",
                *(
                    ("running_mean", "running_var")
                    if isinstance(b, nn.BatchNorm2d)
                    else ()
                ),
            )
            pairs += [
                (getattr(a, name), getattr(b, name))
                for name in names
                if getattr(b, name) is not None
            ]
    return pairs


def copy_of(model):
    """The naive net with the weights of a supernet (all operations) or network (its own) of DARTS."""
    supernet = not hasattr(model, "architecture")
    names = [list(cell.operations) for cell in model.space.cells]
    if not supernet:
        names = [
            [
                () if choice is None else (row[choice],)
                for row, choice in zip(cell, choices, strict=True)
            ]
            for cell, choices in zip(names, model.architecture.choices, strict=True)
        ]
    stem, layers = model.stem[0], model.skeleton.layers
    classes = model.classifier.out_channels
    mine = NaiveDarts(
        stem.out_channels // 3,
        len(layers),
        stem.in_channels,
        classes,
        names,
        affine=not supernet,
    )
    mine = mine.to(model.classifier.weight.dtype)
    with torch.no_grad():
        for theirs, own in pairs_of(model, mine):
            own.copy_(theirs.reshape(own.shape))
    return mine.train(model.training)
