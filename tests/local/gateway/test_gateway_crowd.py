"""The gateway, and an app by itself, when most callers only take up room."""

from pathlib import Path

import httpx
import pytest

from tests.apps.processes import running
from tests.crowd import crowd
from tests.local.gateway.running import Gateway, Make, app
from tests.local.gateway.upstream import answers

pytestmark = pytest.mark.local

IDLE, SLOW = 2000, 50
CALLS = 200


def test_the_gateway_answers_everybody_who_asks(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    with crowd(gateway.port, idle=IDLE, slow=SLOW) as there:
        assert there.held() > IDLE
        assert answers(f"{gateway.url}/echo/", CALLS).statuses.keys() == {200}
        assert httpx.get(f"{gateway.url}/echo/").status_code == 200


def test_an_app_by_itself_answers_everybody_who_asks(tmp_path: Path) -> None:
    with running("detector", tmp_path, MODEL_NAME="circle_detector", MODEL_VERSION="1.1.0") as url:
        port = httpx.URL(url).port or 0
        with crowd(port, idle=IDLE, slow=SLOW) as there:
            assert there.held() > IDLE
            assert answers(f"{url}/health", CALLS).statuses.keys() == {200}
            assert httpx.get(f"{url}/ready").status_code == 200
