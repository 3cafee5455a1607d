"""An operator's node in the test's own process: calls services, runs actions, listens."""

import time

import rclpy
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message

from exostride.nodes import qos
from exostride.nodes.adapter import ADAPTERS, message_class
from exostride.recording.topics import BY_NAME

PATIENCE_S = 180.0


class Client:
    """A node with its own context in a given domain; every wait ends with an error in words."""

    def __init__(self, domain: int) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("operator", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def until(self, condition, what: str):
        """Turn the node until ``condition`` gives something true, and return that."""
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}"
            self.executor.spin_once(timeout_sec=0.05)
        return found

    def wait(self, future, what: str):
        """Return the result of a future."""
        self.until(future.done, what)
        return future.result()

    def call(self, service_type, name: str, **fields):
        """Call a service and return the response."""
        client = self.node.create_client(service_type, name)
        self.until(client.service_is_ready, f"service {name}")
        return self.wait(client.call_async(service_type.Request(**fields)), f"answer of {name}")

    def action(self, action_type, name: str) -> ActionClient:
        """Return a client of an action that is there."""
        client = ActionClient(self.node, action_type, name)
        self.until(client.server_is_ready, f"action {name}")
        return client

    def listen(self, name: str) -> list:
        """Return a list that fills with the messages of a topic: values where we have a class for them."""
        topic = BY_NAME[name]
        message_type = message_class(topic.type_name)
        adapter = ADAPTERS.get(topic.value)
        heard = []

        def take(raw):
            heard.append(adapter.decode(raw) if adapter else deserialize_message(raw, message_type))

        self.node.create_subscription(message_type, name, take, qos.profile(topic, 100), raw=True)
        return heard

    def close(self) -> None:
        """Take the node apart."""
        self.executor.remove_node(self.node)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
