import pytest

from tests.training.fakes import RecordedActions
from training.loop import run_loop
from training.position import Action, Meter, Plan, Position, make_plan, next_action

PLAN = Plan(total_steps=5, steps_per_epoch=2, checkpoint_every=None)


@pytest.mark.parametrize(
    ("now", "saved", "stop", "action"),
    [
        (Position(0), None, False, Action.TRAIN),
        (Position(1), None, False, Action.TRAIN),
        (Position(2), None, False, Action.EVALUATE),
        (Position(2, evaluated_step=2), None, False, Action.SAVE),
        (Position(2, evaluated_step=2), Position(2), False, Action.SAVE),
        (Position(2, evaluated_step=2), Position(2, evaluated_step=2), False, Action.TRAIN),
        (Position(5, evaluated_step=4), Position(4, evaluated_step=4), False, Action.EVALUATE),
        (Position(5, evaluated_step=5), Position(5, evaluated_step=5), False, Action.FINISH),
        (Position(3), Position(2), True, Action.SAVE),
        (Position(3), Position(3), True, Action.STOP),
        (Position(2), Position(2), True, Action.STOP),
    ],
)
def test_what_comes_next(now: Position, saved: Position | None, stop: bool, action: Action) -> None:
    assert next_action(PLAN, now, saved, stop=stop) is action


def test_checkpoints_are_written_within_an_epoch_when_asked_for() -> None:
    plan = Plan(total_steps=100, steps_per_epoch=100, checkpoint_every=10)
    assert next_action(plan, Position(9), None, stop=False) is Action.TRAIN
    assert next_action(plan, Position(10), None, stop=False) is Action.SAVE
    assert next_action(plan, Position(10), Position(10), stop=False) is Action.TRAIN
    assert next_action(plan, Position(20), Position(10), stop=False) is Action.SAVE


def test_an_epoch_ends_with_evaluation_and_then_a_checkpoint() -> None:
    actions = RecordedActions()
    end, finished = run_loop(PLAN, Position(), actions, resumed=False, should_stop=lambda: False)
    assert finished
    assert end.step == 5
    assert actions.done == [
        *("train 1", "train 2", "evaluate 2", "save 2"),
        *("train 3", "train 4", "evaluate 4", "save 4"),
        *("train 5", "evaluate 5", "save 5"),
    ]


def test_a_stopped_run_saves_where_it_stands_and_says_it_is_not_the_end() -> None:
    actions = RecordedActions()
    end, finished = run_loop(
        PLAN, Position(), actions, resumed=False, should_stop=lambda: len(actions.done) >= 1
    )
    assert not finished
    assert end.step == 1
    assert actions.done == ["train 1", "save 1"]


def test_an_evaluation_that_was_cut_short_is_done_first_when_resuming() -> None:
    actions = RecordedActions()
    start = Position(step=2, evaluated_step=0)
    run_loop(PLAN, start, actions, resumed=True, should_stop=lambda: len(actions.done) >= 1)
    assert actions.done[0] == "evaluate 2"


def test_a_resumed_finished_run_does_nothing() -> None:
    actions = RecordedActions()
    end = Position(step=5, evaluated_step=5)
    assert run_loop(PLAN, end, actions, resumed=True, should_stop=lambda: False) == (end, True)
    assert actions.done == []


def test_the_plan_follows_from_data_and_limits() -> None:
    def plan(**limits: int | None) -> Plan:
        base: dict[str, int | None] = {"steps_per_epoch": None, "max_steps": None}
        return make_plan(steps_per_pass=10, epochs=3, checkpoint_every=None, **base | limits)

    assert (plan().total_steps, plan().steps_per_epoch) == (30, 10)
    assert (plan(steps_per_epoch=4).total_steps, plan(steps_per_epoch=4).epochs) == (12, 3)
    assert (plan(max_steps=25).total_steps, plan(max_steps=25).epochs) == (25, 3)
    assert plan(max_steps=99).total_steps == 30


def test_epochs_are_counted_from_one() -> None:
    assert [PLAN.epoch_of(step) for step in (0, 1, 2, 3, 4, 5)] == [1, 1, 1, 2, 2, 3]


def test_the_meter_means_are_weighted_by_images() -> None:
    meter = Meter().add(loss=1.0, correct=1, images=1).add(loss=4.0, correct=1, images=3)
    assert meter.loss == pytest.approx(13 / 4)
    assert meter.top1 == pytest.approx(0.5)
