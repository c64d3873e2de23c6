"""The sources of the configuration; the built-in one is the shipped file."""

import re
import signal
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.demo import Demo
from support.faults import FaultServer, never_answers
from support.process import ExporterProcess, Process, call, run, serving

import exporter.config
from exporter.config import ConfigError, Source

ROOT = Path(__file__).resolve().parents[1]
BUILT_IN = Path(exporter.config.__file__).with_name("default.yaml")
FILE = "portals: [{name: filed, url: 'http://127.0.0.1:1', api_key: sk-file}]\n"
Ended = CompletedProcess[str]
VARIABLES = {"DOCSPACE_URL": "http://127.0.0.1:1", "DOCSPACE_API_KEY": "sk-env"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(source: Source) -> list[str]:
    return [portal.name for portal in source.load().portals]


def test_the_built_in_configuration_is_the_shipped_file() -> None:
    assert BUILT_IN.read_bytes() == (ROOT / "config.yaml").read_bytes()


def test_variables_alone_suffice() -> None:
    settings = Source(None, VARIABLES).load()
    (portal,) = settings.portals
    assert (portal.name, portal.url) == ("docspace", "http://127.0.0.1:1")
    assert settings.source == "built-in configuration"


def test_a_config_yaml_comes_before_the_built_in_one(folder: Path) -> None:
    (folder / "config.yaml").write_text(FILE)
    assert names(Source(None, VARIABLES)) == ["filed"]


def test_a_named_file_comes_before_config_yaml(folder: Path) -> None:
    (folder / "config.yaml").write_text(FILE)
    (folder / "other.yaml").write_text(FILE.replace("filed", "other"))
    assert names(Source(Path("other.yaml"), VARIABLES)) == ["other"]


def test_a_named_file_that_is_missing_is_an_error_whatever_the_variables_are() -> None:
    with pytest.raises(ConfigError) as raised:
        Source(Path("config.yaml"), VARIABLES).load()
    assert raised.value.problems == ("config.yaml: cannot be read: No such file or directory",)


def test_a_config_yaml_that_cannot_be_read_is_not_passed_over(folder: Path) -> None:
    (folder / "config.yaml").symlink_to("gone.yaml")
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        Source(None, VARIABLES).load()


def test_without_file_and_variables_both_ways_out_are_named(folder: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        Source(None, {}).load()
    *missing, ways_out = raised.value.problems
    place = "built-in configuration: portals[0]"
    assert missing == [
        f"{place}.url: the environment variable DOCSPACE_URL is not set",
        f"{place}.api_key: the environment variable DOCSPACE_API_KEY is not set",
    ]
    assert ways_out == (
        f"the built-in configuration is used because {folder} has no config.yaml: set "
        "DOCSPACE_URL to the portal's address and DOCSPACE_API_KEY to a key of it, or name a "
        "configuration file with --config.file"
    )


def test_a_config_yaml_that_was_written_meanwhile_is_loaded(folder: Path) -> None:
    source = Source(None, VARIABLES)
    assert names(source) == ["docspace"]
    (folder / "config.yaml").write_text(FILE)
    assert names(source) == ["filed"]


def test_a_config_yaml_that_vanished_is_an_error_and_not_another_configuration(
    folder: Path,
) -> None:
    (folder / "config.yaml").write_text(FILE)
    source = Source(None, VARIABLES)
    source.load()
    (folder / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        source.load()


# Every command


def start(command: str, *flags: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run it to its end: textfile in a process of its own, since it handles signals."""
    runner = run if command == "textfile" else call
    return runner(command, *flags, cwd=cwd, env=env)


@pytest.mark.parametrize("command", ["serve", "check", "keys", "textfile"])
def test_every_command_names_both_ways_out(command: str, folder: Path) -> None:
    flags = {"serve": ["--config.check"], "textfile": ["--output=x.prom"]}.get(command, [])
    ended = start(command, *flags, cwd=folder)
    assert ended.returncode == 2
    assert "set DOCSPACE_URL to the portal's address and DOCSPACE_API_KEY to a key" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["serve", "--config.check"], "built-in configuration: OK, portals: docspace"),
        (["check"], "all is well"),
        (["keys"], "billing-export"),
        (["textfile", "--output=x.prom"], ""),
    ],
    ids=["serve", "check", "keys", "textfile"],
)
def test_every_command_runs_by_the_variables_alone(
    arguments: list[str], shown: str, folder: Path, demo: Demo
) -> None:
    ended = start(*arguments, cwd=folder, env=demo.variables("acme"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert shown in ended.stdout


# As a process


def test_the_log_names_the_file_in_force(folder: Path) -> None:
    with ExporterProcess(folder, FILE) as exporter:
        loaded = exporter.wait_for('msg="configuration loaded"').string
    assert f"source={folder}/config.yaml portals=1" in loaded


def test_the_built_in_configuration_is_logged_and_reloaded(folder: Path) -> None:
    with Process(serving(), folder, "is ready", VARIABLES) as exporter:
        exporter.wait_for('msg="configuration loaded" source="built-in configuration" portals=1')
        exporter.send(signal.SIGHUP)
        exporter.wait_for('msg="configuration reloaded" source="built-in configuration" portals=1')
        (folder / "config.yaml").write_text(FILE)
        exporter.send(signal.SIGHUP)
        exporter.wait_for('msg="configuration reloaded" source=config.yaml portals=1')
        assert exporter.stop() == 0


# The first fetch

BROKEN = """\
portals:
  - {name: address, url: 'http://127.0.0.1:1', api_key: sk-1}
  - {name: file, url: 'http://127.0.0.1:1', api_key_file: gone}
  - {name: wrong, url: 'URL', api_key: sk-0}
"""


def test_a_portal_that_cannot_be_fetched_is_logged_at_the_start(folder: Path, demo: Demo) -> None:
    """Without any scrape, each has a line with what to do, and the exporter continues."""
    with ExporterProcess(folder, BROKEN.replace("URL", demo.servers["acme"].url)) as exporter:
        for name, reason in (
            ("address", "connection"),
            ("file", "credential"),
            ("wrong", "unauthorized"),
        ):
            line = exporter.wait_for(
                f'msg="cannot read the keys of the portal" portal={name} '
            ).string
            assert f" reason={reason} " in line
            assert " hint=" in line
        assert len(re.findall('msg="cannot read the keys of the portal"', exporter.stderr)) == 3
        assert "docspace_up" in exporter.get()


def test_a_portal_that_answers_is_logged_at_the_start(folder: Path, demo: Demo) -> None:
    with ExporterProcess(folder, demo.config("acme")) as exporter:
        exporter.wait_for('msg="portal answers" portal=acme keys=')


def test_a_scrape_during_the_first_fetch_shares_it(folder: Path, demo: Demo) -> None:
    portal = demo.portals["acme"].portal
    portal.delay = 0.5
    with ExporterProcess(folder, demo.config("acme")) as exporter:
        assert 'docspace_up{portal="acme"} 1.0' in exporter.get()
        assert portal.requests["/api/2.0/keys"] == 1


def test_the_first_fetch_fills_the_status_page(folder: Path, demo: Demo) -> None:
    with ExporterProcess(folder, demo.config("acme")) as exporter:
        exporter.wait_for('msg="portal answers"')
        assert "1 of 1 portal up" in exporter.get("/")


def test_a_first_fetch_under_way_is_not_shown_as_a_portal_down(folder: Path) -> None:
    with (
        FaultServer(never_answers) as portal,
        ExporterProcess(folder, FILE.replace("http://127.0.0.1:1", portal.url)) as exporter,
    ):
        assert "1 portal, no answer yet." in exporter.get("/")
        assert exporter.stop() == 0


def test_a_reload_asks_a_portal_whose_settings_changed(folder: Path, demo: Demo) -> None:
    """Also if its last answer is new: that was for other settings."""
    text = "scrape: {min_interval: 1h}\n" + demo.config("acme")
    with ExporterProcess(folder, re.sub("sk-[0-9a-f]+", "sk-0", text)) as exporter:
        exporter.wait_for('msg="cannot read the keys of the portal"')
        (folder / "config.yaml").write_text(text)
        exporter.send(signal.SIGHUP)
        exporter.wait_for(
            'msg="(can read the keys of the portal again|portal answers)" portal=acme'
        )


def test_a_reload_leaves_alone_a_portal_whose_settings_are_the_same(
    folder: Path, demo: Demo
) -> None:
    portal = demo.portals["acme"].portal
    config = "scrape: {min_interval: 0s}\n" + demo.config("acme")
    with ExporterProcess(folder, config, "--web.enable-lifecycle") as exporter:
        exporter.wait_for('msg="portal answers"')
        request = urllib.request.Request(exporter.url + "/-/reload", method="POST")
        urllib.request.urlopen(request, timeout=60).close()
        exporter.get()
        assert portal.requests["/api/2.0/keys"] == 2
