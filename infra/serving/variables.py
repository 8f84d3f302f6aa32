"""What an app may not be told by ``env`` in its ``app.yaml``: secrets, and what the platform tells it."""

import re
from collections.abc import Iterable

SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|_KEY)$")

TOLD = {
    "APP_REVISION": "the code that runs",
    "AWS_ENDPOINT_URL": "the target",
    "AWS_REGION": "the target",
    "AWS_SHARED_CREDENTIALS_FILE": "the target",
    "CACHE_TTL_S": "cache.ttl_s",
    "DATABASE_URL": "database",
    "DATABASE_URL_FILE": "database",
    "DRAIN_S": "limits.drain_s",
    "HOME": "the target",
    "HOST": "whoever starts a process",
    "MAX_BATCH": "batching.max_batch",
    "MAX_DELAY_MS": "batching.max_delay_ms",
    "MAX_UPLOAD_SIZE": "traffic.max_body_bytes",
    "MODELSERVE_CACHE": "the target",
    "MODEL_ALSO": "model.also",
    "MODEL_ALTERNATIVE": "model.alternative",
    "MODEL_DEVICE": "resources.gpu",
    "MODEL_NAME": "model.name",
    "MODEL_STORES": "models.stores of the stack",
    "MODEL_VERSION": "model.version",
    "OBJECT_STORE_URL": "objects",
    "PAYLOAD_FOLDER": "payloads.sample",
    "PAYLOAD_SAMPLE": "payloads.sample",
    "PAYLOAD_TEXT": "payloads.text",
    "PORT": "whoever starts a process",
    "PYTHONUNBUFFERED": "the target",
    "QUEUE": "limits.queue",
    "REDIS_URL_FILE": "cache.ttl_s",
    "RELOAD_TOKEN_FILE": "the target",
    "REQUEST_TIMEOUT_S": "traffic.timeout_s",
    "THREADS": "resources.cpu",
    "TORCHINDUCTOR_CACHE_DIR": "the target",
    "TORCHINDUCTOR_COMPILE_THREADS": "the target",
    "TRITON_CACHE_DIR": "the target",
}
"""Variables of the platform, and what decides each: a key of ``app.yaml``, of the stack, or none."""


def url_of(need: str) -> str:
    """The variable that tells where another app is."""
    return f"{need.replace('-', '_').upper()}_URL"


def check(names: Iterable[str], needs: Iterable[str]) -> None:
    """Nothing, if an app that needs these others may be told variables of these names.

    Raises:
        ValueError: one is a secret, or the platform's.
    """
    told = TOLD | {url_of(need): "needs" for need in needs}
    for name in sorted(names):
        if name in told:
            raise ValueError(f"env.{name} is decided by {told[name]}; leave it out")
        if SECRET.search(name):
            raise ValueError(f"env.{name} looks like a secret; apps read secrets from mounted files")
