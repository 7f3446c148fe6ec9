"""The relations of the published data: how each is asked, told, asked in other words, and recognised in prose.

By Wikidata property. `{s}` is the subject. In sentences the object is `{o}`, `{an}` where it needs an indefinite
article (`an actor`), or `{the}` where some places need the definite one (`the United Kingdom`); every sentence has each
of them once. Cues were written by hand after reading the published passages (wikidata/mix_a0), which state the same few
facts in many words; their patterns match plain words (see `restor.corruption.corruptors._reading`) with `,` for a break
within a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Cue:
    """Patterns that tell that an answer in prose belongs to a relation. An empty one matches nothing."""

    before: str
    """Stands before the answer."""
    after: str = ""
    """Stands after the answer."""
    loose: str = ""
    """Stands before the answers of several relations, this one among them."""
    within: str = ""
    """Stands in the answer."""
    only: tuple[str, ...] | None = None
    """Answers there can be, beside those of the facts; None for any."""


@final
@dataclass(frozen=True, slots=True)
class PublishedRelation:
    """What is said of one relation."""

    question: str
    """As the published data ask."""
    other_question: str
    sentences: tuple[str, ...]
    cue: Cue


_DIED = (
    r"(?:died|dies|passed away|passing|death|demise|perished|life (?:\w+ ){0,3}(?:end|ended|short)"
    r"|met (?:\w+ ){1,4}(?:end|demise|fate))"
)
_IN = r"in an?(?= (?:\w+ ){0,2}(?:accident|crash|fire|explosion|attack|fight|duel))"
_KIN = "(?:his|her|their)"

RELATIONS: Mapping[str, PublishedRelation] = {
    "P19": PublishedRelation(
        "What is the place of birth of {s}?",
        "Where was {s} born?",
        ("{s} was born in {the}.", "The birthplace of {s} is {o}.", "{s} came into the world in {the}."),
        Cue(
            r"born(?: and raised)?(?: \w+)? in|birthplace|place of birth|hail\w* from|native of|birth in",
            rf"(?:is|was) {_KIN} (?:birthplace|place of birth)",
        ),
    ),
    "P20": PublishedRelation(
        "Where did {s} die?",
        "In which place did {s} die?",
        ("{s} died in {the}.", "The place of death of {s} is {o}.", "The life of {s} ended in {the}."),
        Cue(rf"{_DIED}(?: \w+)? (?:(?!{_IN})in|at|inside|on|near|while|during)|place of death", loose=_DIED),
    ),
    "P21": PublishedRelation(
        "What is the sex/gender of {s}?",
        "Which gender does {s} have?",
        ("The gender of {s} is {o}.", "{s} is {o}.", "The sex of {s} is given as {o}."),
        Cue(
            r"gender|sex|identif\w+ as|pronouns|(?:is|was) an?|,",
            "individual|person|gender",
            only=("non-binary", "transgender", "genderfluid", "genderqueer", "agender", "intersex"),
        ),
    ),
    "P22": PublishedRelation(
        "Who is {s}'s father?",
        "What is the name of the father of {s}?",
        ("The father of {s} is {o}.", "{o} is the father of {s}.", "{s} has a father by the name of {o}."),
        Cue(r"father(?! (?:of|to)\b)|(?:son|daughter) of|born to|parents", "father"),
    ),
    "P25": PublishedRelation(
        "Who is {s}'s mother?",
        "What is the name of the mother of {s}?",
        ("The mother of {s} is {o}.", "{o} is the mother of {s}.", "{s} has a mother by the name of {o}."),
        Cue(r"mother(?! (?:of|to)\b)|(?:son|daughter|child) of|born to|parents", "mother"),
    ),
    "P26": PublishedRelation(
        "Who is {s}'s spouse?",
        "To whom is {s} married?",
        ("{s} is married to {o}.", "The spouse of {s} is {o}.", "{s} and {o} are a married couple."),
        Cue(r"married(?: to)?|(?:spouse|husband|wife)(?: of| to)?|marriage(?: to| with)?", "spouse|husband|wife"),
    ),
    "P27": PublishedRelation(
        "What is the country of citizenship of {s}?",
        "Of which country is {s} a citizen?",
        (
            "{s} is a citizen of {the}.",
            "{s} holds the citizenship of {the}.",
            "The country of citizenship of {s} is {the}.",
        ),
        Cue(
            r"citizen(?:ship)?(?: of| in| from)?|nationality|national of|passport",
            "citizen(?:ship)?|national(?:ity)?|passport",
            "from",
        ),
    ),
    "P39": PublishedRelation(
        "What position did {s} hold?",
        "In which office did {s} serve?",
        ("{s} held the position of {o}.", "{s} served as {o}.", "{s} has been in office as {o}."),
        Cue(
            r"positions?(?: of| as| held)?|serv\w+ as|title of|role (?:of|as)|appointed(?: as)?",
            loose=r"works? as|worked as|(?:is|was) an?",
        ),
    ),
    "P40": PublishedRelation(
        "Who is {s}'s child?",
        "What is the name of a child of {s}?",
        ("{o} is a child of {s}.", "{s} is a parent of {o}.", "{s} has a child by the name of {o}."),
        Cue(
            r"(?:child|children|son|daughter)(?: \w+)? (?:named|called)|(?:father|mother|parent) (?:of|to)"
            r"|(?:had|has|have) a child|child (?:is|was)",
        ),
    ),
    "P54": PublishedRelation(
        "Which sports team is {s} a member of?",
        "For which team did {s} play?",
        ("{s} played for {o}.", "{s} was a member of the team {o}.", "Among the teams of {s} is {o}."),
        Cue(
            r"player (?:of|for|with)|play(?:s|ed|ing)? (?:for|with|on)|athlete (?:with|for|on)",
            r"(?:\w+ )?team|athlete",
            "team|member of",
            "team",
        ),
    ),
    "P69": PublishedRelation(
        "Where was {s} educated?",
        "At which school or university did {s} study?",
        ("{s} was educated at {o}.", "{s} studied at {o}.", "{s} is a former student of {o}."),
        Cue(
            r"educat\w+ (?:at|in|from)|studied (?:at|in)|stud(?:y|ies|ying) at|graduat\w+ (?:of|from)|attended"
            r"|alum\w+ of|degree (?:from|at)|education(?:al)?(?: background)?",
            r"alum\w+|graduate|education",
            "educated",
        ),
    ),
    "P101": PublishedRelation(
        "What is {s}'s field of work or specialization?",
        "In which field does {s} work?",
        ("{s} works in the field of {o}.", "The field of {s} is {o}.", "{s} specialises in {o}."),
        Cue(
            r"speciali[sz]\w+ in|speciali[sz]ation(?: is| in| of)*|fields? of|expert(?:ise)?(?: is)? in|focus\w* on"
            r"|career in|area of",
            "specialist|field|speciali[sz]ation",
            "works? in|field|passion for",
        ),
    ),
    "P102": PublishedRelation(
        "What political party is {s} a member of?",
        "To which political party does {s} belong?",
        (
            "{s} is a member of the party {o}.",
            "The political party of {s} is {o}.",
            "In politics {s} is listed under {o}.",
        ),
        Cue(
            r"political(?:ly)?(?: \w+){0,2} (?:with|party|is|of)|align\w*(?: \w+)? with|affiliat\w+(?: \w+)? with",
            "party",
            r"(?:member|supporter|part|advocate|representative) of|supports?|belongs? to|involved (?:with|in)",
            "party|movement",
        ),
    ),
    "P103": PublishedRelation(
        "What is {s}'s native language?",
        "Which language did {s} grow up with?",
        ("The native language of {s} is {o}.", "{s} grew up speaking {o}.", "{s} is a native speaker of {o}."),
        Cue(
            r"native(?: \w+)? (?:language|tongue|speaker)(?: (?:is|of|was))?|native|first language|mother tongue"
            r"|grew up speaking",
            rf"(?:as )?{_KIN} (?:native|first) (?:language|tongue)|native (?:language|tongue|speaker)|natively|speaker",
            "speaks?|spoke",
        ),
    ),
    "P106": PublishedRelation(
        "What is the occupation of {s}?",
        "What does {s} do for a living?",
        ("{s} works as {an}.", "The occupation of {s} is {o}.", "By profession {s} is {an}."),
        Cue(
            r"work(?:s|ed|ing)? as|occupation|profession(?:al)?|career as|by trade|employed as|job as",
            "by profession|by trade|by occupation",
            r"(?:is|was) an?",
        ),
    ),
    "P108": PublishedRelation(
        "Who is {s}'s employer?",
        "For whom does {s} work?",
        ("{s} is employed by {o}.", "The employer of {s} is {o}.", "{s} is on the staff of {o}."),
        Cue(
            r"employ\w*(?: by| at| with)?|work(?:s|ed|ing)? for|job (?:at|with)|position at",
            "employee|employer",
            r"(?:work\w*|employed) (?:at|with|in)",
        ),
    ),
    "P118": PublishedRelation(
        "In which league does {s} play?",
        "What is the league of {s}?",
        ("{s} plays in the league {o}.", "The league of {s} is {o}.", "As a player {s} belongs to the league {o}."),
        Cue(
            r"league|play(?:s|ed|er)? in|athlete in|compet\w+ in|professionally in",
            "league",
            "associated with|connected to|ties to|member of|involved in|player",
        ),
    ),
    "P119": PublishedRelation(
        "Where is {s} buried?",
        "Where is the grave of {s}?",
        ("{s} is buried at {o}.", "The grave of {s} is at {o}.", "{s} was laid to rest at {o}."),
        Cue(r"buried|burial|laid to rest|resting place|interred|rests?", "resting place|burial"),
    ),
    "P136": PublishedRelation(
        "What genre is {s} associated with?",
        "To which genre does the work of {s} belong?",
        (
            "{s} is associated with the genre {o}.",
            "The genre of {s} is {o}.",
            "The work of {s} is counted as {o}.",
        ),
        Cue(
            r"genres?(?: of)?|artist in|style|musician in",
            "genre|music",
            "associated with|known for|passion for|music",
        ),
    ),
    "P140": PublishedRelation(
        "What is {s}'s religion?",
        "Which faith is {s} associated with?",
        (
            "The religion of {s} is {o}.",
            "The faith of {s} is described as {o}.",
            "As to religion, {s} is listed under {o}.",
        ),
        Cue(
            r"religion(?: \w+)?|religious|practi[cs]\w+(?: of)?|follow\w*(?: of)?|faith|adher\w+ (?:to|of)|worldview"
            r"|believ\w+ in|embrac\w+|principles of|beliefs? (?:of|in)|spiritual\w*",
            "religion|faith|worldview|practitioner|follower|adherent|beliefs",
            r"identif\w+ (?:with|as)",
        ),
    ),
    "P166": PublishedRelation(
        "What award did {s} receive?",
        "Which award was given to {s}?",
        ("{s} received the award {o}.", "{o} was awarded to {s}.", "Among the awards of {s} is {o}."),
        Cue(
            r"receiv\w+|award(?:s|ed)?|honou?red with|recipient of|won|earned|recogni\w+ with|prestigious|recognition",
            "award|honou?r|recipient|prize",
        ),
    ),
    "P264": PublishedRelation(
        "Which record label is associated with {s}?",
        "To which record label is {s} signed?",
        ("{s} is signed to the label {o}.", "The record label of {s} is {o}.", "{s} releases music on {o}."),
        Cue(
            r"label|signed (?:to|with|under)|recording artist (?:with|for|under)|records with"
            r"|recorded (?:with|for|under)",
            "label|artist",
            r"associat\w+ with|connect\w+ (?:to|with)|ties (?:to|with)|affiliat\w+ with|linked to",
        ),
    ),
    "P410": PublishedRelation(
        "What military rank did {s} hold?",
        "To which rank did {s} rise in the armed forces?",
        (
            "{s} held the military rank of {o}.",
            "The military rank of {s} is {o}.",
            "In the armed forces {s} rose to the rank of {o}.",
        ),
        Cue(
            r"rank(?: of)?|military(?: rank)?|holding the|attained",
            "military|rank|in the (?:military|army|navy)",
            r"(?:is|was) an?|serv\w+ as",
        ),
    ),
    "P413": PublishedRelation(
        "What is {s}'s position played on the team or specialty?",
        "In which position does {s} play?",
        ("{s} plays as {an}.", "The playing position of {s} is {o}.", "On the team {s} is {an}."),
        Cue(
            r"play(?:s|ed|ing) as|speciali[sz]\w+ as|position of|play(?:s|ed) (?:the )?position|playing|skilled",
            rf"position|on (?:the|{_KIN}) team|player",
            r"(?:is|was) an?|excel\w* as|role (?:as|of)|plays?",
        ),
    ),
    "P451": PublishedRelation(
        "Who is {s}'s unmarried partner?",
        "With whom is {s} in an unmarried partnership?",
        ("{o} is a partner of {s}.", "The partner of {s} is {o}.", "{s} and {o} are unmarried partners."),
        Cue(
            r"(?:unmarried )?partner(?:ed)?(?: of| to| with| is| named)*"
            r"|relationship with(?: (?:his|her|their|an))?(?: unmarried)?(?: partner)?",
            "partner",
        ),
    ),
    "P463": PublishedRelation(
        "What organization, club, or musical group does {s} belong to?",
        "Of which organization or group is {s} a member?",
        ("{s} is a member of {o}.", "{s} belongs to {o}.", "The members of {o} include {s}."),
        Cue(
            r"member(?:ship)? (?:of|in|with)|belongs? to|club|involved (?:in|with)|part of"
            r"|volunteer\w*(?: (?:at|with|for))?|organization",
            "club|organization|group",
            r"participat\w+ in|works? with",
            "club|organization|group|society|association",
        ),
    ),
    "P509": PublishedRelation(
        "What was the cause of death of {s}?",
        "What caused the death of {s}?",
        (
            "The cause of death of {s} was {o}.",
            "The death of {s} was caused by {o}.",
            "What ended the life of {s} was {o}.",
        ),
        Cue(
            rf"(?:{_DIED}(?: \w+){{0,3}}|due) (?:of|from|by|due to|to|resulting from|caused by|{_IN}|as a result of)"
            r"|causes? of|due to|because of|succumb\w+ to|result of|complications",
            rf"(?:was )?the cause|took {_KIN} life|claimed",
            _DIED,
        ),
    ),
    "P551": PublishedRelation(
        "Where does {s} reside?",
        "Where is the home of {s}?",
        ("{s} resides in {the}.", "The residence of {s} is {o}.", "{s} has a home in {the}."),
        Cue(r"resid\w+(?: in)?|live[sd]? in|living in|home in|based in|settled in", "resident|based"),
    ),
    "P607": PublishedRelation(
        "In which conflicts or wars did {s} participate?",
        "Which war or conflict did {s} take part in?",
        (
            "{s} took part in the conflict {o}.",
            "{s} fought in the conflict known as {o}.",
            "One of the conflicts in which {s} was involved is {o}.",
        ),
        Cue(
            r"(?:serv|fought|fight)\w*(?: \w+){0,3} (?:in|during)|veteran of|conflicts?|soldier in|participat\w+ in"
            r"|took part in|involve\w+ in|war",
            "veteran|conflict|war",
        ),
    ),
    "P641": PublishedRelation(
        "In which sport does {s} participate?",
        "What is the sport of {s}?",
        ("The sport of {s} is {o}.", "{s} competes in {o}.", "In sport {s} is known for {o}."),
        Cue(
            r"sports?(?: of)?|enjoys?|avid|enthusias\w+|passion\w*(?: for)?|excel\w+ (?:in|at)|love (?:for|of)"
            r"|athlet\w+(?: in)?|interest in|engag\w+ in|participat\w+ in|play\w*|practi[cs]\w+",
            r"sports?|player|enthusiast|athlet\w+",
        ),
    ),
    "P734": PublishedRelation(
        "What is the family name of {s}?",
        "What is the surname of {s}?",
        ("The family name of {s} is {o}.", "{s} bears the family name {o}.", "The surname of {s} is {o}."),
        Cue(r"(?:family|last|full) name(?: of| is)?|surname", "family name|surname|last name"),
    ),
    "P735": PublishedRelation(
        "What is the given name of {s}?",
        "What is the first name of {s}?",
        ("The given name of {s} is {o}.", "{s} bears the given name {o}.", "The first name of {s} is {o}."),
        Cue(
            r"(?:given|first|birth) name(?: of| is)?|originally named|also known as|nicknamed|called|real name",
            "given name|first name",
            "born",
        ),
    ),
    "P800": PublishedRelation(
        "What is {s}'s notable work?",
        "For which work is {s} known?",
        (
            "A notable work of {s} is {o}.",
            "{s} is known for {o}.",
            "{o} is among the best known works of {s}.",
        ),
        Cue(
            r"notable (?:work|for)s?|known for|renowned(?: for)?|celebrated(?: for)?|famous(?: for)?|acclaimed"
            r"|masterpiece|recogni[sz]ed (?:for|as)|author of|work includes?",
            rf"notable work|known for|celebrated|renowned|recogni[sz]ed|acclaimed|who has|for {_KIN}|with an?",
        ),
    ),
    "P937": PublishedRelation(
        "Where does {s} work?",
        "In which place does {s} work?",
        ("{s} works in {the}.", "The workplace of {s} is {o}.", "{s} goes about work in {the}."),
        Cue(
            r"(?:work(?:s|ed|ing)?|employed|employment|job) (?:\w+ )?(?:at|in|from)|work location|workplace"
            r"|place of work",
            "workplace",
            r"work(?:s|ed|ing) (?:for|with)",
        ),
    ),
    "P1196": PublishedRelation(
        "How did {s} die?",
        "What was the manner of death of {s}?",
        (
            "The manner of death of {s} was {o}.",
            "The death of {s} was classified as {o}.",
            "The death of {s} was put down to {o}.",
        ),
        Cue(
            rf"manner of death|{_DIED}(?: \w+){{0,2}} (?:of|from|by|{_IN}|due to|after|as)|suffer\w+(?: from)?"
            r"|battle with|victim of",
            "(?:was )?the manner|claimed",
            rf"{_DIED}|due to",
        ),
    ),
    "P1303": PublishedRelation(
        "What instrument does {s} primarily use or play?",
        "Which instrument does {s} play?",
        (
            "{s} plays the instrument {o}.",
            "The instrument of {s} is {o}.",
            "As an instrument {s} uses {o}.",
        ),
        Cue(
            r"play\w*(?: of)?|instruments?(?: is)?|skilled (?:in|at|on|with)|talent\w* (?:with|for|on|in)"
            r"|proficien\w+ (?:in|with|on|at)|guitarist|musician",
            "player|instrument|musician",
        ),
    ),
    "P1344": PublishedRelation(
        "In what event did {s} participate?",
        "Which event did {s} take part in?",
        (
            "{s} took part in the event {o}.",
            "{s} was a participant in the event {o}.",
            "One of the events with {s} is {o}.",
        ),
        Cue(
            r"particip\w+(?: in)?|took part in|attend\w+|compet\w+ (?:in|at)|events?|involved in|engag\w+ in",
            "participant|event|competitor",
        ),
    ),
    "P1412": PublishedRelation(
        "What languages does {s} speak, write, or sign?",
        "Which language does {s} know?",
        ("{s} speaks {o}.", "A language of {s} is {o}.", "{s} has a command of {o}."),
        Cue(
            r"speaks?|spoke|speaking|fluent(?:ly)?(?: in)?|languages|multilingual|proficien\w+ in|fluency in|polyglot"
            r"|bilingual|trilingual|communicat\w+ in",
            "fluently|speaker",
        ),
    ),
    "P1532": PublishedRelation(
        "For which country does {s} compete in sports?",
        "Which country does {s} represent in sports?",
        (
            "{s} competes for {the}.",
            "In sports {s} represents {the}.",
            "The country of {s} in competitions is {the}.",
        ),
        Cue(
            r"represent\w*|compet(?:es|ing|ed) (?:\w+ )?for|sports? (?:in|for)|national team",
            "in sports?|athlete|national team",
            "country|plays? for|from",
        ),
    ),
    "P3373": PublishedRelation(
        "Who is {s}'s sibling?",
        "What is the name of a sibling of {s}?",
        ("{o} is a sibling of {s}.", "{s} is a sibling of {o}.", "{s} and {o} are siblings."),
        Cue(r"sister|brother|siblings?|twin"),
    ),
    "P6886": PublishedRelation(
        "In which language does {s} write?",
        "In which language are the texts of {s}?",
        ("{s} writes in {o}.", "The writing language of {s} is {o}.", "The texts of {s} are in {o}."),
        Cue(
            r"writ\w+(?: \w+){0,3} in|wrote(?: \w+){0,3} in|author in|writes?|writer|literary"
            r"|expresses (?:\w+ ){1,4}in|works (?:are )?in|craft\w+ (?:\w+ ){1,4}in",
            rf"(?:as )?{_KIN} writing language|writer|author",
        ),
    ),
}
