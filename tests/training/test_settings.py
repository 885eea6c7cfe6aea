from pathlib import Path

import pytest

from training.errors import UsageError
from training.precision import resolve
from training.preset import load_preset, preset_names
from training.settings import Recipe, differences, job_from, names_of, recipe_from


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", "0", "--epochs 0: expected `int` >= 1"),
        ("epochs", "many", "--epochs many: expected `int`"),
        ("batch_size", "-1", "--batch-size -1: "),
        ("learning_rate", "0", "--learning-rate 0: "),
        ("momentum", "1.5", "--momentum 1.5: "),
        ("max_steps", "0", "--max-steps 0: "),
        ("stem", "wide", "--stem wide: invalid enum value 'wide'"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named_with_its_value(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        recipe_from({name: value})
    assert str(caught.value).startswith(message)


def test_text_from_the_command_line_and_values_of_a_preset_mean_the_same() -> None:
    assert recipe_from({"epochs": "3", "learning_rate": "0.5", "max_steps": "7"}) == recipe_from(
        {"epochs": 3, "learning_rate": 0.5, "max_steps": 7}
    )


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="--mode telepathy"):
        job_from({"mode": "telepathy"})


def test_differences_name_what_differs_and_how() -> None:
    assert differences(Recipe(), Recipe()) == []
    assert differences(Recipe(epochs=2), Recipe(epochs=3, seed=1)) == [
        "epochs 2 → 3",
        "seed 0 → 1",
    ]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_valid_settings_and_says_what_to_expect(name: str) -> None:
    values = load_preset(name)
    recipe = recipe_from({key: values[key] for key in values if key in names_of(Recipe)})
    assert recipe.epochs >= 1
    head = (Path(__file__).parents[2] / "training" / "presets" / f"{name}.toml").read_text()
    for word in ("Command:", "Hardware:", "Result:"):
        assert f"# {word}" in head


def test_the_first_run_and_tiny_imagenet_have_presets() -> None:
    assert {"quickstart", "tiny-imagenet-cpu"} <= set(preset_names())


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no preset fast; there are .*quickstart"):
        load_preset("fast")


@pytest.mark.parametrize(
    ("text", "message"),
    [("epochz = 3", "unknown settings: epochz"), ("epochs =", "Invalid value")],
)
def test_a_faulty_preset_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_preset(str(file))


def test_auto_precision_follows_the_device(tmp_path: Path) -> None:
    modern, old = tmp_path / "modern", tmp_path / "old"
    modern.write_text("flags : fpu avx512_bf16 sse")
    old.write_text("flags : fpu sse")
    assert resolve("auto", has_gpu=False, cpuinfo=modern) == "mixed_bfloat16"
    assert resolve("auto", has_gpu=False, cpuinfo=old) == "float32"
    assert resolve("auto", has_gpu=False, cpuinfo=tmp_path / "none") == "float32"
    assert resolve("auto", has_gpu=True, cpuinfo=old) == "mixed_bfloat16"
    assert resolve("float32", has_gpu=True, cpuinfo=modern) == "float32"
