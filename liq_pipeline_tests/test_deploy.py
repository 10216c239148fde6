"""``deploy/`` as far as it can be checked without a container engine."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from liq_pipeline.cli.dagster_home import repository
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse.migrate import migrate

DEPLOY = repository() / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"schema", "one-collector", "one-live"}
PIPELINE = {"schema", "code-server", "webserver", "daemon", "one-collector", "one-live", "collector", "live"}
ENVIRONMENT = Path(sys.executable).parent


def test_the_services_are_those_of_the_line() -> None:
    assert set(SERVICES) == PIPELINE | {"postgres", "redis"}
    assert {name for name, service in SERVICES.items() if service["image"].startswith("liq-pipeline")} == PIPELINE


def test_only_the_ui_has_a_port_outside_and_that_on_loopback() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "webserver": ["${LIQ_UI_BIND:-127.0.0.1}:3000:3000"]
    }
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["data"] for name in ("postgres", "redis"))


def test_what_stays_up_is_looked_after_and_what_runs_once_is_waited_for() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        assert ("healthcheck" in service) == (name not in ONCE), name
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONCE else "service_healthy"
            assert how["condition"] == expected, (name, needed)


def test_every_volume_network_and_secret_that_is_used_is_declared_and_the_other_way_round() -> None:
    used = {
        "networks": {network for service in SERVICES.values() for network in service["networks"]},
        "secrets": {secret for service in SERVICES.values() for secret in service["secrets"]},
        "volumes": {
            volume.split(":")[0]
            for service in SERVICES.values()
            for volume in service.get("volumes", [])
            if re.match(r"\w+:", volume)
        },
    }
    assert {kind: set(COMPOSE[kind]) for kind in used} == used


def test_the_collector_has_no_way_to_the_database() -> None:
    assert SERVICES["collector"]["secrets"] == ["redis_url"]
    assert set(SERVICES["collector"]["environment"]) == {"LIQ_REDIS_URL_FILE"}


def test_the_live_view_has_no_way_out_and_the_collector_leaves_it_to_its_service() -> None:
    assert SERVICES["live"]["networks"] == ["data"]
    assert "--no-live" in SERVICES["collector"]["command"]


def test_no_secret_is_in_an_environment_variable() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|DATABASE_URL|REDIS_URL|ALERT_URLS", variable) or (
                variable.endswith("_FILE") and value.startswith("/run/secrets/")
            )


@pytest.mark.parametrize("name", sorted(PIPELINE))
def test_variables_are_settings(name: str) -> None:
    known = {f"LIQ_{field.upper()}" for field in Settings.model_fields}
    assert {variable.removesuffix("_FILE") for variable in SERVICES[name]["environment"]} <= known


@pytest.mark.parametrize("name", sorted(PIPELINE - {"schema"}))
def test_commands_are_programs_of_the_environment_and_their_files_are_in_the_image(name: str) -> None:
    service = SERVICES[name]
    commands = [[*service.get("entrypoint", []), *service["command"]]]
    if "healthcheck" in service:
        commands.append(service["healthcheck"]["test"][1:])
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text()
    for command in commands:
        program = next(word for word in command if word != "with-liq")
        assert (ENVIRONMENT / program).exists(), program
        for path in re.findall(r"/opt/liq/(\S+)", " ".join(command)):
            assert (repository() / path).is_file() and f"!{path}" in ignored


def test_modules_that_commands_name_exist() -> None:
    modules = re.findall(r"(?:-m |--module-name=)([\w.]+)", " ".join(SERVICES["schema"]["command"]))
    modules += re.findall(r"--module-name=([\w.]+)", " ".join(SERVICES["code-server"]["command"]))
    assert len(modules) == 2 and all(importlib.util.find_spec(module) for module in modules)


def test_the_workspace_names_the_code_server_and_the_location_of_everywhere_else() -> None:
    (server,) = (entry["grpc_server"] for entry in yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"])
    command = SERVICES["code-server"]["command"]
    assert server["host"] in SERVICES and f"--port={server['port']}" in command
    assert f"--location-name={server['location_name']}" in command
    (elsewhere,) = yaml.safe_load((repository() / "workspace.yaml").read_text())["load_from"]
    assert server["location_name"] == elsewhere["python_module"]["location_name"]


def test_what_the_image_copies_is_not_ignored() -> None:
    copied = re.findall(r"^COPY (?:--\S+ )?(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    paths = {path for line in copied for path in line.split()}
    assert paths == allowed and all((repository() / path).exists() for path in paths)


def test_scripts_are_posix_and_may_be_run() -> None:
    for script in (DEPLOY / "entrypoint.sh", DEPLOY / "make-secrets.sh", DEPLOY / "postgres" / "liq.sh"):
        subprocess.run(["sh", "-n", script], check=True)
        assert script.stat().st_mode & 0o111, script


def test_secrets_are_made_once_and_fit_together(tmp_path: Path) -> None:
    script = Path(shutil.copy(DEPLOY / "make-secrets.sh", tmp_path))
    subprocess.run([script], check=True, capture_output=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    subprocess.run([script], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    settings = load_settings(
        {
            "LIQ_DATABASE_URL_FILE": str(tmp_path / "secrets" / "database_url"),
            "LIQ_REDIS_URL_FILE": str(tmp_path / "secrets" / "redis_url"),
        },
        env_file=None,
    )
    assert settings.database_url is not None and settings.redis_url is not None
    assert f":{made['liq_password']}@postgres:" in settings.database_url.get_secret_value()
    assert f":{made['redis_password']}@redis:" in settings.redis_url.get_secret_value()


def test_the_entrypoint_gives_dagster_its_home_and_storage_from_the_secret_files(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    migrate(database_url, plain=True)
    (tmp_path / "database_url").write_text(database_url)
    (tmp_path / "redis_url").write_text(redis_url)
    done = subprocess.run(
        [DEPLOY / "entrypoint.sh", "sh", "-c", 'echo "$DAGSTER_HOME|$DAGSTER_PG_DB"; ls "$DAGSTER_HOME"'],
        env={
            "PATH": f"{ENVIRONMENT}:/usr/bin:/bin",
            "PYTHONPATH": str(repository()),
            "LIQ_HOME": str(tmp_path / "home"),
            "LIQ_DATABASE_URL_FILE": str(tmp_path / "database_url"),
            "LIQ_REDIS_URL_FILE": str(tmp_path / "redis_url"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    name = database_url.rpartition("/")[2]
    assert done.stdout.splitlines() == [f"{tmp_path}/home/dagster|{name}_dagster", "dagster.yaml"]
