from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import Serve, Settings, SettingsError


def test_defaults_are_valid_and_serve_the_newest() -> None:
    assert Settings.from_environment({}).serve == Serve(latest=2)


def test_other_programs_variables_are_left_alone() -> None:
    assert Settings.from_environment({"PATH": "/bin", "HOTSHELF_USER": "ann"}) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latest", Serve(latest=1)),
        ("latest:3", Serve(latest=3)),
        ("label:production", Serve(label="production")),
        ("versions:5,3,5", Serve(versions=(3, 5))),
    ],
)
def test_serve_says_which_versions(text: str, expected: Serve) -> None:
    settings = Settings.from_environment({"HOTSHELF_SERVE": text})
    assert settings.serve == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOTSHELF_SERVE", "newest"),
        ("HOTSHELF_SERVE", "latest:0"),
        ("HOTSHELF_SERVE", "versions:"),
        ("HOTSHELF_PORT", "0"),
        ("HOTSHELF_PORT", "80a"),
        ("HOTSHELF_PORT", "70000"),
        ("HOTSHELF_POLL_S", "nan"),
        ("HOTSHELF_POLL_S", "-1"),
        ("HOTSHELF_MODEL", "../x"),
        ("HOTSHELF_STORE", ""),
        ("HOTSHELF_LOG_FORMAT", "xml"),
        ("HOTSHELF_ACCESS_LOG", "yes"),
        ("HOTSHELF_LOG_LEVEL", "loud"),
    ],
)
def test_an_invalid_value_is_refused_by_name_and_value(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: value})
    assert variable in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "allowed" in str(caught.value)


def test_an_unknown_setting_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsError, match=r"HOTSHELF_PROT .* did you mean HOTSHELF_PORT"):
        Settings.from_environment({"HOTSHELF_PROT": "8000"})


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingsError, match="QUEUE_IMAGES"):
        Settings.from_environment({"HOTSHELF_QUEUE_IMAGES": "10"})


def test_another_process_reads_the_very_same_settings() -> None:
    settings = Settings(
        store="file:///somewhere",
        serve=Serve(versions=(3, 5)),
        port=81,
        cache=Path("/c"),
        poll_s=0.5,
        log_format="json",
        access_log=True,
    )
    assert Settings.from_environment(settings.environment()) == settings


def test_secrets_are_masked_where_settings_are_shown() -> None:
    shown = Settings(store="az://user:key@account/container?sig=secret").describe()
    assert "key" not in shown
    assert "secret" not in shown
    assert "account/container" in shown


TOKEN = "alice-secret-1234"


def test_tokens_are_masked_and_passed_on_without_being_told(tmp_path: Path) -> None:
    given = Settings.from_environment({"HOTSHELF_ADMIN_TOKENS": f"alice:{TOKEN}"})
    file = tmp_path / "tokens"
    file.write_text(f"# ours\nalice:{TOKEN}\n")
    read = Settings.from_environment({"HOTSHELF_ADMIN_TOKENS_FILE": str(file)})
    assert given == read == Settings.from_environment(given.environment())
    assert given.admin_tokens.who(TOKEN) == "alice"
    assert "alice:***" in given.describe()
    digest = str(given.admin_tokens).rpartition("$")[2]
    for shown in (given.describe(), repr(given), str(given.environment())):
        assert TOKEN not in shown
    assert digest not in given.describe()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"HOTSHELF_ADMIN_TOKENS": f"{TOKEN}"}, r"ADMIN_TOKENS=\*\*\* isn't allowed"),
        ({"HOTSHELF_ADMIN_TOKENS_FILE": "/nowhere"}, "'/nowhere' can't be read"),
        (
            {"HOTSHELF_PREDICT_TOKENS": f"a:{TOKEN}", "HOTSHELF_PREDICT_TOKENS_FILE": "/nowhere"},
            "give one of them",
        ),
    ],
)
def test_tokens_that_cannot_be_used_are_refused_without_being_shown(
    environment: dict[str, str], reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        Settings.from_environment(environment)
    assert TOKEN not in str(caught.value)
