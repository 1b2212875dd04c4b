"""`with kaoprof.count() as counts:` around code that really runs: totals equal a hand count."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import kaoprof
from kaoprof.errors import KaoprofError, UsageError


def network():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


X = torch.randn(5, 8)
FIRST, SECOND = 5 * 8 * 16, 5 * 16 * 4
FORWARD = FIRST + SECOND
BACKWARD = FIRST + 2 * SECOND  # the input of the first one needs no gradient
PARAMS = 9 * 16 + 17 * 4


def step(net, optimizer, loss_of):
    optimizer.zero_grad()
    loss = loss_of(net(X), torch.tensor([0, 1, 2, 3, 0]))
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def test_training_steps_with_adamw_by_layer_and_pass():
    torch.manual_seed(0)
    alone, watched = network(), network()
    watched.load_state_dict(alone.state_dict())
    losses = []
    for net, counting in ((alone, False), (watched, True)):
        optimizer, loss_of = torch.optim.AdamW(net.parameters(), foreach=False), nn.CrossEntropyLoss()
        if counting:
            with kaoprof.count() as counts:
                losses.append([step(net, optimizer, loss_of) for _ in range(3)])
        else:
            losses.append([step(net, optimizer, loss_of) for _ in range(3)])
    assert losses[0] == losses[1], "counting must not change what is computed"
    assert counts.macs == 3 * (FORWARD + BACKWARD)
    assert {name: count.macs for name, count in counts.passes.items()} == {
        "forward": 3 * FORWARD, "backward": 3 * BACKWARD, "optimizer": 0
    }  # fmt: skip
    per_weight = 14  # decay 1, both means 3 + 4, the root 1, its scale and epsilon 2, the quotient and its sum 3
    n_tensors = 4  # each counts its steps
    assert counts.passes["optimizer"].flops_all == 3 * (PARAMS * per_weight + n_tensors)
    by_layer = {layer.layer: layer.macs for layer in counts.layers}
    assert by_layer["Sequential.0"] == 3 * 2 * FIRST
    assert by_layer["Sequential.2"] == 3 * 3 * SECOND
    assert {"CrossEntropyLoss", "AdamW"} <= by_layer.keys()
    assert (counts.params, counts.uncounted, counts.result.mode) == (PARAMS, {}, "train")
    assert "optimizer 0 MACs" in str(counts)


def test_every_form_of_adamw_is_counted_alike():
    flops = {}
    for form in ({"foreach": False}, {"foreach": True}, {"fused": True}):
        net = network()
        optimizer = torch.optim.AdamW(net.parameters(), **form)
        with kaoprof.count() as counts:
            step(net, optimizer, nn.functional.cross_entropy)
        assert (counts.macs, counts.uncounted) == (FORWARD + BACKWARD, {}), form
        flops[str(form)] = counts.passes["optimizer"].flops_all
    assert set(flops.values()) == {PARAMS * 14 + 4}, flops


def test_a_loop_of_ten_calls_and_what_stands_between_them():
    net = nn.Linear(8, 8)
    with kaoprof.count() as counts, torch.no_grad():
        x = X
        for _ in range(10):
            x = x - 0.1 * net(x)
        assert counts.macs == 10 * 5 * 64, "while it runs, the counts are of what ran"
        x = x @ x.T
    assert counts.macs == 10 * 5 * 64 + 5 * 5 * 8
    assert counts.passes == {}
    rows = {layer.layer: layer for layer in counts.layers}
    assert (rows["Linear"].macs, rows["Linear"].params) == (3200, 72)
    assert (rows["(itself)"].macs, rows["(itself)"].flops_all) == (200, 2 * 200 + 10 * 2 * 40)


def test_two_models_of_one_class_and_parts_that_are_called_by_themselves():
    first, second = network(), network()
    with kaoprof.count() as counts, torch.no_grad():
        first(X), second(X), first(X), second[0](X)
    rows = {layer.layer: layer.macs for layer in counts.layers}
    assert (rows["Sequential"], rows["Sequential #2"]) == (2 * FORWARD, FORWARD + FIRST)
    assert rows["Sequential #2.0"] == 2 * FIRST
    assert (counts.macs, counts.params) == (3 * FORWARD + FIRST, 2 * PARAMS)


def test_modules_that_come_and_go_share_a_row():
    with kaoprof.count() as counts, torch.no_grad():
        for _ in range(4):
            nn.Linear(8, 2)(X)
    assert {layer.layer: layer.macs for layer in counts.layers if layer.macs} == {"": 320, "Linear": 320}
    assert counts.params == 18


def test_blocks_inside_each_other_count_what_each_holds():
    net = network()
    with kaoprof.count() as outer, torch.no_grad():
        net(X)
        with kaoprof.count() as inner:
            net[0](X)
            assert kaoprof.count(net, X).macs == FORWARD
            assert kaoprof.explain("kao_qkv", sizes={"b": 2, "c": 4, "h": 3, "w": 5}).checked
        net(X)
    assert (outer.macs, inner.macs) == (2 * FORWARD + FIRST, FIRST)
    assert {row.layer: row.macs for row in outer.layers}["Sequential.0"] == 3 * FIRST


def test_recomputed_work_is_a_pass_of_its_own():
    from torch.utils.checkpoint import checkpoint

    net = network()
    with kaoprof.count() as counts:
        checkpoint(net, X.clone().requires_grad_(), use_reentrant=False).sum().backward()
    assert {name: count.macs for name, count in counts.passes.items()} == {
        "forward": FORWARD, "recomputed": FIRST, "backward": 2 * FORWARD
    }, "torch stops computing again where nothing more is needed"  # fmt: skip


def threaded(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("work", [lambda: X @ X.T, lambda: nn.Linear(8, 4)(X)])
def test_what_another_thread_computes_is_refused_in_a_sentence(work):
    refused = pytest.raises(KaoprofError, match=r"ran in another thread, which is not counted \(count in the thread")
    with refused, kaoprof.count():
        threaded(work)


def test_a_pool_that_was_there_before_is_noticed_by_its_modules():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(KaoprofError, match="Linear ran in another thread"), kaoprof.count():
            pool.submit(nn.Linear(8, 4), X).result()


def test_threads_that_only_move_data_are_no_matter():
    with kaoprof.count() as counts:
        threaded(lambda: X.clone().reshape(8, 5))
    assert counts.macs == 0


def test_one_thread_counts_at_a_time():
    refused = []

    net = network()

    def count_there():
        for attempt in (lambda: kaoprof.count(net, X), lambda: kaoprof.count().__enter__()):
            with pytest.raises(KaoprofError, match=r"another thread is inside of `with kaoprof\.count"):
                attempt()
            refused.append(True)

    with kaoprof.count():
        threaded(count_there)
    assert len(refused) == 2
    with ThreadPoolExecutor(2) as pool:
        nets = [network() for _ in range(6)]
        assert {counts.macs for counts in pool.map(lambda net: kaoprof.count(net, X), nets)} == {FORWARD}


def test_an_error_in_the_block_goes_on_and_nothing_stays():
    call, start, compile_ = nn.Module.__call__, threading.Thread.start, torch.compile
    net, counts = network(), kaoprof.count()

    def failing():
        with counts:
            net(X)
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        failing()
    assert counts.macs == FORWARD
    assert (nn.Module.__call__, threading.Thread.start, torch.compile) == (call, start, compile_)
    with pytest.raises(UsageError, match="counts one block of code"):
        counts.__enter__()


def test_the_predicted_peak_is_told_of_short_blocks_only(monkeypatch):
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
    with kaoprof.count() as counts, torch.no_grad():
        net(X)
    assert counts.peak_bytes == 2 * 5 * 16 * 4
    monkeypatch.setattr("kaoprof.tape.block.MOST_KEPT", 10)
    with kaoprof.count() as counts:
        net(X)
    assert (counts.macs, counts.peak_bytes) == (2 * 5 * 8 * 16, None)
    assert counts.peak_unknown.startswith("more than 10 operations")


def test_a_block_is_a_record_of_profile(tmp_path):
    from kaoprof.records.profile import ProfileRecord
    from kaoprof.records.reading import load_records

    with kaoprof.count() as counts:
        network()(X)
    assert isinstance(counts.result, ProfileRecord)
    counts.save(tmp_path / "block.json")
    (record,) = load_records(tmp_path / "block.json")
    assert record.models == counts.result.models
    assert len(repr(counts)) < 500


def test_many_events_are_counted_as_they_come(monkeypatch):
    monkeypatch.setattr("kaoprof.tape.block.AT_ONCE", 7)
    net = network()
    with kaoprof.count() as counts:
        for _ in range(20):
            net(X)
    assert counts.macs == 20 * FORWARD


def test_a_step_in_a_function_is_sent_to_a_block_and_changes_nothing():
    net = nn.Linear(3, 2)
    before = [parameter.clone() for parameter in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)

    def step():
        net(torch.ones(4, 3)).sum().backward()
        optimizer.step()

    with pytest.raises(UsageError, match="it trains"):
        kaoprof.count(step)
    assert all(torch.equal(now, then) for now, then in zip(net.parameters(), before, strict=True))
