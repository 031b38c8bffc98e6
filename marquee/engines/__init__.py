"""MongoDB, RabbitMQ and Elasticsearch for the local stack and the tests.

Each engine is taken from the first of: its URL in the environment, Docker when a Docker engine answers, native
processes. Native and Docker engines live under the stack's home directory and listen on 127.0.0.1 only.
"""

from marquee.engines.plan import EnginePlan, EngineUrls, plan_engines

__all__ = ["EnginePlan", "EngineUrls", "plan_engines"]
