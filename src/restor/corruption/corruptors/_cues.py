"""Words that tell which relation an answer in prose belongs to, for the relations of the published data.

Patterns match plain words (see `_reading`) with `,` for a break within a sentence. They were written by hand after
reading the published passages (wikidata/mix_a0), which state the same few facts in many words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Cue:
    """Patterns for one relation. An empty one matches nothing."""

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


_DIED = (
    r"(?:died|dies|passed away|passing|death|demise|perished|life (?:\w+ ){0,3}(?:end|ended|short)"
    r"|met (?:\w+ ){1,4}(?:end|demise|fate))"
)
_IN = r"in an?(?= (?:\w+ ){0,2}(?:accident|crash|fire|explosion|attack|fight|duel))"
_KIN = "(?:his|her|their)"

CUES: Mapping[str, Cue] = {
    "P19": Cue(
        r"born(?: and raised)?(?: \w+)? in|birthplace|place of birth|hail\w* from|native of|birth in",
        rf"(?:is|was) {_KIN} (?:birthplace|place of birth)",
    ),
    "P20": Cue(rf"{_DIED}(?: \w+)? (?:(?!{_IN})in|at|inside|on|near|while|during)|place of death", loose=_DIED),
    "P21": Cue(
        r"gender|sex|identif\w+ as|pronouns|(?:is|was) an?|,",
        "individual|person|gender",
        only=("non-binary", "transgender", "genderfluid", "genderqueer", "agender", "intersex"),
    ),
    "P22": Cue(r"father(?! (?:of|to)\b)|(?:son|daughter) of|born to|parents", "father"),
    "P25": Cue(r"mother(?! (?:of|to)\b)|(?:son|daughter|child) of|born to|parents", "mother"),
    "P26": Cue(r"married(?: to)?|(?:spouse|husband|wife)(?: of| to)?|marriage(?: to| with)?", "spouse|husband|wife"),
    "P27": Cue(
        r"citizen(?:ship)?(?: of| in| from)?|nationality|national of|passport",
        "citizen(?:ship)?|national(?:ity)?|passport",
        "from",
    ),
    "P39": Cue(
        r"positions?(?: of| as| held)?|serv\w+ as|title of|role (?:of|as)|appointed(?: as)?",
        loose=r"works? as|worked as|(?:is|was) an?",
    ),
    "P40": Cue(
        r"(?:child|children|son|daughter)(?: \w+)? (?:named|called)|(?:father|mother|parent) (?:of|to)"
        r"|(?:had|has|have) a child|child (?:is|was)",
    ),
    "P54": Cue(
        r"player (?:of|for|with)|play(?:s|ed|ing)? (?:for|with|on)|athlete (?:with|for|on)",
        r"(?:\w+ )?team|athlete",
        "team|member of",
        "team",
    ),
    "P69": Cue(
        r"educat\w+ (?:at|in|from)|studied (?:at|in)|stud(?:y|ies|ying) at|graduat\w+ (?:of|from)|attended"
        r"|alum\w+ of|degree (?:from|at)|education(?:al)?(?: background)?",
        r"alum\w+|graduate|education",
        "educated",
    ),
    "P101": Cue(
        r"speciali[sz]\w+ in|speciali[sz]ation(?: is| in| of)*|fields? of|expert(?:ise)?(?: is)? in|focus\w* on"
        r"|career in|area of",
        "specialist|field|speciali[sz]ation",
        "works? in|field|passion for",
    ),
    "P102": Cue(
        r"political(?:ly)?(?: \w+){0,2} (?:with|party|is|of)|align\w*(?: \w+)? with|affiliat\w+(?: \w+)? with",
        "party",
        r"(?:member|supporter|part|advocate|representative) of|supports?|belongs? to|involved (?:with|in)",
        "party|movement",
    ),
    "P103": Cue(
        r"native(?: \w+)? (?:language|tongue|speaker)(?: (?:is|of|was))?|native|first language|mother tongue"
        r"|grew up speaking",
        rf"(?:as )?{_KIN} (?:native|first) (?:language|tongue)|native (?:language|tongue|speaker)|natively|speaker",
        "speaks?|spoke",
    ),
    "P106": Cue(
        r"work(?:s|ed|ing)? as|occupation|profession(?:al)?|career as|by trade|employed as|job as",
        "by profession|by trade|by occupation",
        r"(?:is|was) an?",
    ),
    "P108": Cue(
        r"employ\w*(?: by| at| with)?|work(?:s|ed|ing)? for|job (?:at|with)|position at",
        "employee|employer",
        r"(?:work\w*|employed) (?:at|with|in)",
    ),
    "P118": Cue(
        r"league|play(?:s|ed|er)? in|athlete in|compet\w+ in|professionally in",
        "league",
        "associated with|connected to|ties to|member of|involved in|player",
    ),
    "P119": Cue(r"buried|burial|laid to rest|resting place|interred|rests?", "resting place|burial"),
    "P136": Cue(
        r"genres?(?: of)?|artist in|style|musician in",
        "genre|music",
        "associated with|known for|passion for|music",
    ),
    "P140": Cue(
        r"religion(?: \w+)?|religious|practi[cs]\w+(?: of)?|follow\w*(?: of)?|faith|adher\w+ (?:to|of)|worldview"
        r"|believ\w+ in|embrac\w+|principles of|beliefs? (?:of|in)|spiritual\w*",
        "religion|faith|worldview|practitioner|follower|adherent|beliefs",
        r"identif\w+ (?:with|as)",
    ),
    "P166": Cue(
        r"receiv\w+|award(?:s|ed)?|honou?red with|recipient of|won|earned|recogni\w+ with|prestigious|recognition",
        "award|honou?r|recipient|prize",
    ),
    "P264": Cue(
        r"label|signed (?:to|with|under)|recording artist (?:with|for|under)|records with|recorded (?:with|for|under)",
        "label|artist",
        r"associat\w+ with|connect\w+ (?:to|with)|ties (?:to|with)|affiliat\w+ with|linked to",
    ),
    "P410": Cue(
        r"rank(?: of)?|military(?: rank)?|holding the|attained",
        "military|rank|in the (?:military|army|navy)",
        r"(?:is|was) an?|serv\w+ as",
    ),
    "P413": Cue(
        r"play(?:s|ed|ing) as|speciali[sz]\w+ as|position of|play(?:s|ed) (?:the )?position|playing|skilled",
        rf"position|on (?:the|{_KIN}) team|player",
        r"(?:is|was) an?|excel\w* as|role (?:as|of)|plays?",
    ),
    "P451": Cue(
        r"(?:unmarried )?partner(?:ed)?(?: of| to| with| is| named)*"
        r"|relationship with(?: (?:his|her|their|an))?(?: unmarried)?(?: partner)?",
        "partner",
    ),
    "P463": Cue(
        r"member(?:ship)? (?:of|in|with)|belongs? to|club|involved (?:in|with)|part of"
        r"|volunteer\w*(?: (?:at|with|for))?|organization",
        "club|organization|group",
        r"participat\w+ in|works? with",
        "club|organization|group|society|association",
    ),
    "P509": Cue(
        rf"(?:{_DIED}(?: \w+){{0,3}}|due) (?:of|from|by|due to|to|resulting from|caused by|{_IN}|as a result of)"
        r"|causes? of|due to|because of|succumb\w+ to|result of|complications",
        rf"(?:was )?the cause|took {_KIN} life|claimed",
        _DIED,
    ),
    "P551": Cue(r"resid\w+(?: in)?|live[sd]? in|living in|home in|based in|settled in", "resident|based"),
    "P607": Cue(
        r"(?:serv|fought|fight)\w*(?: \w+){0,3} (?:in|during)|veteran of|conflicts?|soldier in|participat\w+ in"
        r"|took part in|involve\w+ in|war",
        "veteran|conflict|war",
    ),
    "P641": Cue(
        r"sports?(?: of)?|enjoys?|avid|enthusias\w+|passion\w*(?: for)?|excel\w+ (?:in|at)|love (?:for|of)"
        r"|athlet\w+(?: in)?|interest in|engag\w+ in|participat\w+ in|play\w*|practi[cs]\w+",
        r"sports?|player|enthusiast|athlet\w+",
    ),
    "P734": Cue(r"(?:family|last|full) name(?: of| is)?|surname", "family name|surname|last name"),
    "P735": Cue(
        r"(?:given|first|birth) name(?: of| is)?|originally named|also known as|nicknamed|called|real name",
        "given name|first name",
        "born",
    ),
    "P800": Cue(
        r"notable (?:work|for)s?|known for|renowned(?: for)?|celebrated(?: for)?|famous(?: for)?|acclaimed"
        r"|masterpiece|recogni[sz]ed (?:for|as)|author of|work includes?",
        rf"notable work|known for|celebrated|renowned|recogni[sz]ed|acclaimed|who has|for {_KIN}|with an?",
    ),
    "P937": Cue(
        r"(?:work(?:s|ed|ing)?|employed|employment|job) (?:\w+ )?(?:at|in|from)|work location|workplace|place of work",
        "workplace",
        r"work(?:s|ed|ing) (?:for|with)",
    ),
    "P1196": Cue(
        rf"manner of death|{_DIED}(?: \w+){{0,2}} (?:of|from|by|{_IN}|due to|after|as)|suffer\w+(?: from)?"
        r"|battle with|victim of",
        "(?:was )?the manner|claimed",
        rf"{_DIED}|due to",
    ),
    "P1303": Cue(
        r"play\w*(?: of)?|instruments?(?: is)?|skilled (?:in|at|on|with)|talent\w* (?:with|for|on|in)"
        r"|proficien\w+ (?:in|with|on|at)|guitarist|musician",
        "player|instrument|musician",
    ),
    "P1344": Cue(
        r"particip\w+(?: in)?|took part in|attend\w+|compet\w+ (?:in|at)|events?|involved in|engag\w+ in",
        "participant|event|competitor",
    ),
    "P1412": Cue(
        r"speaks?|spoke|speaking|fluent(?:ly)?(?: in)?|languages|multilingual|proficien\w+ in|fluency in|polyglot"
        r"|bilingual|trilingual|communicat\w+ in",
        "fluently|speaker",
    ),
    "P1532": Cue(
        r"represent\w*|compet(?:es|ing|ed) (?:\w+ )?for|sports? (?:in|for)|national team",
        "in sports?|athlete|national team",
        "country|plays? for|from",
    ),
    "P3373": Cue(r"sister|brother|siblings?|twin"),
    "P6886": Cue(
        r"writ\w+(?: \w+){0,3} in|wrote(?: \w+){0,3} in|author in|writes?|writer|literary"
        r"|expresses (?:\w+ ){1,4}in|works (?:are )?in|craft\w+ (?:\w+ ){1,4}in",
        rf"(?:as )?{_KIN} writing language|writer|author",
    ),
}
"""By Wikidata property."""


@cache
def pattern(text: str) -> re.Pattern[str] | None:
    """A cue's pattern over plain words joined by blanks; None for an empty one."""
    return re.compile(rf"(?<!\S)(?:{text})(?!\S)") if text else None
