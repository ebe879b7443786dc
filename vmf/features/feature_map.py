"""The network up to its last map, found in its own graph."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from vmf.errors import FeatureError

if TYPE_CHECKING:
    from torch import fx, nn


def cut_before_pooling(network: nn.Module, name: str) -> nn.Module:
    """One of torchvision's classifiers without its global pooling and what comes after.

    The result returns the last map (n, channels, rows, columns) and keeps the names of its
    parameters. A network without pooling, a vision transformer, is cut before its last linear layer
    and returns vectors (n, d).
    """
    from torch import fx, nn
    from torchvision.models import SqueezeNet

    if isinstance(network, SqueezeNet):  # its classifier, a convolution, comes before its pooling
        return nn.Sequential(OrderedDict(features=network.features)).eval()
    traced = fx.symbolic_trace(network.eval())
    nodes = list(traced.graph.nodes)
    backwards = nodes[::-1]
    last = next((node for node in backwards if _is_pooling(node, traced)), None) or next(
        (node for node in backwards if _is_linear(node, traced)), None
    )
    if last is None:
        raise FeatureError(None, f"{name} has neither a global pooling nor a linear layer to cut")
    features = last.all_input_nodes[0]
    for node in backwards:
        if node.op == "output":
            traced.graph.erase_node(node)
    traced.graph.output(features)
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced.eval()


def _is_pooling(node: fx.Node, traced: fx.GraphModule) -> bool:
    from torch import nn
    from torch.nn import functional

    if node.op == "call_module":
        kinds = nn.AdaptiveAvgPool2d, nn.AvgPool2d
        return isinstance(traced.get_submodule(str(node.target)), kinds)
    if node.op == "call_method":
        return bool(node.target == "mean")
    return bool(node.op == "call_function" and node.target is functional.adaptive_avg_pool2d)


def _is_linear(node: fx.Node, traced: fx.GraphModule) -> bool:
    from torch import nn

    if node.op != "call_module":
        return False
    return isinstance(traced.get_submodule(str(node.target)), nn.Linear)
