"""The paper's modules and the layers around them, against what their definitions say."""

import pytest
import torch
from torch import nn

from kaoprof.models import AttnModule, AttnSkipModule, BaseModule, BaseSkipModule
from kaoprof.models.layers import ACTIVATIONS, ConvNorm, GlobalAvgPool, Sum, resize
from kaoprof.models.network import Add, Chain, Concat, Network, Residual, Reuse, Upsample
from kaoprof.operators import KroneckerAttentionQKV
from kaoprof.workload.called import CalledModule, float_tensors


def random_map(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def names_of(module):
    return [name for name, _ in module.named_children()]


def convolved(layer, x, *, last=False):
    """A `ConvNorm` written out, in eval mode: convolution, normalisation by running statistics, ReLU6."""
    y = layer.conv(x)
    norm = layer.norm
    spread = (norm.running_var + norm.eps).sqrt()
    y = (y - norm.running_mean[:, None, None]) / spread[:, None, None]
    y = y * norm.weight[:, None, None] + norm.bias[:, None, None]
    return y if last else y.clamp(0, 6)


def settle(module):
    """Gives batch norms statistics and weights that show, with results on both sides of 0 and 6; then eval mode."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_mean, part.running_var, part.bias):
                tensor.data.uniform_(0.5, 1.5)
            part.weight.data.uniform_(5, 15)
    return module.eval()


def test_base_module_is_three_convolutions_and_the_input():
    module, x = settle(BaseModule(2, 6, 6, expand=4)), random_map(2, 6, 5, 7)
    wide = convolved(module.expand, x)
    assert wide.shape == (2, 24, 5, 7)
    expected = x + convolved(module.project, convolved(module.depthwise, wide), last=True)
    torch.testing.assert_close(module(x), expected)
    assert module.depthwise.conv.groups == 24


def test_base_skip_module_sets_its_first_convolution_beside_the_input():
    module, x = settle(BaseSkipModule(2, 6, 6, expand=4)), random_map(2, 6, 5, 7)
    wide = torch.cat([x, convolved(module.expand, x)], dim=1)
    assert module.expand.conv.out_channels == 18  # (r - 1) c
    assert wide.shape[1] == 24
    expected = x + convolved(module.project, convolved(module.depthwise, wide), last=True)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_attn_module_sets_a_convolution_path_beside_an_attention_path(stride):
    attention = KroneckerAttentionQKV(6)
    module, x = settle(AttnModule(2, 6, 9, expand=4, stride=stride, attention=attention)), random_map(2, 6, 5, 7)
    path_1 = convolved(module.depthwise, convolved(module.expand, x))
    path_2 = attention(x)
    if stride > 1:
        path_2 = nn.functional.avg_pool2d(path_2, stride, ceil_mode=True)
    assert path_1.shape[1] == 18
    assert path_1.shape[2:] == path_2.shape[2:] == (-(-5 // stride), -(-7 // stride))
    torch.testing.assert_close(module(x), convolved(module.project, torch.cat([path_1, path_2], dim=1), last=True))


def test_attn_skip_module_is_attn_module_plus_its_input():
    module = settle(AttnSkipModule(2, 6, 6, expand=4, attention=KroneckerAttentionQKV(6)))
    plain = AttnModule(2, 6, 6, expand=4, attention=KroneckerAttentionQKV(6)).eval()
    plain.load_state_dict(module.state_dict())
    x = random_map(2, 6, 5, 7)
    torch.testing.assert_close(module(x), x + plain(x))


@pytest.mark.parametrize(
    ("out", "stride", "kind", "expected"),
    [
        (6, 1, BaseModule, ["expand", "depthwise", "project", "residual"]),
        (6, 1, BaseSkipModule, ["expand", "depthwise", "project", "residual"]),
        (8, 1, BaseModule, ["expand", "depthwise", "project"]),
        (6, 2, BaseSkipModule, ["expand", "depthwise", "project"]),
    ],
)
def test_the_residual_is_there_when_the_shape_stays(out, stride, kind, expected):
    assert names_of(kind(2, 6, out, expand=4, stride=stride)) == expected


def test_without_expansion_there_is_no_first_convolution():
    assert names_of(BaseModule(2, 6, 6, expand=1)) == ["depthwise", "project", "residual"]
    assert names_of(BaseSkipModule(2, 6, 8, expand=1)) == ["depthwise", "project"]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_modules_have_as_many_axes_as_their_input(axes):
    x = random_map(2, 4, *(6, 5, 3)[:axes])
    for kind in (BaseModule, BaseSkipModule):
        assert kind(axes, 4, 7, expand=2, stride=2)(x).shape == (2, 7, *(3, 3, 2)[:axes])
    attn = AttnModule(axes, 4, 7, expand=2, stride=2, attention=KroneckerAttentionQKV(4))
    assert attn(x).shape == (2, 7, *(3, 3, 2)[:axes])


def test_an_activation_after_a_convolution_leaves_the_input_alone():
    x = random_map(2, 3, 5, 7)
    before = x.clone()
    for function in ACTIVATIONS:
        for norm in ("batch_norm", "none"):
            ConvNorm(2, 3, 4, kernel=1, norm=norm, activation=function).eval()(x)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_branches_residuals_and_references_by_hand():
    x = random_map(2, 3, 4, 6)
    double = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.zeros_(double.weight)
    for channel in range(3):
        double.weight.data[channel, channel] = 2.0
    torch.testing.assert_close(Network([Residual([double])])(x), 3 * x)
    torch.testing.assert_close(Network([Concat([Chain([]), Chain([double])])])(x), torch.cat([x, 2 * x], dim=1))
    torch.testing.assert_close(Network([Add([Chain([]), Chain([double]), Chain([double])])])(x), 5 * x)
    saved = Network([Chain([double], label="early"), double, Reuse("early")])
    torch.testing.assert_close(saved(x), 2 * x)
    like = Network([Chain([double], label="early"), nn.MaxPool2d(2), Upsample(like="early", mode="nearest")])
    assert like(x).shape == x.shape
    assert Sum()(x, x, x).equal(x + x + x)


def test_a_network_keeps_no_output_after_a_call():
    network = Network([Chain([nn.ReLU()], label="early"), Reuse("early")])
    network(random_map(1, 2, 3, 4))
    assert not [value for part in network.modules() for value in vars(part).values() if isinstance(value, torch.Tensor)]


def test_sizes_after_resizing_and_averaging():
    for shape in ((2, 3, 5), (2, 3, 5, 7), (2, 3, 5, 7, 2)):
        x = random_map(*shape)
        doubled = [2 * size for size in shape[2:]]
        for mode in ("nearest", "linear"):
            assert resize(x, doubled, mode).shape == (2, 3, *doubled)
        assert GlobalAvgPool()(x).shape == (2, 3)
        assert GlobalAvgPool(keep=True)(x).shape == (2, 3, *(1,) * (len(shape) - 2))
        torch.testing.assert_close(GlobalAvgPool()(x), x.flatten(2).mean(2))


def test_a_called_module_arranges_its_tensors_and_finds_the_answer():
    class Model(nn.Module):
        def forward(self, x, pair, *, flag):
            return {"index": torch.zeros(1, dtype=torch.int64), "all": [x + pair["a"] + flag]}

    x, a = random_map(2, 3), random_map(2, 3, seed=1)
    tensor = {"shape": [2, 3]}
    by_keyword = CalledModule(Model(), {"x": tensor, "pair": {"a": tensor}, "flag": 4})
    torch.testing.assert_close(by_keyword(x, a), x + a + 4)
    by_position = CalledModule(nn.Bilinear(3, 3, 5), [tensor, tensor])
    assert by_position(x, a).shape == (2, 5)


def test_an_answer_without_real_numbers_is_returned_as_it_is():
    class Index(nn.Module):
        def forward(self, x):
            return {"best": x.argmax(-1), "name": "a"}

    answer = CalledModule(Index(), [{"shape": [2, 3]}])(random_map(2, 3))
    assert answer.keys() == {"best", "name"}
    assert float_tensors(answer) == ()
    assert float_tensors(None) == ()


def test_what_is_no_module_is_refused():
    from kaoprof.errors import UsageError

    with pytest.raises(UsageError, match=r"made .int., not a torch\.nn\.Module"):
        CalledModule(5, [{"shape": [1]}])
