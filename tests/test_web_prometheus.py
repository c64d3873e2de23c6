"""A real Prometheus scrapes a real exporter process by TLS, client certificate and password."""

import shutil
from pathlib import Path

import bcrypt
from support.certificates import Issued, issue
from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually


def web_config(served: Issued, authority: Issued, user: str, password: str) -> str:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()
    return (
        f"tls_server_config:\n  cert_file: {served.cert_file}\n  key_file: {served.key_file}\n"
        f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {authority.cert_file}\n"
        f"basic_auth_users:\n  {user}: {hashed}\n"
    )


def job(name: str, target: str, tls: str, user: str, password: str) -> str:
    return (
        f"  - job_name: {name}\n    scheme: https\n    tls_config: {{{tls}}}\n"
        f"    basic_auth: {{username: {user}, password: {password}}}\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n"
    )


def test_who_may_scrape_follows_the_files_without_a_restart(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    """One test and not several, since each would need the same two processes to warm up."""
    authority = issue(tmp_path, "ca")
    served, client = issue(tmp_path, "server", authority), issue(tmp_path, "client", authority)
    file = tmp_path / "web.yml"
    file.write_text(web_config(served, authority, "alice", "first"))
    trust = f"ca_file: {authority.cert_file}"
    shown = f"{trust}, cert_file: {client.cert_file}, key_file: {client.key_file}"
    with ExporterProcess(tmp_path, demo.config("acme"), f"--web.config.file={file}") as exporter:
        target = exporter.url.removeprefix("http://")
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            + job("alice", target, shown, "alice", "first")
            + job("bob", target, shown, "bob", "second")
            + job("without-certificate", target, trust, "alice", "first")
        )
        with Prometheus(prometheus, tmp_path, config) as server:
            expected = {("alice",): 1.0, ("bob",): 0.0, ("without-certificate",): 0.0}
            eventually(lambda: server.values("up", "job"), lambda up: up == expected)
            assert server.values('docspace_up{job="alice"}') == {(): 1.0}

            renewed = issue(tmp_path, "renewed", authority)
            shutil.copy(renewed.cert_file, served.cert_file)
            shutil.copy(renewed.key_file, served.key_file)
            file.write_text(web_config(served, authority, "bob", "second"))
            expected = {("alice",): 0.0, ("bob",): 1.0, ("without-certificate",): 0.0}
            eventually(lambda: server.values("up", "job"), lambda up: up == expected)
    assert "level=error" not in exporter.stderr
    assert "$2" not in exporter.stderr
