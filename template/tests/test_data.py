"""Your data: say what you expect of your examples."""


def test_examples_have_a_label_and_features(examples, configure):
    label = configure().data.label

    columns = examples.collect_schema().names()

    assert label in columns
    assert len(columns) > 1


def test_there_are_rows_to_train_and_to_test_with(sets):
    for name, examples in sets.items():
        assert examples.schema.rows > 0, name
