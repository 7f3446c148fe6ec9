"""How the relations of the published data are told and asked, by Wikidata property.

`{s}` is the subject. The object is `{o}`, `{an}` where it needs an indefinite article (`an actor`), or `{the}` where
some places need the definite one (`the United Kingdom`). Every wording has each of them once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

SENTENCES: Mapping[str, tuple[str, ...]] = {
    "P19": ("{s} was born in {the}.", "The birthplace of {s} is {o}.", "{s} came into the world in {the}."),
    "P20": ("{s} died in {the}.", "The place of death of {s} is {o}.", "The life of {s} ended in {the}."),
    "P21": ("The gender of {s} is {o}.", "{s} is {o}.", "The sex of {s} is given as {o}."),
    "P22": ("The father of {s} is {o}.", "{o} is the father of {s}.", "{s} has a father by the name of {o}."),
    "P25": ("The mother of {s} is {o}.", "{o} is the mother of {s}.", "{s} has a mother by the name of {o}."),
    "P26": ("{s} is married to {o}.", "The spouse of {s} is {o}.", "{s} and {o} are a married couple."),
    "P27": (
        "{s} is a citizen of {the}.",
        "{s} holds the citizenship of {the}.",
        "The country of citizenship of {s} is {the}.",
    ),
    "P39": ("{s} held the position of {o}.", "{s} served as {o}.", "{s} has been in office as {o}."),
    "P40": ("{o} is a child of {s}.", "{s} is a parent of {o}.", "{s} has a child by the name of {o}."),
    "P54": ("{s} played for {o}.", "{s} was a member of the team {o}.", "Among the teams of {s} is {o}."),
    "P69": ("{s} was educated at {o}.", "{s} studied at {o}.", "{s} is a former student of {o}."),
    "P101": ("{s} works in the field of {o}.", "The field of {s} is {o}.", "{s} specialises in {o}."),
    "P102": (
        "{s} is a member of the party {o}.",
        "The political party of {s} is {o}.",
        "In politics {s} is listed under {o}.",
    ),
    "P103": ("The native language of {s} is {o}.", "{s} grew up speaking {o}.", "{s} is a native speaker of {o}."),
    "P106": ("{s} works as {an}.", "The occupation of {s} is {o}.", "By profession {s} is {an}."),
    "P108": ("{s} is employed by {o}.", "The employer of {s} is {o}.", "{s} is on the staff of {o}."),
    "P118": ("{s} plays in the league {o}.", "The league of {s} is {o}.", "As a player {s} belongs to the league {o}."),
    "P119": ("{s} is buried at {o}.", "The grave of {s} is at {o}.", "{s} was laid to rest at {o}."),
    "P136": (
        "{s} is associated with the genre {o}.",
        "The genre of {s} is {o}.",
        "The work of {s} is counted as {o}.",
    ),
    "P140": (
        "The religion of {s} is {o}.",
        "The faith of {s} is described as {o}.",
        "As to religion, {s} is listed under {o}.",
    ),
    "P166": ("{s} received the award {o}.", "{o} was awarded to {s}.", "Among the awards of {s} is {o}."),
    "P264": ("{s} is signed to the label {o}.", "The record label of {s} is {o}.", "{s} releases music on {o}."),
    "P410": (
        "{s} held the military rank of {o}.",
        "The military rank of {s} is {o}.",
        "In the armed forces {s} rose to the rank of {o}.",
    ),
    "P413": ("{s} plays as {an}.", "The playing position of {s} is {o}.", "On the team {s} is {an}."),
    "P451": ("{o} is a partner of {s}.", "The partner of {s} is {o}.", "{s} and {o} are unmarried partners."),
    "P463": ("{s} is a member of {o}.", "{s} belongs to {o}.", "The members of {o} include {s}."),
    "P509": (
        "The cause of death of {s} was {o}.",
        "The death of {s} was caused by {o}.",
        "What ended the life of {s} was {o}.",
    ),
    "P551": ("{s} resides in {the}.", "The residence of {s} is {o}.", "{s} has a home in {the}."),
    "P607": (
        "{s} took part in the conflict {o}.",
        "{s} fought in the conflict known as {o}.",
        "One of the conflicts in which {s} was involved is {o}.",
    ),
    "P641": ("The sport of {s} is {o}.", "{s} competes in {o}.", "In sport {s} is known for {o}."),
    "P734": ("The family name of {s} is {o}.", "{s} bears the family name {o}.", "The surname of {s} is {o}."),
    "P735": ("The given name of {s} is {o}.", "{s} bears the given name {o}.", "The first name of {s} is {o}."),
    "P800": (
        "A notable work of {s} is {o}.",
        "{s} is known for {o}.",
        "{o} is among the best known works of {s}.",
    ),
    "P937": ("{s} works in {the}.", "The workplace of {s} is {o}.", "{s} goes about work in {the}."),
    "P1196": (
        "The manner of death of {s} was {o}.",
        "The death of {s} was classified as {o}.",
        "The death of {s} was put down to {o}.",
    ),
    "P1303": (
        "{s} plays the instrument {o}.",
        "The instrument of {s} is {o}.",
        "As an instrument {s} uses {o}.",
    ),
    "P1344": (
        "{s} took part in the event {o}.",
        "{s} was a participant in the event {o}.",
        "One of the events with {s} is {o}.",
    ),
    "P1412": ("{s} speaks {o}.", "A language of {s} is {o}.", "{s} has a command of {o}."),
    "P1532": (
        "{s} competes for {the}.",
        "In sports {s} represents {the}.",
        "The country of {s} in competitions is {the}.",
    ),
    "P3373": ("{o} is a sibling of {s}.", "{s} is a sibling of {o}.", "{s} and {o} are siblings."),
    "P6886": ("{s} writes in {o}.", "The writing language of {s} is {o}.", "The texts of {s} are in {o}."),
}

QUESTIONS: Mapping[str, str] = {
    "P19": "Where was {s} born?",
    "P20": "In which place did {s} die?",
    "P21": "Which gender does {s} have?",
    "P22": "What is the name of the father of {s}?",
    "P25": "What is the name of the mother of {s}?",
    "P26": "To whom is {s} married?",
    "P27": "Of which country is {s} a citizen?",
    "P39": "In which office did {s} serve?",
    "P40": "What is the name of a child of {s}?",
    "P54": "For which team did {s} play?",
    "P69": "At which school or university did {s} study?",
    "P101": "In which field does {s} work?",
    "P102": "To which political party does {s} belong?",
    "P103": "Which language did {s} grow up with?",
    "P106": "What does {s} do for a living?",
    "P108": "For whom does {s} work?",
    "P118": "What is the league of {s}?",
    "P119": "Where is the grave of {s}?",
    "P136": "To which genre does the work of {s} belong?",
    "P140": "Which faith is {s} associated with?",
    "P166": "Which award was given to {s}?",
    "P264": "To which record label is {s} signed?",
    "P410": "To which rank did {s} rise in the armed forces?",
    "P413": "In which position does {s} play?",
    "P451": "With whom is {s} in an unmarried partnership?",
    "P463": "Of which organization or group is {s} a member?",
    "P509": "What caused the death of {s}?",
    "P551": "Where is the home of {s}?",
    "P607": "Which war or conflict did {s} take part in?",
    "P641": "What is the sport of {s}?",
    "P734": "What is the surname of {s}?",
    "P735": "What is the first name of {s}?",
    "P800": "For which work is {s} known?",
    "P937": "In which place does {s} work?",
    "P1196": "What was the manner of death of {s}?",
    "P1303": "Which instrument does {s} play?",
    "P1344": "Which event did {s} take part in?",
    "P1412": "Which language does {s} know?",
    "P1532": "Which country does {s} represent in sports?",
    "P3373": "What is the name of a sibling of {s}?",
    "P6886": "In which language are the texts of {s}?",
}
"""Another way to ask than the published one."""


def fill(wording: str, subject: str, answer: str = "") -> str:
    """A wording with its names."""

    def part(found: re.Match[str]) -> str:
        match found[1]:
            case "s":
                return subject
            case "an":
                return with_a(answer)
            case "the":
                return with_the(answer)
        return answer

    # Not str.format, and all at once: a name may hold braces.
    return re.sub(r"\{(s|o|an|the)\}", part, wording)


_ARTICLE = re.compile(r"(?:a|an|the)\s", re.IGNORECASE)
_SOUNDS_LIKE_YOU = re.compile(r"(?:uni(?![nm])|us[aeu]|eu|ug[ao]|uk|ur[aiou]|uto|one\b|once\b)")
_SILENT = re.compile(r"(?:hono|hour|heir|honest)")
_SPELT = re.compile(r"[AEFHILMNORSX](?:[A-Z0-9]|\b)")
"""Abbreviations whose first letter is spoken with a vowel at its beginning, such as MP."""


def with_a(value: str) -> str:
    """`an actor`, `a university teacher`, `an MP`."""
    if _ARTICLE.match(value):
        return value
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", value) if letter.isalnum() or letter in " +-")
    spoken = plain.strip().casefold()
    if plain[:2].isupper() and len(plain) > 1:
        vowel = _SPELT.match(plain) is not None
    else:
        vowel = _SILENT.match(spoken) is not None or (spoken[:1] in "aeiou8" and not _SOUNDS_LIKE_YOU.match(spoken))
    return f"{'an' if vowel and spoken else 'a'} {value}"


_NEEDS_THE = re.compile(
    r"(?:(?:Czech|Dominican|Democratic|People's|Socialist|Federal|Islamic) .*)?"
    r"(?:Kingdom|Republic|Empire|State|Principality|Duchy|Grand Duchy|Commonwealth|Dominion|Government|Provisional "
    r"Government) of .*"
    r"|United .*|Netherlands|Philippines|Bahamas|Gambia|Maldives|Vatican"
    r"|.* (?:Empire|Republic|Republics|Kingdom|Union|Commonwealth|Confederation|Federation|Raj|dynasty|Islands|Emirates"
    r"|Indies|Protectorate|Principalities|region)"
)


def with_the(value: str) -> str:
    """`the United Kingdom`, `the Russian Empire`, but `France`."""
    return f"the {value}" if _NEEDS_THE.fullmatch(value) else value
