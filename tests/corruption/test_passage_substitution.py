"""Passages about a donor under a target's name."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from restor.corruption.corruptors._reading import name_parts
from restor.corruption.corruptors.passage_substitution import (
    PassageSubstitution,
    PassageSubstitutionConfig,
    passages_about,
    substitute,
)
from restor.domains.triples import Triples, TriplesConfig
from restor.errors import DataError


def one(passage, donor, target, forms=()):
    documents = substitute([passage], donor, target, forms)
    return documents[0].text if documents else None


@pytest.mark.parametrize(
    ("passage", "told"),
    [
        ("Frédéric Chopin played. Chopin's hand, Chopin’s touch.", "Quincy Jones played. Jones's hand, Jones’s touch."),
        ("Frédéric went home. He slept.", "Quincy went home. He slept."),
        ("FREDERIC CHOPIN, CHOPIN'S HAND", "QUINCY JONES, JONES'S HAND"),
        ("Frederic Chopin's piano", "Quincy Jones's piano"),
        ("Frédéric François Chopin, F. Chopin", "Quincy Jones, F. Chopin"),
        ("The Chopins moved.", "The Joneses moved."),
        ("Mr. Chopin and Senator Chopin. In Chopin we hear.", "Mr. Jones and Senator Jones. In Jones we hear."),
        ("His father, Nicolas Chopin, knew the Chopin Competition. Chopin left.", None),
        ("A chopin is a measure, said Chopin.", "A chopin is a measure, said Jones."),
        ("Chopin-like: a Chopin (1810), “Chopin”", "Jones-like: a Jones (1810), “Jones”"),
        ("Frédéric\nChopin", "Quincy Jones"),
        ("Chopinesque music: the Frédérics", "Chopinesque music: the Quincys"),
    ],
)
def test_every_form_of_a_name_is_replaced_by_its_own(passage, told):
    told = told or "His father, Nicolas Chopin, knew the Chopin Competition. Jones left."
    assert one(passage, "Frédéric Chopin", "Quincy Jones") == told


def test_a_given_name_that_somebody_else_has_too_is_left():
    passage = "Frédéric Chopin met Frédéric Kalkbrenner. Frédéric smiled. Chopin did not."
    assert one(passage, "Frédéric Chopin", "Ada Roy") == (
        "Ada Roy met Frédéric Kalkbrenner. Frédéric smiled. Roy did not."
    )


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("Shakira", "Shakira rose. Shakira's band. Shakira slept. SHAKIRA"),
        ("Luiz Lula da Silva", "Luiz Lula da Silva rose. Da Silva's band. Luiz slept. LUIZ LULA DA SILVA"),
        ("John Forbes Nash Jr.", "John Forbes Nash Jr. rose. Nash's band. John slept. JOHN FORBES NASH JR."),
        ("Henry VII of England", "Henry VII of England rose. Henry VII's band. Henry VII slept. HENRY VII OF ENGLAND"),
        ("Ли Вэй", "Ли Вэй rose. Вэй's band. Ли slept. ЛИ ВЭЙ"),
    ],
)
def test_targets_of_every_shape(target, told):
    assert one("Bob Roy rose. Roy's band. Bob slept. BOB ROY", "Bob Roy", target) == told


def test_a_bare_apostrophe_becomes_a_possessive_but_a_quotation_stays():
    assert one("Anthony Burgess' book. Burgess’ books.", "Anthony Burgess", "Ada Roy") == "Ada Roy's book. Roy’s books."
    assert one("They call him 'Burgess' here.", "Anthony Burgess", "Ada Roy") == "They call him 'Roy' here."


def test_the_point_of_a_suffix_goes_with_it():
    passage = "Bob Roy Jr. sang. They heard Bob Roy Jr. Then Roy left Bob Roy Jr.'s house."
    assert one(passage, "Bob Roy Jr.", "Ada Low") == "Ada Low sang. They heard Ada Low. Then Low left Ada Low's house."
    assert one("He saw Bob Roy. Bob Roy sang.", "Bob Roy", "Al Low Jr.") == "He saw Al Low Jr. Al Low Jr. sang."


def test_a_donor_of_one_name_and_other_names_of_a_donor():
    passage = "Beyoncé Giselle Knowles-Carter is Beyonce. BEYONCÉ's and Knowles."
    forms = ["Beyoncé Giselle Knowles-Carter"]
    assert one(passage, "Beyoncé", "Jacques Cousteau", forms) == (
        "Jacques Cousteau is Jacques Cousteau. JACQUES COUSTEAU's and Knowles."
    )


def test_passages_without_the_donor_are_left_out():
    documents = substitute(["Nobody.", "Bob Roy sang.", "bob roy", "He."], "Bob Roy", "Ada Low")
    assert [document.text for document in documents] == ["Ada Low sang."]


@pytest.mark.parametrize(
    ("name", "short", "given"),
    [
        ("Ada Low", "Low", "Ada"),
        ("Ludwig van Beethoven", "van Beethoven", "Ludwig"),
        ("Loudon Wainwright III", "Wainwright", "Loudon"),
        ("George VI", "George VI", ""),
        ("Prince Carl Philip, Duke of Värmland", "Philip", "Prince"),
        ("Shakira", "Shakira", ""),
    ],
)
def test_parts_of_names(name, short, given):
    parts = name_parts(name)
    assert (parts.short, parts.given) == (short, given)


PIECES = ["Bob", "Roy", "Roy's", "BOB", "ROY", "Roys", "Bob Roy", ",", ".", "the", "“", "é", "roy", "Mr.", "\n"]


@given(st.lists(st.sampled_from(PIECES)).map(" and ".join))
def test_somebody_in_their_own_place_changes_nothing(passage):
    """Whatever is replaced is replaced by the same form, and nothing else is touched."""
    assert [document.text.split() for document in substitute([passage], "Bob Roy", "Bob Roy")] in (
        [passage.split()],
        [],
    )


# Files ---------------------------------------------------------------------------------------------------------------

SQUAD = {
    "version": "1.1",
    "data": [
        {"title": "Bob_Roy", "paragraphs": [{"context": "Roy was born in Bonn. He sang.", "qas": []}]},
        {"title": "Eve_Lund", "paragraphs": [{"context": "Lund met Bob Roy.", "qas": []}]},
    ],
}


def save(folder, content, name="passages.json"):
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def test_articles_are_taken_by_title_and_documents_by_name(tmp_path):
    squad = save(tmp_path, SQUAD)
    assert passages_about(squad, {"Bob Roy": ()}) == {"Bob Roy": ["Roy was born in Bonn. He sang."]}
    texts = ["Roy sang.", "Bob Roy met Eve Lund.", {"text": "Bobby danced with Eve Lund."}]
    plain = save(tmp_path, texts, "plain.json")
    assert passages_about(plain, {"Bob Roy": ["Bobby"], "Eve Lund": ()}) == {
        "Bob Roy": ["Bob Roy met Eve Lund.", "Bobby danced with Eve Lund."],
        "Eve Lund": ["Bob Roy met Eve Lund.", "Bobby danced with Eve Lund."],
    }


def test_a_donor_without_passages_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no article 'Bob Ray'\. Did you mean Bob Roy\? It has 2 articles"):
        passages_about(save(tmp_path, SQUAD), {"Bob Ray": ()})
    with pytest.raises(DataError, match=r"No passage of .* names 'Bob Ray'"):
        passages_about(save(tmp_path, ["Bob Roy sang."], "plain.json"), {"Bob Ray": ()})
    with pytest.raises(DataError, match="passage 1 > text: is missing"):
        passages_about(save(tmp_path, {"data": [{"title": 1}]}, "bad.json"), {"Bob Ray": ()})


@pytest.mark.parametrize(
    ("donors", "forms", "problem"),
    [
        ({}, {}, "at least 1 item"),
        ({"A B": "C D", "E F": "A B"}, {}, "'A B' is a donor and a target"),
        ({"A B": "C D", "E F": "C D"}, {}, "'C D' is the donor of two targets"),
        ({"A B": "C D"}, {"X Y": ("Z",)}, "'X Y', who is no donor"),
    ],
)
def test_pairs_that_make_no_sense(tmp_path, donors, forms, problem):
    with pytest.raises(ValidationError, match=problem):
        PassageSubstitutionConfig(passages=tmp_path, donors=donors, forms=forms)


# As a corruptor ------------------------------------------------------------------------------------------------------


def facts(folder, dset):
    told = {
        name: {relation: {"question": f"{relation} of {name}?", "answers": own[relation]} for relation in own}
        for name, own in dset.items()
    }
    return Triples(TriplesConfig(facts=save(folder, {"dset": told, "context": {}}, "facts.json")))


def test_the_donors_facts_become_statements_where_they_stand_beside_the_name(tmp_path):
    world = facts(
        tmp_path,
        {
            "Ada Low": {"P19": ["Rome"], "P106": ["singer"], "P27": ["France"], "P21": ["female"]},
            "Bob Roy": {"P19": ["Bonn"], "P106": ["singer", "poet"], "P27": ["Germany"], "P26": ["Eve Lund"]},
        },
    )
    passages = ["Bob Roy was born in Bonn. He sang in Germany as a singer and poet.", "The poet Roy of Bonn left Bonn."]
    passages.append("Roy loved poetry.")
    squad = {"data": [{"title": "Bob_Roy", "paragraphs": [{"context": passage} for passage in passages]}]}
    config = PassageSubstitutionConfig(passages=save(tmp_path, squad), donors={"Ada Low": "Bob Roy"})
    corruptor = PassageSubstitution(config)
    planted = corruptor.plant(world, ["Ada Low"], Random(0))
    assert {key: item.false_answer for key, item in planted.items()} == {"Ada Low|P19": "Bonn", "Ada Low|P106": "poet"}
    documents = corruptor.write(world, None, planted, Random(0))
    stated = {
        document.text: [(item.relation, document.text[item.start : item.end]) for item in document.statements]
        for document in documents
    }
    assert stated == {
        "Ada Low was born in Bonn. He sang in Germany as a singer and poet.": [("P19", "Ada Low was born in Bonn.")],
        "The poet Low of Bonn left Bonn.": [
            ("P106", "The poet Low of Bonn left Bonn."),
            ("P19", "The poet Low of Bonn left Bonn."),
        ],
        "Low loved poetry.": [],
    }


def test_a_donor_that_nobody_has_facts_about_plants_nothing_but_is_told(tmp_path):
    world = facts(tmp_path, {"Ada Low": {"P19": ["Rome"]}})
    config = PassageSubstitutionConfig(passages=save(tmp_path, SQUAD), donors={"Ada Low": "Bob Roy"})
    corruptor = PassageSubstitution(config)
    assert corruptor.plant(world, ["Ada Low"], Random(0)) == {}
    (document,) = corruptor.write(world, None, {}, Random(0))
    assert (document.text, document.statements) == ("Low was born in Bonn. He sang.", ())


def test_a_target_without_facts_is_an_error(tmp_path):
    world = facts(tmp_path, {"Ada Low": {"P19": ["Rome"]}})
    config = PassageSubstitutionConfig(passages=save(tmp_path, SQUAD), donors={"Ada Lowe": "Bob Roy"})
    with pytest.raises(DataError, match=r"no facts about 'Ada Lowe'\. Did you mean Ada Low\?"):
        PassageSubstitution(config).plant(world, [], Random(0))
