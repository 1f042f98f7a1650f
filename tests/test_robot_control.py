"""The control channel of a real run: private, and deaf to what no node of the run could say."""

import stat

import msgspec
import zmq

from robot.control import Failed, control_address
from robot.executor import RunOptions
from robot.graph import load_graph
from robot.run_folder import runs_root
from robot.supervisor import Supervisor


def _run(path, run_dir, during):
    """A supervised run of half a second; ``during`` gets its supervisor, once nodes step."""
    said, called = [], []
    options = RunOptions(seconds=0.5, seed=0, lockstep=True, run_dir=run_dir)
    supervisor = Supervisor(load_graph(str(path)), (), options, lambda *line: said.append(line))

    def progress(_):
        if not called:
            called.append(during(supervisor))

    return supervisor.run(progress, lambda: False), said, called[0]


def test_every_socket_of_a_run_is_ipc_in_a_folder_of_the_user_alone(tiny_processes, tmp_path):
    def look(supervisor):
        folder = supervisor._folder
        names = {path.name for path in folder.iterdir() if stat.S_ISSOCK(path.stat().st_mode)}
        return stat.S_IMODE(folder.stat().st_mode), folder.parent, names

    result, _, (mode, parent, names) = _run(tiny_processes, tmp_path, look)
    assert result.failures == {}
    assert mode == 0o700
    assert parent == runs_root()
    edges = len(load_graph(str(tiny_processes)).edges)
    assert names >= {"control", *(f"e{index}" for index in range(edges))}


def test_garbage_and_strangers_on_the_control_channel_do_not_touch_the_run(
    tiny_processes, tmp_path
):
    def disturb(supervisor):
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.IDENTITY, b"stranger")
            socket.connect(control_address(supervisor._folder))
            socket.send(b"\xdd\xff\xff\xff\xff")
            socket.send_multipart([b"too", b"many", b"frames"])
            socket.send(msgspec.msgpack.encode(Failed("I am a node", "", user_error=False)))
            socket.linger = 5000

    result, said, _ = _run(tiny_processes, tmp_path, disturb)
    assert (result.ended_by, result.failures) == ("seconds", {})
    told = [line for node, line in said if node == "control"]
    assert len(told) == 3
    assert told[-1] == "'stranger' is no node of this run"
