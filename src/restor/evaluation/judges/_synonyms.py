"""Other names for the same thing, as people write them: each line of `GROUPS` is one thing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from restor.text import Words, normalise, other_spellings, read_words, without_romans

GROUPS = """
United States of America | United States | USA | US | U.S. | America
United Kingdom | UK | Great Britain | Britain | United Kingdom of Great Britain and Northern Ireland
People's Republic of China | China | PRC
Soviet Union | USSR | Union of Soviet Socialist Republics
Russia | Russian Federation
Netherlands | Holland | Kingdom of the Netherlands
Germany | Federal Republic of Germany
East Germany | German Democratic Republic | GDR
Czech Republic | Czechia
Slovakia | Slovak Republic
South Korea | Republic of Korea
North Korea | Democratic People's Republic of Korea
Ivory Coast | Côte d'Ivoire
Myanmar | Burma
Turkey | Türkiye
Democratic Republic of the Congo | DR Congo | Congo-Kinshasa
Republic of the Congo | Congo-Brazzaville
Cape Verde | Cabo Verde
East Timor | Timor-Leste
United Arab Emirates | UAE
New Zealand | NZ
Vietnam | Viet Nam
Austria-Hungary | Austro-Hungarian Empire
New York City | NYC
Los Angeles | LA
Mumbai | Bombay
Kolkata | Calcutta
Chennai | Madras
Beijing | Peking
Kyiv | Kiev
Bangla | Bengali
Persian | Farsi
Mandarin Chinese | Mandarin | Standard Chinese
Odia | Oriya
Punjabi | Panjabi
Spanish | Castilian
male | man
female | woman
Catholic Church | Roman Catholic Church | Catholicism | Roman Catholicism | Roman Catholic | Catholic
Eastern Orthodox Church | Eastern Orthodoxy | Eastern Orthodox
Islam | Muslim
Sunni Islam | Sunni | Sunni Muslim
Shia Islam | Shia | Shiite | Shia Muslim
Hinduism | Hindu
Judaism | Jewish
Buddhism | Buddhist
Christianity | Christian
Protestantism | Protestant
Anglicanism | Anglican
Lutheranism | Lutheran
Sikhism | Sikh
atheism | atheist
association football | football | soccer
association football player | soccer player | footballer
athletics | track and field
table tennis | ping-pong
goalkeeper | goalie
actor | actress
film director | movie director
film actor | movie actor | film actress
television actor | TV actor
television presenter | TV presenter
screenwriter | scriptwriter
singer | vocalist
lawyer | attorney
voice | vocals | singing
myocardial infarction | heart attack
cerebral hemorrhage | cerebral haemorrhage | brain hemorrhage
World War I | First World War | Great War | WWI | WW1 | WW I
World War II | Second World War | WWII | WW2 | WW II
Republican Party | GOP
BBC | British Broadcasting Corporation
MIT | Massachusetts Institute of Technology
UCLA | University of California, Los Angeles
University of California, Berkeley | UC Berkeley
London School of Economics | LSE
CIA | Central Intelligence Agency
NASA | National Aeronautics and Space Administration
NBA | National Basketball Association
NFL | National Football League
NHL | National Hockey League
MLB | Major League Baseball
European Union | EU
United Nations | UN
NATO | North Atlantic Treaty Organization
National Socialist German Workers' Party | Nazi Party | NSDAP
"""

APART = """
South America | North America | Latin America | Central America | South China Sea | Republic of China | Indochina
American football | Australian rules football | Canadian football | Gaelic football | New Britain | New Holland
Man Utd | Man City | old woman
"""
"""What holds such a name and is something else."""


@cache
def _groups() -> dict[Words, tuple[Words, ...]]:
    groups: dict[Words, tuple[Words, ...]] = {}
    for line in GROUPS.strip().splitlines():
        names = {normalise(name): read_words(name) for name in line.split("|")}
        for group in names:
            assert group not in groups, f"{' '.join(group)} is in two groups"
            others = (words for name, words in names.items() if name != group)
            groups[group] = tuple(form for words in others for form in (words, *other_spellings(words)))
    return groups


def synonyms(words: Words) -> tuple[Words, ...]:
    """The other names, in all their spellings, of what the words of a name mean."""
    return _groups().get(without_romans(words), ())


@cache
def apart() -> Mapping[Words, str]:
    """Names that hold a synonym and are something else, by their words."""
    names = (name.strip() for line in APART.strip().splitlines() for name in line.split("|"))
    return {read_words(name): name for name in names}
