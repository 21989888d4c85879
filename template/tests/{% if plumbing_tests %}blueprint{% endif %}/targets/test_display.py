"""The progress display: steps on the screen, everything in the log."""

import io
from contextlib import redirect_stdout

from blueprint.progress import step
from blueprint.targets.display import Display

STEPS = ["load_data", "train_model", "evaluate_model"]


def show(tmp_path, text):
    out = io.StringIO()
    display = Display(STEPS, tmp_path / "run.log", out)
    display.write(text)
    display.finish()
    display.close()
    return out.getvalue(), display


def test_results_and_not_noise_are_shown(tmp_path):
    text = (
        "12:00 - INFO - Executing task\n"
        "    [load_data] started\n    [KFP Executor] noise\n    [load_data] says: 10 rows\n"
        "    [load_data] finished: in 1.0 s\n"
    )

    shown, display = show(tmp_path, text)

    assert "✓ load_data" in shown
    assert "10 rows" in shown
    assert "noise" not in shown
    assert "INFO" not in shown
    assert (tmp_path / "run.log").read_text() == text
    assert display.results["load_data"] == "finished"


def test_steps_that_say_nothing_were_cached_or_skipped(tmp_path):
    _, display = show(tmp_path, "[train_model] started\n[train_model] finished: in 1 s\n")

    assert display.results == {
        "load_data": "cached",
        "train_model": "finished",
        "evaluate_model": "skipped",
    }


def test_a_failure_is_kept_in_one_line(tmp_path, capsys):
    try:
        with step("load_data"):
            raise ValueError("no\nsuch [thing]")
    except ValueError:
        pass

    said = capsys.readouterr().out + "[load_data] failed: its process ended with exit code 1\n"
    shown, display = show(tmp_path, said)

    assert shown.count("✗ load_data") == 1
    assert display.error == "load_data: ValueError: no such [thing]"


def test_a_step_that_could_say_nothing_is_named(tmp_path):
    shown, display = show(tmp_path, "[train_model] failed: its process ended with exit code 3\n")

    assert display.results["load_data"] == "cached"
    assert "✗ train_model" in shown
    assert display.error == "train_model: its process ended with exit code 3"


def test_lines_of_a_library_that_look_alike_are_its_own(tmp_path):
    shown, display = show(
        tmp_path, "[load_data] started\n[boost] started\n[load_data] finished: in 1 s\n"
    )

    assert "boost" not in shown
    assert display.results["load_data"] == "finished"


def test_markup_in_what_a_step_says_is_text(tmp_path):
    shown, _ = show(
        tmp_path, "[load_data] started\n[load_data] says: [red]x[/red]\n[load_data] finished\n"
    )

    assert "[red]x[/red]" in shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_the_same_and_lets_standard_output_be(tmp_path):
    out = Terminal()
    display = Display(STEPS, tmp_path / "run.log", out)
    with redirect_stdout(display):
        print("[load_data] started")
        print("Epoch 1/2 [half]")
        print("[load_data] says: 10 rows")
        print("[load_data] finished: in 1.0 s")
    display.finish()
    display.close()

    assert display.results["load_data"] == "finished"
    assert (tmp_path / "run.log").read_text().splitlines()[1] == "Epoch 1/2 [half]"
    assert "10 rows" in out.getvalue()
    assert "Epoch 1/2 [half]" in out.getvalue()
