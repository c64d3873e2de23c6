"""Every command and sample in README and docs: the README's are run, all others validated."""

import configparser
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import tools
from support.demo import Demo
from support.pages import EVERY, README, ROOT, Block, blocks

from exporter import cli, flags
from exporter.config import load
from exporter.httpserver import webconfig

#: Languages that nothing here can check, with the reason.
UNCHECKED = {
    "": "a drawing, or the output of a command",
    "text": "a drawing, or the output of a command",
    "nginx": "a part of a configuration, which nginx does not check by itself",
    "mermaid": "a drawing",
    "dockerfile": "a part of a file",
}
#: What `pip install .` needs so that it needs no network: the dependencies are those of the tests.
DEPENDENCIES = f"""\
rm -rf docspace/lib/*/site-packages/setuptools*
echo {sysconfig.get_path("purelib")} > $(echo docspace/lib/*/site-packages)/tests.pth
"""
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
#: Not part of a checkout.
LEFT_OUT = shutil.ignore_patterns(
    ".venv*", ".tools", ".git", "build", "dist", "*.egg-info", "__pycache__", ".*_cache"
)


#: Labels that the configuration of the golden exposition adds.
CONFIGURED = {"env", "team"}


def of(*kinds: str) -> list[Block]:
    return [block for block in EVERY if block.kind in kinds]


# The README is run.


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout."""
    folder = tmp_path_factory.mktemp("readme") / "docspace-exporter"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=LEFT_OUT)
    return folder


@pytest.fixture(scope="module")
def printed(checkout: Path) -> str:
    """What the README's commands print, run from the first to the last in one shell."""
    script = "".join(block.text for block in blocks(README) if block.kind == "sh")
    install = "docspace/bin/pip install .\n"
    assert install in script
    script = script.replace(install, DEPENDENCIES + install)
    with Demo() as portals:
        mine = {"10180": free_port(), "10181": free_port(), **placeholders(portals)}
        for theirs, instead in mine.items():
            assert theirs in script
            script = script.replace(theirs, instead)
        environment = {
            **os.environ,
            **OFFLINE,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DOCSPACE_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{mine['10180']}",
            "no_proxy": "*",
        }
        ran = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script + "\nkill $!\nwait"],
            cwd=checkout, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def placeholders(portals: Demo) -> dict[str, str]:
    """The address and the key in the README, and those of a portal that is there."""
    variables = portals.variables("acme")
    return {
        "https://acme.onlyoffice.com": variables["DOCSPACE_URL"],
        "sk-…": variables["DOCSPACE_API_KEY"],
    }


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def test_the_readme_can_be_pasted_from_top_to_bottom(printed: str) -> None:
    assert "docspace-exporter 1." in printed
    assert "all is well" in printed
    assert 'docspace_up{portal="docspace"} 1.0' in printed


def test_the_readme_checks_before_it_serves() -> None:
    script = "".join(block.text for block in blocks(README) if block.kind == "sh")
    assert script.index("docspace-exporter check") < script.index("docspace-exporter &")


def test_every_series_in_the_readme_is_one_of_the_demo(printed: str) -> None:
    """A count has the demo's value; a time is another one each day."""
    (sample,) = (block for block in blocks(README) if block.kind == "samples")
    served = dict(line.rsplit(" ", 1) for line in printed.splitlines() if " " in line)
    for line in sample.text.splitlines():
        series, value = line.rsplit(" ", 1)
        assert series in served
        assert float(value) == float(served[series]) or min(float(value), 1e9) == 1e9


# Commands


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_a_block_of_commands_is_one_that_a_shell_reads(block: Block) -> None:
    read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


CALLS = [(block, call) for block in EVERY for call in block.commands()]


@pytest.mark.parametrize(
    ("block", "call"), CALLS, ids=[f"{block}-{' '.join(call)}" for block, call in CALLS]
)
def test_a_command_has_flags_that_there_are(block: Block, call: list[str]) -> None:
    options = cli._parse([word for word in call if word != "--version"])
    flags.complete(options, cli.COMMANDS[options.command][0], {})


# Samples


@pytest.mark.parametrize("block", of("samples"), ids=str)
def test_a_sample_is_a_series_that_is_exposed(block: Block) -> None:
    """Its name and its labels are those of the golden exposition."""
    golden = (ROOT / "tests" / "golden" / "text.prom").read_text()
    known = {shape(line) for line in golden.splitlines() if not line.startswith("#")}
    assert [line for line in block.text.splitlines() if shape(line) not in known] == []


def shape(line: str) -> tuple[str, ...]:
    """The name of a series and those of its labels."""
    labels = re.findall(r'[{,](\w+)="', line)
    return re.split(r"[{ ]", line)[0], *(label for label in labels if label not in CONFIGURED)


@pytest.mark.parametrize("block", of("yaml", "yml", "promql"), ids=str)
def test_a_sample_is_one_that_its_program_takes(
    block: Block, tmp_path: Path, promtool: Path
) -> None:
    text = rule_of(block.text) if block.kind == "promql" else block.text
    documents = [found for found in yaml.safe_load_all(text) if found is not None]
    assert documents
    file = tmp_path / "sample.yml"
    file.write_text(text)
    fields: set[Any] = set(documents[0]) if isinstance(documents[0], dict) else set()
    if fields & {"scrape_configs", "alerting", "rule_files"}:
        shutil.copytree(ROOT / "prometheus" / "rules", tmp_path / "rules")
        # Certificates and passwords are named, and not there.
        accepts(promtool, "check", "config", *syntax_only(block), file)
    elif fields & {"groups"}:
        accepts(promtool, "check", "rules", file)
    elif fields & {"route", "receivers"}:
        accepts(tools.find("amtool", "prometheus-alertmanager"), "check-config", file)
    elif fields & {"tls_server_config", "basic_auth_users"}:
        webconfig.load(file)
    elif fields & {"portals", "withhold", "scrape", "expiring_within"}:
        variables = dict.fromkeys(re.findall(r"\$\{(\w+)", block.text), "/run/value")
        load(file, {**variables, "DOCSPACE_URL": "https://acme.onlyoffice.com"})
    else:
        assert fields, "expected a mapping"


def rule_of(query: str) -> str:
    """A file of rules with this query in it."""
    rule = {"record": "a:query", "expr": query}
    return yaml.safe_dump({"groups": [{"name": "page", "rules": [rule]}]})


def syntax_only(block: Block) -> list[str]:
    return ["--syntax-only"] if re.search(r"(_file|/)\b", block.text) else []


def accepts(program: Path, *arguments: str | Path) -> None:
    ran = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_a_sample_of_json_is_json(block: Block) -> None:
    """Where something is left out there are three dots."""
    json.loads(re.sub(r",?\s*…", "", block.text))


@pytest.mark.parametrize("block", of("ini"), ids=str)
def test_a_part_of_a_unit_has_sections_and_settings(block: Block) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(block.text)
    assert parser.sections()


def test_there_is_no_block_that_nothing_checks() -> None:
    checked = {"sh", "samples", "yaml", "yml", "promql", "json", "ini"}
    assert [str(each) for each in EVERY if each.kind not in {*checked, *UNCHECKED}] == []
