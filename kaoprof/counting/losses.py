"""FLOPs of losses, and of their gradients: of each pair of an answer and a target."""

from typing import Any

from kaoprof.counting.elementwise import Rule, per_input, per_output
from kaoprof.counting.shapes import Shaped, names
from kaoprof.dims import Size

PAIR_FLOPS = 3  # per element: difference, square or size, and their sum
PAIR_BACKWARD_FLOPS = 3  # per element: difference, slope, product with the gradient
LOGIT_FLOPS = 7  # per element: size, exponential, logarithm, maximum, product, two sums
STATE_FLOPS = 3 * 4 + 1  # per state and step of CTC: the logarithm of a sum of three exponentials, and a sum
MARGIN_FLOPS = 4  # per pair of classes: difference, margin, maximum, sum


def alignment_rule(*_: object, out: Any, **__: object) -> Size:
    """`ctc_loss`: every state of every step, `(b steps states)`, follows from three before it."""
    return STATE_FLOPS * out[1].numel()


def alignment_backward_rule(grad: object, log_probs: Shaped, *args: Any, **_: object) -> Size:
    """The same backwards, and for each state a sum; of each class an exponential, a difference and a product."""
    del grad
    states = args[4]
    return (STATE_FLOPS + 1) * states.numel() + 3 * log_probs.numel()


def class_pairs_rule(x: Shaped, *_: object, **__: object) -> Size:
    """`multilabel_margin_loss`: at most every class against every other."""
    return MARGIN_FLOPS * x.numel() * x.shape[-1]


def class_pairs_backward_rule(grad: object, x: Shaped, *_: object, **__: object) -> Size:
    """The same again."""
    del grad
    return class_pairs_rule(x)


LOSSES: dict[str, Rule] = {
    **dict.fromkeys(
        names("mse_loss smooth_l1_loss huber_loss binary_cross_entropy kl_div dist"), per_input(PAIR_FLOPS)
    ),
    **dict.fromkeys(
        names("mse_loss_backward smooth_l1_loss_backward huber_loss_backward binary_cross_entropy_backward"),
        per_output(PAIR_BACKWARD_FLOPS),
    ),
    "binary_cross_entropy_with_logits": per_input(LOGIT_FLOPS),
    "soft_margin_loss": per_input(PAIR_FLOPS + 1),
    "soft_margin_loss_backward": per_output(PAIR_FLOPS + 1),
    "multi_margin_loss": per_input(MARGIN_FLOPS),
    "multi_margin_loss_backward": per_output(MARGIN_FLOPS),
    "multilabel_margin_loss_forward": class_pairs_rule,
    "multilabel_margin_loss_backward": class_pairs_backward_rule,
    **dict.fromkeys(names("nll_loss_forward nll_loss2d_forward"), per_input(1)),
    **dict.fromkeys(names("_ctc_loss _cudnn_ctc_loss"), alignment_rule),
    "_ctc_loss_backward": alignment_backward_rule,
}
