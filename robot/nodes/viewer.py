"""A live view for Foxglove, on loopback: ``reflexarc run GRAPH --view`` adds this node to a graph.

Only a client's subscriptions cost anything: what nobody looks at is not drawn. The server queues a
little for each client and drops the oldest of it, and the bus does the same before this node, so
that neither a client that stalls nor this process can hold up anybody.
"""

import threading
from dataclasses import dataclass

import foxglove
from foxglove import Channel, Context
from foxglove.websocket import ChannelView, Client, ServerListener

from perception.quantities import InputError
from robot.edges import Arrival
from robot.messages import MESSAGES, Message
from robot.node import Emission, Input, Inputs, Node, NodeContext, Role
from robot.views import View, views_of
from robot.wire import array_fields

HOST = "127.0.0.1"
BACKLOG_MESSAGES = 32  # per client, before the oldest are dropped


@dataclass(frozen=True)
class ViewerConfig:
    """Parameters of a viewer."""

    port: int = 8765  # on loopback; Foxglove's own default; 0: any that is free

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InputError(f"port = {self.port} must be 0 (any that is free) to 65535")


class _Interest(ServerListener):
    """Who looks at which topic; told by the server's own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lookers: dict[str, set[int]] = {}
        self._fresh: set[str] = set()

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        """A client begins to look."""
        with self._lock:
            self._lookers.setdefault(channel.topic, set()).add(client.id)
            self._fresh.add(channel.topic)

    def on_unsubscribe(self, client: Client, channel: ChannelView) -> None:
        """A client looks away or is gone."""
        with self._lock:
            self._lookers.get(channel.topic, set()).discard(client.id)

    def lookers(self, topics: set[str]) -> int:
        """How many clients look at one of these."""
        with self._lock:
            return len(set().union(*(self._lookers.get(topic, ()) for topic in topics)))

    def take_fresh(self) -> set[str]:
        """Topics that somebody began to look at since the last call."""
        with self._lock:
            fresh, self._fresh = self._fresh, set()
            return fresh


class ViewerNode(Node[ViewerConfig]):
    """Shows what crosses the bus to whoever connects."""

    inputs = {"log": Input(Message, many=True)}
    role = Role.WATCHING
    Config = ViewerConfig

    def __init__(self, config: ViewerConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._interest = _Interest()
        self._context = Context()
        self._channels: dict[str, Channel] = {}
        self._shown_as: dict[str, set[str]] = {}
        """Topics of the views of each topic on the bus."""
        self._newest: dict[str, Arrival] = {}
        """Per topic without arrays, for who comes late: a room is described once."""
        self._shown = 0
        foxglove.set_log_level("ERROR")
        try:
            self._server = foxglove.start_server(
                name="reflexarc",
                host=HOST,
                port=config.port,
                context=self._context,
                server_listener=self._interest,
                message_backlog_size=BACKLOG_MESSAGES,
            )
        except RuntimeError as error:
            raise InputError(
                f"the live view cannot listen at {HOST}:{config.port} ({error}); "
                "give another port with --set viewer.port=N"
            ) from error
        self.port = self._server.port
        print(  # noqa: T201 - shown by the supervisor under the node's name
            f"live view at ws://{HOST}:{self.port} (Foxglove: Open connection)", flush=True
        )

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Hands what somebody looks at to the server; never waits for a client."""
        del now_ns
        for arrival in inputs.arrivals("log"):
            self._take(arrival)
        fresh = self._interest.take_fresh()
        for topic, arrival in self._newest.items() if fresh else ():
            if self._shown_as[topic] & fresh:
                self._show(arrival)
        return []

    def gauges(self) -> dict[str, float]:
        """Views handed to the server."""
        return {"views_shown": float(self._shown)}

    def close(self) -> None:
        """Sends the clients away."""
        self._server.stop()

    def _take(self, arrival: Arrival) -> None:
        """Shows a message if somebody looks, or if its topic is new and must be advertised."""
        if not array_fields(type(arrival.message)):
            self._newest[arrival.topic] = arrival
        shown_as = self._shown_as.get(arrival.topic)
        if shown_as is None or self._interest.lookers(shown_as):
            self._show(arrival)

    def _show(self, arrival: Arrival) -> None:
        name = MESSAGES[type(arrival.message).__name__].view
        topics = self._shown_as.setdefault(arrival.topic, set())
        for view in views_of(name, arrival.topic, arrival.message):
            topics.add(view.topic)
            self._channel(view).log(view.data, log_time=max(arrival.message.sent_ns, 0))
            self._shown += 1

    def _channel(self, view: View) -> Channel:
        if view.topic not in self._channels:
            self._channels[view.topic] = Channel(
                view.topic,
                schema=view.schema,
                message_encoding=view.message_encoding,
                context=self._context,
            )
        return self._channels[view.topic]
