"""The way of a convolution's output to the ReLU that alone takes it, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zapsim.frontend.network.calls import ACTIVATIONS, MOVES, OBSTACLES, CallKind
from zapsim.frontend.network.node import Node, Place, Touch
from zapsim.frontend.network.recorder import Recorder

NO_RELU = "no ReLU behind it"
USED_ELSEWHERE = "its output is used elsewhere before the ReLU"
CHANGED = "its output is changed in place before the ReLU"
SUM_OF_ANOTHER_SHAPE = "the sum behind it has another shape"
BATCH_STATISTICS = "batch normalisation by the batch's own statistics between it and the ReLU"
HIDDEN_RELU = "the ReLU behind it is hidden in a scripted, compiled, exported or mapped function"

Call = tuple[CallKind, int]
"""A call of the forward pass: its kind, and its number among the calls of that kind."""


@dataclass(frozen=True, slots=True)
class Way:
    """From a convolution to the ReLU that alone takes its output.

    Attributes
    ----------
    relu_call
        Which of the forward pass's ReLU calls that is, or None.
    reason
        Why there is none.
    norm_calls
        The batch normalisations on the way, by their number in the forward pass.
    added
        Whether another tensor is added on the way.
    early
        The call whose result is put through a ReLU at once, because what lies between only moves or chooses values;
        None if the ReLU itself is the place.
    ceiling
        The highest value that the ReLU lets through, or None.
    """

    relu_call: int | None = None
    reason: str | None = None
    norm_calls: tuple[int, ...] = ()
    added: bool = False
    early: Call | None = None
    ceiling: float | None = None


def follow(recorder: Recorder, conv: Node) -> Way:
    """Return the way from a convolution's output to its ReLU: through BN, dropout, sums, and what only moves values.

    `conv` may be a fully connected layer, too.
    """
    node = conv
    norms: list[int] = []
    added = False
    head = conv, layer_call(conv)
    while True:
        place = node.results[0]
        users = recorder.users(place.storage, node.index)
        user = users[0].node if len(users) == 1 and users[0].place == place else None
        if user is not None and user.relu_call is not None:
            return Way(user.relu_call, None, tuple(norms), added, None, user.ceiling)
        if user is None or not _passes(user, conv):
            return _rectified_early(recorder, head, conv, tuple(norms), added)
        if user.norm_call is not None:
            norms.append(user.norm_call)
            head = user, ("norm", user.norm_call)
        elif user.sum_call is not None:
            added = True
            head = user, ("sum", user.sum_call)
        node = user


def layer_call(node: Node) -> Call:
    """Return the call of a convolution or a fully connected layer."""
    if node.conv_call is not None:
        return "conv", node.conv_call
    assert node.linear_call is not None
    return "linear", node.linear_call


def _passes(user: Node, conv: Node) -> bool:
    """Return whether a call hands every value on at its place, so that a ReLU behind it is one of the convolution."""
    if not user.results or user.results[0].sizes != conv.shape:
        return False
    in_order = user.name.startswith("dropout") or user.name == "contiguous"
    return user.sum_call is not None or (user.norm_call is not None and not user.batch_statistics) or in_order


def _rectified_early(
    recorder: Recorder, head: tuple[Node, Call], conv: Node, norms: tuple[int, ...], added: bool
) -> Way:
    """Return the way if all uses of the last sum, normalisation or convolution lead to ReLUs, else the reason."""
    node, call = head
    relus = _relus(recorder, node.results[0].storage, node.index)
    if not relus:
        return Way(reason=_reason(recorder, node, conv))
    first = min(relus, key=lambda relu: relu.index)
    ceilings = {relu.ceiling for relu in relus}
    return Way(first.relu_call, None, norms, added, call, ceilings.pop() if len(ceilings) == 1 else None)


def _relus(recorder: Recorder, storage: int, since: int) -> list[Node]:
    """Return the ReLUs to which all uses of a value lead through moves alone; an empty list if one leads elsewhere."""
    relus: list[Node] = []
    users = recorder.users(storage, since)
    for touch in users:
        user = touch.node
        if touch.writes and not (touch.whole and user.relu_call is not None):
            return []
        if user.relu_call is not None:
            relus.append(user)
            continue
        if user.name not in MOVES or user.hidden or not user.results or user.written:
            return []
        for result in {place.storage for place in user.results}:
            behind = _relus(recorder, result, user.index)
            if not behind:
                return []
            relus += behind
    return relus


def _reason(recorder: Recorder, node: Node, conv: Node) -> str:
    """Return why the output of `node`, on the way from `conv`, cannot be left out."""
    place = node.results[0]
    users = recorder.users(place.storage, node.index)
    relu, activation = _behind(recorder, place.storage, node.index)
    if relu is None:
        return NO_RELU if activation is None else f"{NO_RELU} but {activation}"
    if relu.hidden or relu.relu_call is None:
        return HIDDEN_RELU
    if any(touch.writes and touch.node.relu_call is None and touch.node.sum_call is None for touch in users):
        return CHANGED
    first = users[0].node
    if len({touch.node.index for touch in users}) > 1 or (first.sum_call is not None and len(users) > 1):
        return USED_ELSEWHERE
    return _obstacle(recorder, first, place, conv)


def _obstacle(recorder: Recorder, user: Node, place: Place, conv: Node) -> str:
    """Return what stands between a value and its ReLU: the first call that does not only move values."""
    while user.name in MOVES and user.results:
        place = user.results[0]
        users = recorder.users(place.storage, user.index)
        if len({touch.node.index for touch in users}) != 1:
            return USED_ELSEWHERE
        user = users[0].node
    if user.relu_call is not None:
        return CHANGED
    if user.sum_call is not None and user.shape != conv.shape:
        return SUM_OF_ANOTHER_SHAPE
    if user.batch_statistics:
        return BATCH_STATISTICS
    name = OBSTACLES.get(user.name, f"'{user.name}'")
    return f"{name} between it and the ReLU"


def _behind(recorder: Recorder, storage: int, since: int) -> tuple[Node | None, str | None]:
    """Return the first ReLU that can be reached without another layer between, and the first other activation."""
    waiting = [(storage, since)]
    seen: set[int] = set()
    activation: str | None = None
    while waiting:
        touches: Sequence[Touch] = recorder.users(*waiting.pop(0))
        for node in (touch.node for touch in touches):
            layer = node.macs or node.conv_call is not None or node.linear_call is not None
            if layer or node.index in seen:
                continue
            seen.add(node.index)
            if node.relu_call is not None or node.name in ("relu", "relu6"):
                return node, activation
            if node.name in ACTIVATIONS:
                activation = activation or ACTIVATIONS[node.name]
                continue
            behind = {place.storage for place in node.results} | node.written
            waiting += [(place, node.index) for place in behind]
    return None, activation
