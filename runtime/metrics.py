"""Prometheus pages: a registry as an HTTP answer. Each program counts in a registry of its own; names are listed in docs/operations.md."""

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from runtime.http_answers import file_answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_answer(registry: CollectorRegistry) -> web.Response:
    """What ``registry`` holds now, in the text format every Prometheus reads."""
    return file_answer(generate_latest(registry), CONTENT_TYPE)
