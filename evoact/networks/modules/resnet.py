"""Residual networks of any size (He et al. 2016, section 3; their small version for CIFAR, section 4.2)."""

from collections.abc import Sequence

from torch import Tensor, nn

from evoact.errors import UserError
from evoact.networks.layers import check_batch_norm, image_shape
from evoact.networks.modules.named_modules import module_network
from evoact.networks.own.module_network import ModuleNetwork


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, inputs: int, channels: int, stride: int, bias: bool, momentum: float, epsilon: float):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=bias)
        self.norm1 = nn.BatchNorm2d(channels, epsilon, momentum)
        self.inner = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=bias)
        self.norm2 = nn.BatchNorm2d(channels, epsilon, momentum)
        self.stream = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=bias),
                nn.BatchNorm2d(channels, epsilon, momentum),
            )

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.norm2(self.conv2(self.inner(self.norm1(self.conv1(x)))))
        y: Tensor = self.stream(h + self.shortcut(x))
        return y


class ResNet(nn.Module):
    """A convolution, stages of blocks that halve the image and double the channels, the mean over positions."""

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        blocks: Sequence[int],
        width: int,
        bias: bool,
        norm_momentum: float,
        norm_epsilon: float,
    ):
        super().__init__()
        self.conv0 = nn.Conv2d(input_shape[0], width, 3, 1, 1, bias=bias)
        self.norm0 = nn.BatchNorm2d(width, norm_epsilon, norm_momentum)
        self.act0 = nn.ReLU()
        self.stages, inputs = nn.Sequential(), width
        for stage, number in enumerate(blocks):
            channels = width * 2**stage
            made = []
            for i in range(number):
                stride = 2 if stage and not i else 1
                made.append(Block(inputs, channels, stride, bias, norm_momentum, norm_epsilon))
                inputs = channels
            self.stages.append(nn.Sequential(*made))
        self.head = nn.Linear(inputs, n_outputs)

    def forward(self, images: Tensor) -> Tensor:
        h = self.stages(self.act0(self.norm0(self.conv0(images))))
        y: Tensor = self.head(h.mean((2, 3)))
        return y


def resnet(
    input_shape: tuple[int, ...],
    n_outputs: int,
    blocks: Sequence[int] = (2, 2, 2),
    width: int = 16,
    bias: bool = False,
    norm_momentum: float = 0.1,
    norm_epsilon: float = 1e-5,
) -> ModuleNetwork:
    """Return a residual network with so many `blocks` in each stage, its first stage of `width` channels.

    `bias` gives convolutions one; `norm_momentum` and `norm_epsilon` are those of batch norms, as `resnet56` has them.

    Raises:
        UserError: for no images, numbers that are not positive, or settings of batch norms out of range.

    >>> [s.name for s in resnet((1, 8, 8), 3, blocks=[1], width=4).sites]
    ['act0', 'stages.0.0.inner', 'stages.0.0.stream']
    """
    check_batch_norm(norm_momentum, norm_epsilon)
    if width < 1 or not blocks or min(blocks) < 1:
        raise UserError(
            f"expected network.width and the blocks of each stage of at least 1, got {width} and {list(blocks)}"
        )
    shape = image_shape("resnet", input_shape, 2 ** len(blocks))
    streams = tuple((f"stages.{i}.*.stream", f"stream:stage{i}") for i in range(len(blocks)))
    return module_network(
        ResNet,
        "resnet",
        shape,
        n_outputs,
        symmetries=(("*.inner", "free"), ("act0", "stream:stage0"), *streams),
        blocks=list(blocks),
        width=width,
        bias=bias,
        norm_momentum=norm_momentum,
        norm_epsilon=norm_epsilon,
    )
