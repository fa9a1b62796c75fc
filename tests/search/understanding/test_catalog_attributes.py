

def test_what_a_thing_is_comes_before_what_it_goes_with() -> None:
    vocabulary = Vocabulary({"article": ["Yoghurt", "Milk"], "goes with": ["yoghurt", "milk", "kiwi", "red heel"]})
    match = vocabulary.match(["yoghurt"])
    assert match is not None
    assert match.field == "article"
    kiwi = vocabulary.match(["kiwi"])
    assert kiwi is not None
    assert kiwi.field == "goes with"
