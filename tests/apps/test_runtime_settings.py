"""What a process is told by its environment, and what it refuses to be told."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field

from apps.runtime import process
from apps.runtime.settings import Settings, SettingsError, read


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("MODEL_STORES", "/a:/b")
    settings = read(Settings)
    assert (settings.port, settings.log_level, settings.model_stores) == (9000, "DEBUG", (Path("/a"), Path("/b")))


def test_by_default_nobody_else_can_connect() -> None:
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "http", "0 to 65535"),
        ("PORT", "70000", "0 to 65535"),
        ("MAX_BATCH", "0", "1 to 1024"),
        ("MODEL_DEVICE", "tpu", "cpu or cuda"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
        ("MODEL_NAME", "../etc", "resnet50"),
        ("MODEL_ALTERNATIVE", "resnet50", "name@version"),
        ("REQUEST_TIMEOUT_S", "-1", "above 0"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        read(Settings)
    assert f"{name} is {value!r}" in str(refused.value)
    assert allowed in str(refused.value)


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    monkeypatch.setenv("QUEUE", "0")
    with pytest.raises(SettingsError, match=r"(?s)PORT.*QUEUE"):
        read(Settings)


def test_a_setting_that_an_app_needs_is_missed() -> None:
    class Needy(Settings):
        detector_url: str = Field(description="a URL")

    with pytest.raises(SettingsError, match=r"DETECTOR_URL is not set\.\n  Allowed: a URL"):
        read(Needy)


def test_every_setting_says_what_is_allowed() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_port_that_is_taken_is_refused_by_number() -> None:
    holder = process.listen("127.0.0.1", 0)
    port = holder.getsockname()[1]
    with holder, pytest.raises(SettingsError, match=rf"(?s)Port {port} on 127.0.0.1 .*PORT=0") as refused:
        process.listen("127.0.0.1", port)
    assert "in use" in str(refused.value)


def test_the_runtime_imports_nothing_that_makes_infrastructure_or_trains() -> None:
    script = "import sys, apps.runtime.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"pulumi", "redis", "torch", "onnx", "onnxruntime", "sqlalchemy", "infra", "stacks", "ops", "PIL"}
    assert heavy.isdisjoint(module.partition(".")[0] for module in loaded)
