"""What Prometheus reads from an app."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from apps.runtime.afterwards import Afterwards

disable_created_metrics()  # a third of the page, which nothing here reads

# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
MODEL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """One app's metrics, in a registry of their own. HTTP names follow OpenTelemetry, ``request_*`` KServe.

    Attributes:
        registry: what is measured; some of it only once ``afterwards`` has caught up.
        afterwards: counts and observes what requests leave to be measured.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.afterwards = Afterwards()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests.",
            ["http_route", "http_request_method", "http_response_status_code"],
            buckets=HTTP_BUCKETS,
            registry=registry,
        )
        self.active = Gauge("http_server_active_requests", "Requests in flight.", registry=registry)

    def model(self) -> "ModelMetrics":
        """Add what an app with a model has."""
        return ModelMetrics(self.registry, self.afterwards)


class ModelMetrics:
    """What serving a model adds."""

    def __init__(self, registry: CollectorRegistry, afterwards: Afterwards) -> None:
        self.afterwards = afterwards

        def seconds(step: str, text: str) -> Histogram:
            return Histogram(f"request_{step}_seconds", text, buckets=MODEL_BUCKETS, registry=registry)

        self.preprocess = seconds("preprocess", "Decoding one instance.")
        self.queue = seconds("queue", "One instance's wait for the model.")
        self.predict = seconds("predict", "Running one batch.")
        self.postprocess = seconds("postprocess", "Encoding one request's answers.")
        self.batch_size = Histogram(
            "inference_batch_size", "Instances in a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=registry
        )
        self.queue_depth = Gauge("inference_queue_depth", "Instances that wait for the model.", registry=registry)
        self.shed = Counter("requests_shed", "Requests refused because the queue was full.", registry=registry)
        self.dropped = Counter(
            "instances_dropped", "Instances whose caller gave up before the model ran.", registry=registry
        )
        self.predictions = Counter("predictions", "Predictions by class.", ["class"], registry=registry)
        self.cache_lookups = Counter(
            "cache_lookups", "Requests looked for among the answers that are kept.", ["result"], registry=registry
        )
        self.cache_errors = Counter("cache_errors", "Times that the cache failed.", registry=registry)
        self.served = Gauge(
            "model_info",
            "1 for the model that is loaded.",
            ["model", "version", "alternative_for", "device"],
            registry=registry,
        )

    def ran(self, waits: Sequence[tuple[float, float]], seconds: float, dropped: int) -> None:
        """Count a batch.

        Args:
            waits: for each instance, seconds that decoding took, and that it then waited for the model.
            seconds: of the batch.
            dropped: instances that were not in it any more.
        """
        self.dropped.inc(dropped)
        if waits:
            self.batch_size.observe(len(waits))
            self.predict.observe(seconds)
        for decode_s, waited_s in waits:
            self.preprocess.observe(decode_s)
            self.queue.observe(waited_s)
