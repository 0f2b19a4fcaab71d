"""Captions as rows of word vectors: which words are looked for, what is unknown, and which words mixtures are fitted to."""

from collections import Counter

import numpy as np

from stages.encoders.words import Chosen, compact, look_up, needed, pieces, sampled, words


def test_words_of_a_caption() -> None:
    assert words("A man's t-shirt , 2 dogs (one in Nice)!", lower=False) == ["A", "man's", "t-shirt", "2", "dogs", "one", "in", "Nice"]
    assert words("A man_made DOG.", lower=True) == ["a", "man", "made", "dog"]
    assert words(" . , -- ", lower=True) == []


def test_pieces_of_a_word() -> None:
    assert pieces("snow-covered") == ["snow", "covered"]
    assert pieces("dog's") == ["dog"] and pieces("3dogs2cats") == ["dogs", "cats"] and pieces("rock+roll") == ["rock", "roll"]
    assert pieces("42") == [] and pieces("s") == []


def test_a_word_is_taken_whole_where_it_is_known_and_else_in_pieces() -> None:
    row_of = {"a": 0, "dog": 1, "t-shirt": 2, "snow": 3, "covered": 4, "s": 5}
    captions = ["A dog's t-shirt", "snow-covered dog", "xyz -- QQ", "snow-zzz xyz"]
    tokens = look_up(captions, row_of, lower=True)
    assert tokens.rows.tolist() == [0, 1, 2, 3, 4, 1, 3]
    assert tokens.lengths.tolist() == [3, 3, 0, 1] and tokens.starts.tolist() == [0, 3, 6, 6, 7]
    assert tokens.unknown == Counter({"xyz": 2, "qq": 1})
    assert look_up(captions[:1], row_of, lower=False).unknown == Counter({"A": 1})


def test_only_the_rows_that_are_used_are_kept() -> None:
    present, own = compact(np.array([7, 2, 2, 9], np.int32), 11)
    assert present.tolist() == [2, 7, 9] and own.tolist() == [1, 0, 0, 2]
    present, own = compact(np.array([], np.int32), 3)
    assert present.tolist() == own.tolist() == []


def test_whatever_could_be_looked_up_is_read() -> None:
    assert needed(["A dog's t-shirt", "dogs"], lower=False) == {"A", "dog's", "t-shirt", "dogs", "dog", "t", "shirt"}
    chosen = Chosen({"dog"}, 0)
    assert "dog" in chosen and "cat" not in chosen


def test_the_sample_is_a_share_of_all_words_whatever_the_captions_are() -> None:
    vocabulary = [f"word{number}" for number in range(4000)]
    tenth = [word for word in vocabulary if sampled(word, 0.1)]
    assert 320 < len(tenth) < 480
    assert all(sampled(word, 0.2) for word in tenth) and all(sampled(word, 1) for word in vocabulary)
    assert [word for word in vocabulary if word in Chosen({"dog"}, 0.1)] == tenth
