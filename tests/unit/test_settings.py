"""Settings: what is right is taken, what is wrong is named with where it stands and what is allowed."""

from pathlib import Path

import pytest

from infra.settings import CHECKOUT, Settings, parse, serving_specs
from infra.validation import SettingsError

LOCAL = {"modelserve:target": "local"}


def refusal(values: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        parse({**LOCAL, **values}, "local")
    return str(refused.value)


def spec_refusal(folder: Path, **settings: object) -> str:
    with pytest.raises(SettingsError) as refused:
        serving_specs(Settings.model_validate({"target": "local", **settings}), "prod", folder)
    return str(refused.value)


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "app.yaml").write_text("name: echo\nsummary: Echoes.\ncommand: [python, -m, echo]\n")
    return tmp_path


def test_a_stack_that_names_its_target_needs_nothing_else() -> None:
    assert parse(LOCAL, "local").gateway.port == 8080


def test_a_dotted_key_and_a_nested_one_say_the_same() -> None:
    dotted = parse({**LOCAL, "modelserve:gateway.port": "8081"}, "local")
    nested = parse({**LOCAL, "modelserve:gateway": '{"port": 8081}'}, "local")
    assert dotted == nested
    assert dotted.gateway.port == 8081


def test_keys_of_other_programs_are_left_alone() -> None:
    assert parse({**LOCAL, "aws:region": "eu-central-1"}, "local").target == "local"


def test_an_unknown_key_is_named_with_the_nearest_right_one() -> None:
    said = refusal({"modelserve:gateway.prot": "8081"})
    assert "Pulumi.local.yaml: modelserve:gateway.prot is not a setting; its value is '8081'." in said
    assert "Did you mean port?" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gateway.password", "hunter2"),
        ("gateway.apiKey", "hunter2"),
        ("secrets.gateway", "hunter2"),
        ("gatewy", '{"auth": "hunter2"}'),
        ("gateway.prot", '{"secure": "hunter2"}'),
    ],
)
def test_the_value_of_an_unknown_key_is_not_told_where_it_may_be_a_secret(key: str, value: str) -> None:
    said = refusal({f"modelserve:{key}": value})
    assert "is not a setting." in said
    assert "hunter2" not in said


def test_a_key_like_no_other_is_answered_with_all_that_are_allowed() -> None:
    assert "Allowed here: apps, aws, data, gateway" in refusal({"modelserve:zzz": "1"})


def test_a_wrong_value_is_named_with_what_is_allowed() -> None:
    said = refusal({"modelserve:gateway.port": "99999"})
    assert "modelserve:gateway.port is '99999'" in said
    assert "less than or equal to 65535" in said


@pytest.mark.parametrize(
    ("target", "first", "second"),
    [
        ("local", "gateway.port", "prometheus.port"),
        ("local", "gateway.port", "mlflow.port"),
        ("local", "postgres.port", "redis.port"),
        ("kind", "gateway.port", "kind.registry_port"),
    ],
)
def test_a_port_is_given_away_once(target: str, first: str, second: str) -> None:
    same = {f"modelserve:{key}": "18080" for key in (first, second)}
    said = refusal({"modelserve:target": target, "modelserve:mlflow.enabled": "true", **same})
    assert said.startswith(f"Pulumi.local.yaml: modelserve:{first} and modelserve:{second} are both 18080.")


def test_a_port_that_another_part_has_by_default_is_taken_too() -> None:
    assert "gateway.port and modelserve:prometheus.port are both 9090" in refusal({"modelserve:gateway.port": "9090"})


def test_any_number_of_ports_may_be_whichever_is_free() -> None:
    assert parse({**LOCAL, "modelserve:postgres.port": "0", "modelserve:redis.port": "0"}, "local")


def test_the_port_of_what_does_not_run_is_free_for_others() -> None:
    assert parse({**LOCAL, "modelserve:gateway.port": "5000"}, "local").gateway.port == 5000


def test_a_target_that_does_not_exist_is_answered_with_those_that_do() -> None:
    assert "'local', 'kind' or 'aws'" in refusal({"modelserve:target": "azure"})


def test_a_stack_without_a_target_is_told_to_give_one() -> None:
    with pytest.raises(SettingsError, match="modelserve:target is missing"):
        parse({}, "local")


def test_the_stack_overrides_one_leaf_of_an_app_and_leaves_the_rest() -> None:
    settings = parse({**LOCAL, "modelserve:apps.classifier.workers": "2"}, "local")
    [classifier] = [spec for spec in serving_specs(settings, "local") if spec.name == "classifier"]
    assert classifier.workers == 2
    assert classifier.model is not None
    assert classifier.model.name == "resnet50"


def test_a_disabled_app_is_not_there() -> None:
    settings = parse({**LOCAL, "modelserve:apps.classifier.enabled": "false"}, "local")
    assert "classifier" not in [spec.name for spec in serving_specs(settings, "local")]


def test_disabling_what_another_app_needs_is_refused() -> None:
    settings = parse({**LOCAL, "modelserve:apps.detector.enabled": "false"}, "local")
    with pytest.raises(SettingsError, match="needs names detector"):
        serving_specs(settings, "local")


def test_every_app_of_the_project_has_a_valid_spec() -> None:
    names = [spec.name for spec in serving_specs(parse(LOCAL, "local"), "local")]
    assert names == sorted(file.parent.name for file in CHECKOUT.glob("apps/*/app.yaml"))


def test_an_override_out_of_bounds_names_the_stack_file(apps: Path) -> None:
    said = spec_refusal(apps, apps={"echo": {"scaling": {"min": 3, "max": 2}}})
    assert "Pulumi.prod.yaml: modelserve:apps.echo.scaling: scaling.max is 2, below min 3" in said


def test_a_wrong_value_in_app_yaml_names_that_file(apps: Path) -> None:
    (apps / "echo" / "app.yaml").write_text("name: echo\nsummary: Echoes.\ncommand: [x]\nworkers: none\n")
    assert "apps/echo/app.yaml: workers is 'none'" in spec_refusal(apps)


def test_an_unknown_app_is_answered_with_those_there_are(apps: Path) -> None:
    assert "apps.ehco is not an app.\n  There is echo" in spec_refusal(apps, apps={"ehco": {"workers": 2}})


def test_a_folder_and_a_name_that_differ_are_refused(apps: Path) -> None:
    (apps / "echo" / "app.yaml").write_text("name: other\nsummary: Echoes.\ncommand: [x]\n")
    assert "name is 'other', but its folder is echo" in spec_refusal(apps)


def test_a_secret_in_the_environment_is_refused(apps: Path) -> None:
    assert "env.API_TOKEN looks like a secret" in spec_refusal(apps, apps={"echo": {"env": {"API_TOKEN": "x"}}})


def test_a_canary_needs_a_model(apps: Path) -> None:
    said = spec_refusal(apps, apps={"echo": {"traffic": {"canary": {"version": "2"}}}})
    assert "traffic.canary names a model version, but the app has no model" in said


def test_a_canary_is_another_version_than_the_one_beside_it(apps: Path) -> None:
    model = {"name": "m", "version": "1.0.0"}
    said = spec_refusal(apps, apps={"echo": {"model": model, "traffic": {"canary": {"version": "1.0.0"}}}})
    assert "traffic.canary.version is 1.0.0, which stable serves already" in said


def test_a_canary_is_no_version_that_stable_serves_beside_its_own(apps: Path) -> None:
    model = {"name": "m", "version": "1.0.0", "also": ["2.0.0"]}
    said = spec_refusal(apps, apps={"echo": {"model": model, "traffic": {"canary": {"version": "2.0.0"}}}})
    assert "traffic.canary.version is 2.0.0, which stable serves already" in said


def test_a_path_is_given_to_an_app_once(apps: Path) -> None:
    said = spec_refusal(apps, apps={"echo": {"routes": [{"prefix": "/echo/"}, {"prefix": "/echo/"}]}})
    assert "routes has /echo/ twice; leave one of them out" in said


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("routes", [{"prefix": "/../"}], "routes.0.prefix is '/../'"),
        ("routes", [{"prefix": "/a//b/"}], "routes.0.prefix is '/a//b/'"),
        ("command", [], "command"),
        ("command", ["a\0"], "command.0"),
        ("env", {"A B": "x"}, "env.A B"),
        ("env", {"A": "x\0"}, "env.A"),
        ("env", {"PORT": "1"}, "env.PORT is decided by whoever starts a process; leave it out"),
        ("env", {"THREADS": "1"}, "env.THREADS is decided by resources.cpu; leave it out"),
        ("needs", ["echo"], "needs has echo, which is this app"),
        ("needs", ["other", "other"], "needs has other, which is this app, or there already"),
        ("resources", {"cpu": float("inf")}, "resources.cpu is inf"),
        ("traffic", {"timeout_s": float("inf")}, "traffic.timeout_s is inf"),
        ("model", {"name": "m", "version": "1", "also": ["2", "1"]}, "also has 1, which is served already"),
        ("model", {"name": "m", "version": "1", "also": ["2", "2"]}, "also has 2, which is served already"),
    ],
)
def test_what_no_target_could_do_is_refused_with_its_key(apps: Path, key: str, value: object, reason: str) -> None:
    assert reason in spec_refusal(apps, apps={"echo": {key: value}})


def test_broken_yaml_is_refused_with_the_line(apps: Path) -> None:
    (apps / "echo" / "app.yaml").write_text("name: [")
    assert "line 1" in spec_refusal(apps)


def test_two_apps_cannot_have_the_same_path(apps: Path) -> None:
    for name in ("echo", "other"):
        (apps / name).mkdir(exist_ok=True)
        text = f"name: {name}\nsummary: Echoes.\ncommand: [x]\nroutes: [{{prefix: /echo/}}]\n"
        (apps / name / "app.yaml").write_text(text)
    assert "apps/other/app.yaml: routes has /echo/, which echo has already" in spec_refusal(apps)


def test_an_app_that_others_need_has_a_path_of_its_name(apps: Path) -> None:
    (apps / "caller").mkdir()
    (apps / "caller" / "app.yaml").write_text("name: caller\nsummary: Calls.\ncommand: [x]\nneeds: [echo]\n")
    assert "needs names echo, which the gateway does not have at /echo/" in spec_refusal(apps)


@pytest.mark.parametrize("part", ["stable", "canary", "internal", "database", "stable-predictor"])
def test_an_app_is_not_called_as_a_part_of_another(apps: Path, part: str) -> None:
    (apps / f"echo-{part}").mkdir()
    (apps / f"echo-{part}" / "app.yaml").write_text(f"name: echo-{part}\nsummary: Echoes.\ncommand: [x]\n")
    said = spec_refusal(apps)
    assert f"apps/echo-{part}/app.yaml: name is echo-{part}, which is what echo's own parts are called" in said


@pytest.mark.parametrize(
    "name", ["echo-internals", "echo-stables", "echo-database-2", "echo-new-canary", "other-canary", "echoes-stable"]
)
def test_an_app_may_be_called_nearly_as_a_part_of_another(apps: Path, name: str) -> None:
    (apps / name).mkdir()
    (apps / name / "app.yaml").write_text(f"name: {name}\nsummary: Echoes.\ncommand: [x]\n")
    assert {spec.name for spec in serving_specs(parse(LOCAL, "local"), "local", apps)} == {"echo", name}


def test_an_app_cannot_be_told_where_another_is_in_place_of_the_platform(apps: Path) -> None:
    said = spec_refusal(apps, apps={"echo": {"needs": ["other-app"], "env": {"OTHER_APP_URL": "http://x"}}})
    assert "env.OTHER_APP_URL is decided by needs" in said


def test_a_cache_needs_a_model(apps: Path) -> None:
    said = spec_refusal(apps, apps={"echo": {"cache": {"ttl_s": 60}}})
    assert "cache.ttl_s keeps answers of a model, but the app has no model" in said
