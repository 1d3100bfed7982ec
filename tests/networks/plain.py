"""The papers' convolutional networks once more, as ordinary `nn.Module`s with relu: the reference."""

from torch import nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    def __init__(self, channels, n_outputs, positions, widths=(20, 50, 500)):
        super().__init__()
        a, b, c = widths
        self.conv1 = nn.Conv2d(channels, a, 5)
        self.conv2 = nn.Conv2d(a, b, 5)
        self.fc3 = nn.Linear(b * positions, c)
        self.fc4 = nn.Linear(c, n_outputs)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc4(F.relu(self.fc3(x.flatten(1))))


class KerasNet(nn.Module):
    def __init__(self, channels, n_outputs, positions, widths=(32, 32, 64, 64, 512)):
        super().__init__()
        a, b, c, d, e = widths
        self.conv1 = nn.Conv2d(channels, a, 3, padding="same")
        self.conv2 = nn.Conv2d(a, b, 3)
        self.conv3 = nn.Conv2d(b, c, 3, padding="same")
        self.conv4 = nn.Conv2d(c, d, 3)
        self.fc5 = nn.Linear(d * positions, e)
        self.fc6 = nn.Linear(e, n_outputs)
        self.drop25, self.drop50 = nn.Dropout(0.25), nn.Dropout(0.5)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.drop25(F.max_pool2d(x, 2))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = self.drop25(F.max_pool2d(x, 2))
        return self.fc6(self.drop50(F.relu(self.fc5(x.flatten(1)))))


class Block(nn.Module):
    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels)
        if stride > 1:
            self.shortcut = nn.Conv2d(inputs, channels, 1, stride)

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class ResNet(nn.Module):
    def __init__(self, channels, n_outputs, blocks, widths=(16, 32, 64)):
        super().__init__()
        inputs = widths[0]
        self.conv0 = nn.Conv2d(channels, inputs, 3, padding=1)
        self.norm0 = nn.BatchNorm2d(inputs)
        for stage, width in enumerate(widths, 1):
            made = nn.Sequential()
            for number in range(1, blocks + 1):
                stride = 2 if stage > 1 and number == 1 else 1
                made.add_module(f"block{number}", Block(inputs, width, stride))
                inputs = width
            self.add_module(f"stage{stage}", made)
        self.output = nn.Linear(inputs, n_outputs)

    def forward(self, x):
        x = F.relu(self.norm0(self.conv0(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.output(F.adaptive_avg_pool2d(x, 1).flatten(1))


class AlexNet(nn.Module):
    def __init__(self, channels, n_outputs, positions, widths):
        super().__init__()
        a, b, c, d, e, f, g = widths
        self.conv1 = nn.Conv2d(channels, a, 11, 4)
        self.conv2 = nn.Conv2d(a, b, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(b, c, 3, padding=1)
        self.conv4 = nn.Conv2d(c, d, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(d, e, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(e * positions, f)
        self.fc7 = nn.Linear(f, g)
        self.fc8 = nn.Linear(g, n_outputs)
        self.norm = nn.LocalResponseNorm(5)  # PyTorch's defaults are Caffe's
        self.drop50 = nn.Dropout(0.5)

    def forward(self, x):
        x = F.max_pool2d(self.norm(F.relu(self.conv1(x))), 3, 2)
        x = F.max_pool2d(self.norm(F.relu(self.conv2(x))), 3, 2)
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = F.max_pool2d(F.relu(self.conv5(x)), 3, 2).flatten(1)
        x = self.drop50(F.relu(self.fc7(self.drop50(F.relu(self.fc6(x))))))
        return self.fc8(x)


def plain_name(name):
    """evoact's name of a parameter or statistic as PyTorch's modules have it."""
    stem, _, last = name.rpartition(".")
    names = {"scale": "weight", "shift": "bias", "mean": "running_mean", "variance": "running_var"}
    return f"{stem}.{names.get(last, last)}"


def load(module, tensors):
    """Give a module one member's tensors, by evoact's names."""
    state = module.state_dict()
    for name, value in tensors.items():
        target = state.pop(plain_name(name))
        target.copy_(value.view(target.shape))
    assert all(name.endswith(("num_batches_tracked", "running_mean", "running_var")) for name in state)
    return module
