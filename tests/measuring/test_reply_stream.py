"""Whatever comes out of the measuring process, an answer is the one to its request, or the process is lost."""

import tempfile
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kaoprof.measuring import child as child_module
from kaoprof.measuring.child import Child, ChildLost, SubjectFailed
from kaoprof.measuring.messages import Cleared, Failed, Figure, Peak, ReadFree, Reply, Time, Took, Weigh

ASKED = {
    "time": (Time(subject=1), lambda number: Took(seconds=float(number))),
    "weigh": (Weigh(subject=1), lambda number: Peak(allocated=number)),
    "free": (ReadFree(), lambda number: Figure(value=float(number))),
}  # each with an answer that tells which request it answers
FLOOD_BYTES = 4096


class Replaying(Child):
    """A child that says what is in a file, and has ended when it comes to its end."""

    def __init__(self, said):
        self.last_words, self.said, quiet = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 - as long as the child
        self.said.write(said)
        self.said.seek(0)
        self.process = SimpleNamespace(stdin=quiet, stdout=self.said, poll=lambda: 0, wait=lambda _: 0)
        self.unread, self.asked, self.killed = bytearray(), 0, False

    def kill(self):
        self.killed = True

    def close(self):
        for file in (self.last_words, self.said, self.process.stdin):
            file.close()


def line(number, answer):
    return msgspec.json.encode(Reply(number=number, answer=answer)) + b"\n"


def told(request, number):
    return line(number, ASKED[request][1](number))


DAMAGES = {
    "none": lambda request, number, _: told(request, number),
    "failed": lambda _, number, __: line(number, Failed(status="oom", detail=f"of {number}")),
    "cut off": lambda request, number, size: told(request, number)[: size % len(told(request, number))],
    "doubled": lambda request, number, _: told(request, number) * 2,
    "renumbered": lambda request, number, size: line(number + 1 + size, ASKED[request][1](number)),
    "earlier": lambda request, number, size: line(number - 1 - size, ASKED[request][1](number)),
    "another's": lambda _, number, __: line(number, Cleared()),
    "flood": lambda _, __, size: b"x" * (FLOOD_BYTES + size),
    "deep": lambda _, __, ___: b"[" * 3000 + b"\n",
    "huge": lambda request, number, _: told(request, number).replace(f"{number}".encode(), b"9" * 500),
    "twice named": lambda request, number, _: told(request, number).replace(b"{", b'{"number":1,', 1),
    "no text": lambda _, __, ___: b'"\xff"\n',
    "blank": lambda _, __, ___: b"\n",
}


def check_stream(steps):
    """Asks as long as the child lives; every answer is the one that the request's own number stands for."""
    said = b"".join(DAMAGES[damage](request, number, size) for number, (request, damage, size) in enumerate(steps, 1))
    child = Replaying(said)
    answered = 0
    try:
        for number, (request, _, _) in enumerate(steps, 1):
            asked, answer = ASKED[request]
            try:
                assert child.ask(asked, timeout_s=5) == answer(number)
                answered += 1
            except SubjectFailed as failure:
                assert (failure.status, failure.message) == ("oom", f"of {number}")
                answered += 1
            except ChildLost as lost:
                assert lost.status == "error"
                assert len(lost.message) < 400
                break
    finally:
        child.close()
    sound = next((place for place, (_, damage, _) in enumerate(steps) if damage not in {"none", "failed"}), len(steps))
    assert answered >= sound  # what came before anything was wrong is kept


STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(ASKED)), st.sampled_from(sorted(DAMAGES)), st.integers(0, 200)), max_size=5
)
SOUND = [("time", "none", 0), ("weigh", "failed", 0)]


@pytest.fixture(autouse=True, scope="module")
def little_room():
    patch = pytest.MonkeyPatch()
    patch.setattr(child_module, "MOST_ANSWER_BYTES", FLOOD_BYTES)
    yield
    patch.undo()


@example(steps=[*SOUND, ("time", "doubled", 0), ("time", "none", 0)])
@example(steps=[*SOUND, ("free", "another's", 0)])
@example(steps=[*SOUND, ("free", "deep", 0), ("time", "flood", 0)])
@given(steps=STEPS)
def test_no_answer_is_taken_for_another_requests(steps):
    check_stream(steps)


@pytest.mark.slow
@settings(max_examples=5000)
@given(steps=STEPS)
def test_no_answer_is_taken_for_another_requests_however_long_one_tries(steps):
    check_stream(steps)


@given(noise=st.binary(max_size=60))
def test_any_bytes_before_an_answer_end_the_child_or_leave_it_right(noise):
    child = Replaying(noise + told("time", 1))
    try:
        assert child.ask(Time(subject=1), timeout_s=5) == Took(seconds=1.0)
        assert not noise.strip()
    except ChildLost as lost:
        assert noise
        assert len(lost.message) < 400
    finally:
        child.close()
