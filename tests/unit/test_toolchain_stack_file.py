"""What the engine writes into a stack's file is not there afterwards; what people write is."""

from pathlib import Path

import pytest

from toolchain import places
from toolchain.stack_file import as_written

WRITTEN = "config:\n  modelserve:target: local\n  modelserve:nodes: { min: 1, max: 2 }\n"
AS_THE_ENGINE_SETS_IT = "config:\n    modelserve:target: local\n    modelserve:nodes: {min: 1, max: 2}\n"
SALT = "encryptionsalt: v1:L+ayOLbyUDQ=:v1:Wb1vQf7nVp5AwbB6:Fx52xF305nRq9oIJZTm/dPuILGEe0Q==\n"
KEY = "secretsprovider: awskms://alias/pulumi?region=eu-central-1\nencryptedkey: AQICAHg=\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "CHECKOUT", tmp_path)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_text(WRITTEN)
    return file


@pytest.mark.parametrize("content", [WRITTEN + SALT, SALT + WRITTEN, AS_THE_ENGINE_SETS_IT + SALT])
def test_a_salt_and_another_layout_are_taken_back(file: Path, content: str) -> None:
    with as_written("mine"):
        file.write_text(content)
    assert file.read_text() == WRITTEN


def test_so_are_they_after_a_failure(file: Path) -> None:
    def interrupted() -> None:
        with as_written("mine"):
            file.write_text(WRITTEN + SALT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == WRITTEN


def test_what_somebody_sets_meanwhile_stays(file: Path) -> None:
    edited = WRITTEN.replace("max: 2", "max: 3") + SALT
    with as_written("mine"):
        file.write_text(edited)
    assert file.read_text() == edited


def test_a_salt_that_is_kept_on_purpose_stays(file: Path) -> None:
    file.write_text(WRITTEN + SALT)
    with as_written("mine"):
        pass
    assert file.read_text() == WRITTEN + SALT


def test_a_stack_without_a_file_has_none_afterwards(file: Path) -> None:
    file.unlink()
    with as_written("mine"):
        pass
    assert not file.exists()


def test_the_checkouts_own_state_does_not_ask_for_the_key_of_a_shared_one(file: Path) -> None:
    file.write_text(WRITTEN + KEY)
    with as_written("mine"):
        assert file.read_text() == WRITTEN
        file.write_text(AS_THE_ENGINE_SETS_IT + SALT)
    assert file.read_text() == WRITTEN + KEY


def test_a_shared_state_is_opened_with_its_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(WRITTEN + KEY)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://example-pulumi")
    with as_written("mine"):
        assert file.read_text() == WRITTEN + KEY


def test_a_key_stays_with_what_somebody_sets_meanwhile(file: Path) -> None:
    file.write_text(WRITTEN + KEY)
    edited = WRITTEN.replace("max: 2", "max: 3")
    with as_written("mine"):
        file.write_text(edited)
    assert file.read_text() == edited + KEY
