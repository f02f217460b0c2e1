"""Kill a service under load, start it again, and see that every session goes on with the same bits.

Most sessions rest on disk, some are being woken, and others are in the middle of their messages when the kill
comes. Their clients keep a token now and then, and what they have sent since. Afterwards those that rest go
on by their names, the others from their tokens, and what they are told at every step, before and after, must
be what `unrolled.Stream` says of their sequence alone.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scripts.crowd import Crowd, frame, retried
from scripts.served import Server

LENGTH = 100  # steps of a sequence, at most
KEEP_EVERY = 4  # messages between two tokens
MORE = 3  # messages after the restart
REST = 2.0  # seconds after which a session goes to disk
WAKE = 0.02  # seconds before the kill


@dataclasses.dataclass
class Followed:
    """A session as its client knows it.

    Attributes:
        name: of it there.
        x: its sequence [T, I].
        said: the network's outputs after each step that was answered, by its number from 0.
        sent: steps so far.
        token: the last that was kept, and `kept` the steps before it.
        differs: whether a step was answered in two ways.
    """

    name: str
    x: np.ndarray
    said: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    sent: int = 0
    token: str | None = None
    kept: int = 0
    differs: bool = False

    def next(self) -> bytes:
        """The frame of the next step."""
        step = self.x[self.sent].tolist()
        keep = self.sent % KEEP_EVERY == 1
        self.sent += 1
        return frame(json.dumps({"session": self.name, "steps": [step], "outputs": True, "keep": keep}))

    def take(self, answer: dict[str, Any]) -> None:
        """Note what came; a step that is answered again must be answered alike."""
        if "error" in answer:
            raise ValueError(f"the service refused: {answer['error']}")
        count, outputs = answer["count"], answer["outputs"][0]
        self.differs |= self.said.setdefault(count - 1, outputs) != outputs
        if "token" in answer:
            self.token, self.kept = answer["token"], count


class Killed(NamedTuple):
    """What came of it.

    Attributes:
        loaded, woken, resting: sessions in the middle of their messages, being woken, and on disk.
        answered, unanswered: messages of the load before the kill.
        same: sessions that went on with the same bits.
        seconds: until the service answered again.
        left: files in the folder that are neither sessions nor the key.
    """

    loaded: int
    woken: int
    resting: int
    answered: int
    unanswered: int
    same: int
    seconds: float
    left: int

    @property
    def told(self) -> str:
        return (
            f"{self.same:,} of {self.loaded + self.woken + self.resting:,} go on with the same bits: "
            f"{self.loaded:,} under load ({self.answered:,} messages answered, {self.unanswered:,} not), "
            f"{self.woken:,} being woken, {self.resting:,} on disk; back after {self.seconds:.1f} s, "
            f"{self.left} files left over"
        )


def kill(
    start: Callable[..., Server], run: Path, folder: Path, sessions: int, connected: int, seconds: float
) -> Killed:
    """Do it: start makes a server of what `unrolled serve` is told besides the run."""
    kept = folder / "sessions"
    server = start("--port", 0, "--sessions", kept, "--idle", REST)
    port = server.port
    crowd = Crowd(port, connected)
    opened = crowd.ask((n % connected, frame('{"do": "open"}')) for n in range(sessions))
    generator = np.random.default_rng(0)
    width = server.width()
    followed = [
        Followed(json.loads(answer)["session"], x)
        for answer, x in zip(
            opened, generator.standard_normal((sessions, LENGTH, width), dtype=np.float32), strict=True
        )
    ]
    loaded, others = followed[:connected], followed[connected:]
    go_on(crowd, others, 2)
    until = time.monotonic() + 120
    while awake := server.metrics()["in_memory"]:
        if time.monotonic() > until:
            raise TimeoutError(f"{awake:,.0f} sessions did not go to disk")
        time.sleep(0.1)
    woken, resting = others[: connected // 4], others[connected // 4 :]
    answered = under_load(crowd, server, loaded, woken, seconds)
    crowd.close()
    unanswered = sum(one.sent - len(one.said) for one in loaded)

    again = time.monotonic()
    server = start("--port", port, "--sessions", kept, "--idle", REST)
    crowd = retried(lambda: Crowd(port, connected), 30)
    took = time.monotonic() - again
    open_again(crowd, [*loaded, *woken])
    while behind := [one for one in (*loaded, *woken) if one.sent < len(one.said)]:
        go_on(crowd, behind, 1)
    go_on(crowd, followed, MORE)
    crowd.close()
    server.stop()
    left = sum(path.suffix in (".taken", ".part") for path in kept.rglob("*"))
    same = sum(bits_are_right(run, followed))
    return Killed(len(loaded), len(woken), len(resting), answered, unanswered, same, took, left)


def go_on(crowd: Crowd, followed: Sequence[Followed], steps: int) -> None:
    """Let each take so many steps, one message each."""
    count, by_name = len(crowd.sockets), {one.name: one for one in followed}
    for _ in range(steps):
        messages = ((number % count, one.next()) for number, one in enumerate(followed))
        for content in crowd.ask(messages, window=512):
            answer = json.loads(content)
            by_name[answer["session"]].take(answer)


def under_load(
    crowd: Crowd, server: Server, loaded: Sequence[Followed], woken: Sequence[Followed], seconds: float
) -> int:
    """Each connection has a step on its way all the time, until the server is killed; answers that came."""
    by_name = {one.name: one for one in (*loaded, *woken)}
    for which, one in enumerate(loaded):
        crowd.send(which, one.next())
    begun, awake, answered = time.perf_counter(), False, 0
    try:
        while (now := time.perf_counter() - begun) < seconds:
            if not awake and now > seconds - WAKE:
                awake = True
                for number, one in enumerate(woken):
                    crowd.send(number % len(crowd.sockets), one.next())
            for which, content in crowd.answers(1):
                answer = json.loads(content)
                one = by_name[answer["session"]]
                one.take(answer)
                answered += 1
                if one is loaded[which] and one.sent < LENGTH - MORE:
                    crowd.send(which, one.next())
    finally:
        server.kill()
    return answered


def open_again(crowd: Crowd, followed: Sequence[Followed]) -> None:
    """Go on from the tokens that were kept; from the beginning where none was."""
    asked = []
    for number, one in enumerate(followed):
        message = {"do": "open", "id": number} | ({} if one.token is None else {"token": one.token})
        asked.append((number % len(crowd.sockets), frame(json.dumps(message))))
    for content in crowd.ask(asked):
        answer = json.loads(content)
        one = followed[answer["id"]]
        one.name, one.sent = answer["session"], one.kept


def bits_are_right(run: Path, followed: Sequence[Followed]) -> list[bool]:
    """Whether each was told at every step what a stream says of its sequence."""
    import torch

    from unrolled import Stream
    from unrolled.training import Run

    stream = Stream(Run.open(run).load_classifier(), 1)
    initial = stream.state
    right = []
    for one in followed:
        stream.state = initial
        expected = torch.stack([stream.step(torch.from_numpy(row)) for row in one.x[: one.sent]])
        said = [torch.tensor([one.said[step]]).softmax(dim=1) for step in range(one.sent)]
        right.append(not one.differs and torch.equal(torch.cat(said), expected))
    return right
