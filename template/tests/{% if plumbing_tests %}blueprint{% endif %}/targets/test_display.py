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


def test_a_step_is_cached_when_kfp_says_so_and_skipped_when_it_never_started(tmp_path):
    text = "Task load-data cache hit (key=1f); skipping execution.\n[train_model] started\n"
    shown, display = show(tmp_path, text + "[train_model] finished: in 1 s\n")
    assert "· load_data" in shown.splitlines()[0]

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


def test_a_step_that_does_not_report_itself_is_shown_once(tmp_path):
    """Its runner says that it starts and ends; one that reports itself is shown once, too."""
    runner = "[load_data] started\n{}[load_data] finished\n"
    itself = "[load_data] started\n[load_data] says: 10 rows\n[load_data] finished: in 1 s\n"
    for said in ("", itself):
        shown, display = show(tmp_path, runner.format(said))
        assert shown.count("✓ load_data") == shown.count("load_data …") == 1
        assert display.results["load_data"] == "finished"


def test_two_steps_at_once_keep_their_own_words(tmp_path):
    lines = ["load_data] started", "train_model] started", "load_data] says: 10 rows"]
    lines += ["train_model] says: 3 epochs", "load_data] finished", "train_model] finished"]
    shown, _ = show(tmp_path, "".join(f"[{line}\n" for line in lines))

    assert "10 rows" in next(line for line in shown.splitlines() if "✓ load_data" in line)
    assert "3 epochs" in next(line for line in shown.splitlines() if "✓ train_model" in line)


def test_nothing_is_wider_than_a_terminal_or_broken_in_a_word(tmp_path):
    word = "accuracy better than a constant answer's 0.9583 against 0.6250 gain +0.3333 "
    said = "".join(f"[evaluate_model] says: {word * times}\n" for times in (1, 3))
    text = f"[evaluate_model] started\n{said}[evaluate_model] finished\n"
    shown, _ = show(tmp_path, text)

    assert max(map(len, shown.splitlines())) <= 80
    below = [line for line in shown.splitlines() if line.startswith("    ")]
    assert len(below) == 5
    assert {*" ".join(below).split()} == {*word.split()}


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
