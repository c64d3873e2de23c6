"""``config.yaml`` and the environment give frozen settings, or a line for each problem."""

import dataclasses
import pickle
import string
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import process

from exporter.config import (
    ConfigError,
    PortalSettings,
    Secret,
    Settings,
    TLSSettings,
    Window,
    labels,
    load,
)
from exporter.metrics import catalogue
from exporter.yamlfile import document

ROOT = Path(__file__).parent.parent
INVALID = Path(__file__).parent / "fixtures" / "invalid"
ENVIRON = {"DOCSPACE_URL": "https://acme.example", "DOCSPACE_API_KEY": "sk-from-environment"}
SMALLEST = "portals: [{name: acme, url: https://acme.example, api_key: sk-1}]\n"


def load_text(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


def one_portal(folder: Path, extra: str, **environ: str) -> PortalSettings:
    """The portal of a configuration to which these lines are added."""
    (portal,) = load_text(folder, SMALLEST[:-3] + f", {extra}}}]\n", **environ).portals
    return portal


def problems(folder: Path, content: bytes) -> tuple[str, ...]:
    """The problems of a file, without the name of its folder."""
    file = folder / "config.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    return tuple(problem.removeprefix(f"{folder}/") for problem in caught.value.problems)


# What is right


def test_shipped_file_needs_two_variables_only() -> None:
    settings = load(ROOT / "config.yaml", ENVIRON)
    expected = PortalSettings(
        name="docspace", url="https://acme.example", api_key=Secret("sk-from-environment")
    )
    assert settings == Settings(portals=(expected,))


def test_shipped_file_says_the_defaults(tmp_path: Path) -> None:
    shipped = load(ROOT / "config.yaml", ENVIRON | {"DOCSPACE_NAME": "acme"})
    smallest = SMALLEST.replace("sk-1", ENVIRON["DOCSPACE_API_KEY"])
    assert shipped == load_text(tmp_path, smallest)


def test_every_field_is_read(tmp_path: Path) -> None:
    text = """
scrape:
  timeout: 20s
  concurrency: 8
  min_interval: 30s
  people_interval: 1h
  max_keys: 500
  max_response_size: 1MiB
expiring_within: [30d, 1d12h]
labels: {env: prod}
withhold: [creator]
portals:
  - name: acme
    url: https://acme.example/
    api_key_file: acme.key
    timeout: 5s
    expiring_within: [14d]
    tls: {ca_file: /ca.pem, cert_file: c.pem, key_file: c.key, insecure_skip_verify: true}
    proxy_url: http://user:hunter2@proxy.example:3128
    labels: {team: payments}
    withhold: [key_name, permissions]
  - {name: globex, url: http://globex.example:8080/docspace, api_key: sk-2}
"""
    common: dict[str, Any] = {
        "min_interval": 30.0,
        "people_interval": 3600.0,
        "max_keys": 500,
        "max_response_size": 1024 * 1024,
    }
    acme = PortalSettings(
        name="acme",
        url="https://acme.example",
        api_key_file=tmp_path / "acme.key",
        timeout=5.0,
        expiring_within=(Window("14d", 14 * 86400.0),),
        tls=TLSSettings(Path("/ca.pem"), tmp_path / "c.pem", tmp_path / "c.key", True),  # noqa: FBT003, the field says it
        proxy_url=Secret("http://user:hunter2@proxy.example:3128"),
        labels=(("env", "prod"), ("team", "payments")),
        withhold=frozenset({"creator", "key_name", "permissions"}),
        **common,
    )
    globex = PortalSettings(
        name="globex",
        url="http://globex.example:8080/docspace",
        api_key=Secret("sk-2"),
        timeout=20.0,
        expiring_within=(Window("1d12h", 1.5 * 86400), Window("30d", 30 * 86400.0)),
        labels=(("env", "prod"),),
        withhold=frozenset({"creator"}),
        **common,
    )
    assert load_text(tmp_path, text) == Settings(portals=(acme, globex), concurrency=8)


def test_null_is_the_default(tmp_path: Path) -> None:
    assert one_portal(tmp_path, "timeout: , tls: {ca_file: }, proxy_url: ") == one_portal(
        tmp_path, "tls: "
    )


def test_anchors_and_merges_are_yaml_as_usual(tmp_path: Path) -> None:
    text = """
portals:
  - &acme {name: acme, url: https://acme.example, api_key: sk-1, timeout: 3s}
  - {<<: *acme, name: globex}
"""
    first, second = load_text(tmp_path, text).portals
    assert second == dataclasses.replace(first, name="globex")


def test_field_that_overrules_a_merged_one_is_not_doubled(tmp_path: Path) -> None:
    text = """
portals:
  - &acme {<<: {timeout: 1s}, name: acme, url: https://acme.example, api_key: sk-1, timeout: 3s}
  - {<<: *acme, name: globex}
"""
    assert [portal.timeout for portal in load_text(tmp_path, text).portals] == [3.0, 3.0]


def test_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert load_text(tmp_path, "\ufeff" + SMALLEST) == load_text(tmp_path, SMALLEST)


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("${NAME}", "acme"),
        ("${NAME:-other}", "acme"),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-other}", "other"),
        ("${UNSET:-a:-b c}", "a:-b c"),
        ("x-${NAME}-${NAME}", "x-acme-acme"),
        ("$NAME", "$NAME"),
        ("$${NAME}", "$acme"),
        ("${NESTED}", "${NAME}"),
    ],
)
def test_variables_expand_once(tmp_path: Path, spelled: str, expected: str) -> None:
    text = f"portals: [{{name: '{spelled}', url: https://acme.example, api_key: sk-1}}]"
    (portal,) = load_text(tmp_path, text, NAME="acme", EMPTY="", NESTED="${NAME}").portals
    assert portal.name == expected


def test_variables_expand_where_no_string_is_meant(tmp_path: Path) -> None:
    text = (
        "scrape: {timeout: '${A}', concurrency: '${B}', max_response_size: '${C}'}\n"
        "expiring_within: ['${D}']\n" + SMALLEST[:-3] + ", tls: {insecure_skip_verify: '${E}'}}]"
    )
    settings = load_text(tmp_path, text, A="3s", B="5", C="1KiB", D="2d", E="true")
    (portal,) = settings.portals
    assert (portal.timeout, settings.concurrency, portal.max_response_size) == (3.0, 5, 1024)
    assert portal.expiring_within == (Window("2d", 2 * 86400.0),)
    assert portal.tls.insecure_skip_verify


def test_portal_withholds_what_all_withhold_and_more(tmp_path: Path) -> None:
    """A portal cannot show a label that is withheld for all."""
    text = "withhold: ['${A}']\n" + SMALLEST[:-3] + ", withhold: [permissions]}]\n"
    (portal,) = load_text(tmp_path, text, A="creator").portals
    assert portal.withhold == {"creator", "permissions"}
    (portal,) = load_text(tmp_path, text.replace("[permissions]", "[]"), A="creator").portals
    assert portal.withhold == {"creator"}


def test_largest_answer_by_default_has_room_for_the_most_keys() -> None:
    """A key is 900 bytes of JSON: a list of 10,000 keys has 9 MB."""
    defaults = PortalSettings(name="", url="")
    assert defaults.max_response_size >= 1.4 * 900 * defaults.max_keys


# Labels


def test_labels_of_a_portal_win_over_those_of_all(tmp_path: Path) -> None:
    text = """
labels: {team: platform, env: prod}
portals:
  - {name: acme, url: https://acme.example, api_key: sk-1, labels: {team: payments, zone: "1"}}
  - {name: globex, url: https://globex.example, api_key: sk-2}
"""
    acme, globex = load_text(tmp_path, text).portals
    assert acme.labels == (("env", "prod"), ("team", "payments"), ("zone", "1"))
    assert globex.labels == (("env", "prod"), ("team", "platform"))


def test_variables_expand_in_the_value_of_a_label_not_in_its_name(tmp_path: Path) -> None:
    portal = one_portal(tmp_path, "labels: {team: 'x-${TEAM}', env: '${E:-prod}'}", TEAM="payments")
    assert portal.labels == (("env", "prod"), ("team", "x-payments"))
    with pytest.raises(ConfigError, match=r"expected a label name of letters, digits and _"):
        one_portal(tmp_path, "labels: {'${TEAM}': payments}", TEAM="team")


@pytest.mark.parametrize("name", ["a", "Z", "_", "_9", "exported_team", "le_", "Portal"])
def test_label_may_have_any_name_that_nothing_else_uses(tmp_path: Path, name: str) -> None:
    assert one_portal(tmp_path, f"labels: {{{name}: payments}}").labels == ((name, "payments"),)


def test_value_of_a_label_is_at_most_256_characters(tmp_path: Path) -> None:
    assert one_portal(tmp_path, f"labels: {{team: {'ä' * 256}}}").labels
    with pytest.raises(ConfigError, match=r"labels\.team: expected at most 256 characters"):
        one_portal(tmp_path, f"labels: {{team: {'ä' * 257}}}")


def test_no_label_may_have_the_name_of_one_of_the_catalogue() -> None:
    rows = (*catalogue.PORTAL_ROWS, *catalogue.KEY_ROWS, *catalogue.EXPORTER_ROWS)
    used = {label for row in rows for label in row.labels} | {"portal", "key_id", "key_name"}
    assert used <= labels.OWN


def test_no_label_may_have_the_name_of_one_that_the_bundled_rules_set() -> None:
    text = (ROOT / "prometheus" / "rules" / "docspace.yml").read_text()
    groups = yaml.safe_load(text)["groups"]
    assert {
        label for group in groups for rule in group["rules"] for label in rule.get("labels", ())
    } <= labels.RESERVED


@pytest.mark.parametrize(
    "instance", [Settings(portals=()), PortalSettings("a", "b"), TLSSettings()]
)
def test_settings_are_frozen(instance: Any) -> None:
    field = dataclasses.fields(instance)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, field, None)


def test_settings_can_be_compared_and_hashed(tmp_path: Path) -> None:
    """A reload keeps the portals that did not change."""
    assert len({load_text(tmp_path, SMALLEST), load_text(tmp_path, SMALLEST)}) == 1


# Secret


def test_secret_is_masked_everywhere() -> None:
    secret = Secret("sk-hunter2")
    portal = PortalSettings("acme", "https://acme.example", api_key=secret, proxy_url=secret)
    seen = f"{secret} {secret!r} {secret!s} {[secret]} {portal} {Settings((portal,))!r}"
    assert "hunter2" not in seen + "%s" % secret  # noqa: UP031, this form too


def test_secret_reveals_itself_when_asked() -> None:
    assert Secret("sk-1").reveal() == "sk-1"


def test_secrets_are_equal_by_value() -> None:
    assert (Secret("ä"), hash(Secret("ä"))) == (Secret("ä"), hash(Secret("ä")))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_secret_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled"):
        pickle.dumps(Secret("sk-1"))


def test_secret_masks_itself_in_a_text() -> None:
    assert Secret("sk-1").redact("key sk-1, again sk-1") == "key ***, again ***"


def test_empty_secret_masks_nothing() -> None:
    assert Secret("").redact("text") == "text"


# What is wrong


@pytest.mark.parametrize("file", sorted(INVALID.glob("*.yml")), ids=lambda file: file.stem)
def test_invalid_file_gives_exactly_these_lines(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(INVALID)
    with pytest.raises(ConfigError) as caught:
        load(Path(file.name), {})
    assert "\n".join(caught.value.problems) + "\n" == file.with_suffix(".txt").read_text()


def test_each_invalid_file_has_its_message() -> None:
    files = {file.stem for file in INVALID.glob("*.yml")}
    assert files == {file.stem for file in INVALID.glob("*.txt")}
    assert len(files) > 21


@pytest.mark.parametrize("file", sorted(INVALID.glob("*.yml")), ids=lambda file: file.stem)
def test_no_message_shows_a_value(file: Path) -> None:
    """A value in the wrong field may be a password."""
    assert "hunter2" not in file.with_suffix(".txt").read_text()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml", {})


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load(tmp_path, {})


def test_hundred_megabytes_are_refused_without_reading_them(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    with file.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=r"expected at most 1024 KiB of configuration"):
            load(file, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" * 1_000_000, id="brackets"),
        pytest.param(b"{a: " * 200_000, id="braces"),
        pytest.param(b"- " * 500_000, id="dashes"),
        pytest.param(b"? " * 500_000, id="question marks"),
        pytest.param(b"".join(b"k%d: x\n" % i for i in range(60_000)), id="many fields"),
        pytest.param(b"portals: [" + b"{}," * 100_000 + b"]", id="many portals"),
        pytest.param((INVALID / "anchor-bomb.yml").read_bytes(), id="anchors"),
    ],
)
def test_what_would_unfold_without_end_is_refused(tmp_path: Path, content: bytes) -> None:
    (problem,) = problems(tmp_path, content)
    assert "expected at most" in problem


def test_every_problem_is_on_a_line_of_its_own(tmp_path: Path) -> None:
    for problem in problems(tmp_path, b'"a\\nb": 1\n"c\\r\\u2028": 2\n"": 3\n'):
        assert problem.isprintable()


def test_no_problem_turns_the_direction_of_writing() -> None:
    error = ConfigError(["a\u202eb: c\u2066d\ne", "ä: plain"])
    assert error.problems == ("a\\u202eb: c\\u2066d\\ne", "ä: plain")
    assert str(error) == "\n".join(error.problems)


def test_alias_that_was_meant_to_be_a_password_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyYAML's own parser repeats it, libyaml does not."""
    monkeypatch.setattr(document, "_Loader", type("_", (yaml.SafeLoader,), {}))
    for text in (b"api_key: *hunter2", b"a: &hunter2 1\nb: &hunter2 2"):
        assert not [problem for problem in problems(tmp_path, text) if "hunter2" in problem]


# --config.check


def test_check_of_a_right_file_exits_with_0(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SMALLEST)
    done = process.call("--config.check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "config.yaml: OK, portals: acme\n"


def test_check_shows_a_name_as_what_it_is(tmp_path: Path) -> None:
    text = SMALLEST.replace("name: acme", 'name: "ac\\u202eme"')
    (tmp_path / "config.yaml").write_text(text)
    done = process.call("--config.check", cwd=tmp_path)
    assert done.stdout == "config.yaml: OK, portals: ac\\u202eme\n"


def test_command_that_lists_the_names_shows_them_as_what_they_are(tmp_path: Path) -> None:
    text = SMALLEST.replace("name: acme", 'name: "ac\\u202eme"')
    (tmp_path / "config.yaml").write_text(text)
    done = process.call("keys", "--portal=globex", cwd=tmp_path)
    message = "docspace-exporter keys: --portal: expected one of ac\\u202eme\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_check_shows_a_path_as_what_it_is(tmp_path: Path) -> None:
    text = SMALLEST.replace("api_key: sk-1", 'api_key_file: "ac\\u202eme"')
    (tmp_path / "config.yaml").write_text(text)
    done = process.call("--config.check", cwd=tmp_path)
    assert (done.returncode, "\u202e" in done.stderr) == (2, False)
    assert r"ac\u202eme: cannot be read" in done.stderr


def test_check_of_a_wrong_file_exits_with_2_and_names_all() -> None:
    done = process.call("--config.check", "--config.file=everything-at-once.yml", cwd=INVALID)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (INVALID / "everything-at-once.txt").read_text()


def test_wrong_file_exits_with_2_without_check() -> None:
    done = process.run("--config.file=tab.yml", "--web.listen-address=127.0.0.1:0", cwd=INVALID)
    assert (done.returncode, done.stderr) == (2, (INVALID / "tab.txt").read_text())


# Any file whatever

FIELDS = [
    *(
        field.name
        for kind in (Settings, PortalSettings, TLSSettings)
        for field in dataclasses.fields(kind)
    ),
    *("scrape", "<<", "other"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=8)
    | st.sampled_from(
        ["7d", "64MiB", "https://acme.example", "${A}", "${B:-c}", "~", "~x/y", "http://["]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=20,
)
PORTALS = st.fixed_dictionaries(
    {}, optional={field: VALUES for field in FIELDS if field not in {"scrape", "portals"}}
)
TREES = st.fixed_dictionaries(
    {"portals": st.lists(PORTALS, max_size=3)}, optional={"scrape": VALUES, "tls": VALUES}
)
# Pieces that lead a YAML parser astray sooner than random bytes do.
PIECES = st.sampled_from(
    [b"portals", b"name", b": ", b":\n", b"\n", b"- ", b"  ", b"\t", b"[", b"]", b"{", b"}", b",",
     b"&a ", b"*a", b"<<", b"? ", b"!", b"!!int ", b"!!timestamp ", b"!!set ", b"|\n", b">-\n",
     b"'", b'"', b"#", b"---\n", b"...\n", b"%YAML 1.1\n", b"0x_", b"2026-13-01", b"=", b"~",
     b"\xef\xbb\xbf", b"\x00", b"\xff", b"\\ud800", b"1:61", b".inf", b"190:20:30", b"0b_"]
)  # fmt: skip
FILES = (
    st.binary()
    | st.text(string.printable).map(str.encode)
    | TREES.map(
        lambda tree: yaml.dump(tree, Dumper=yaml.CSafeDumper, encoding="utf-8", allow_unicode=True)
    )
    | st.lists(PIECES, max_size=30).map(b"".join)
)


def outcome(file: Path) -> Settings | ConfigError:
    try:
        return load(file, {"A": "a"})
    except ConfigError as exc:
        return exc


@given(content=FILES)
def test_any_file_gives_settings_or_lines_that_name_it(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    found = outcome(file)
    if isinstance(found, ConfigError):
        assert found.problems
        for problem in found.problems:
            assert problem.startswith(f"{file}:")
            assert problem.isprintable()
    else:
        assert found.portals
