"""The German and English words, and what goes with what.

Nouns come in kinds (person, food, text …); a verb names the kinds it takes. Every kind of object has many verbs,
so that a sentence whose verb is still to come can go on in many ways.
"""

from dataclasses import dataclass
from typing import Literal

from seqpo.tasks.translation.grammar.english import Agreement
from seqpo.tasks.translation.grammar.german_english.german import Gender
from seqpo.tasks.translation.grammar.tables import rows

Aspect = Literal["action", "event", "state"]


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun; ``plural`` is None if it has none (*Milch*).

    ``weak`` nouns take -n or -en outside the nominative (*den Studenten*).
    ``owned`` says whether it can be somebody's: *mein Bruder*, but not *mein Tourist*.
    """

    singular: str
    plural: str | None
    gender: Gender
    weak: bool
    english: str
    kind: str
    owned: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A noun with the prepositions that mean being there (*auf dem Markt*, *at the market*), and how far it is."""

    noun: Noun
    german: str
    english: str
    distance: str


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb; ``prefix`` is its separable part, ``finite`` its *er* form without it.

    ``kinds`` are the kinds of its object, or of its subject if it has no object (of a motion, how far it goes).
    Only an ``action`` can be wanted and be done carefully; a ``state`` has no time. ``to`` is the English
    preposition of the person who gets or loses something.
    """

    infinitive: str
    prefix: str
    finite: str
    auxiliary: str
    participle: str
    english: str
    kinds: tuple[str, ...] = ()
    aspect: Aspect = "action"
    to: str = ""


@dataclass(frozen=True, slots=True)
class Modal:
    """A modal verb: its forms for *ich* and *er* and for *wir*, the same in the past, and its English words."""

    singular: str
    plural: str
    past_singular: str
    past_plural: str
    english: str


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun: German nominative and dative, English subject and object."""

    nominative: str
    dative: str
    subject: str
    object: str
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Conjunction:
    """A conjunction of subordinate clauses; ``tense`` if only one goes with it.

    ``first`` is how often its clause comes first; ``comma`` says whether English wants one before it.
    """

    german: str
    english: str
    tense: Literal["present", "past"] | None
    first: float
    comma: bool = False


GOODS = "text thing clothes vehicle machine"
GENDERS: dict[str, Gender] = {"der": "m", "die": "f", "das": "n"}

NOUNS_BY_KIND = {
    "person": """
        der Mann            Männer            man
        die Frau            Frauen            woman
        das Kind            Kinder            child
        der Junge*          Jungen            boy
        das Mädchen         Mädchen           girl
        der Lehrer          Lehrer            teacher
        der Arzt            Ärzte             doctor
        der Student*        Studenten         student
        der Nachbar*        Nachbarn          neighbor
        der Bruder          Brüder            brother
        die Schwester       Schwestern        sister
        die Mutter          Mütter            mother
        der Vater           Väter             father
        die Tochter         Töchter           daughter
        der Sohn            Söhne             son
        die Tante           Tanten            aunt
        der Onkel           Onkel             uncle
        die Großmutter      Großmütter        grandmother
        der Großvater       Großväter         grandfather
        der Freund          Freunde           friend
        der Bauer*          Bauern            farmer
        der Koch            Köche             cook
        der Bäcker          Bäcker            baker
        der Verkäufer       Verkäufer         salesman
        der Polizist*       Polizisten        policeman
        der Richter         Richter           judge
        der Künstler        Künstler          artist
        die Sängerin        Sängerinnen       singer
        die Königin         Königinnen        queen
        der König           Könige            king
        der Gast            Gäste             guest
        der Chef            Chefs             boss
        die Krankenschwester  Krankenschwestern  nurse
        der Ingenieur       Ingenieure        engineer
        der Schriftsteller  Schriftsteller    writer
        der Gärtner         Gärtner           gardener
        der Kellner         Kellner           waiter
        der Tourist*        Touristen         tourist
        der Soldat*         Soldaten          soldier
        der Fahrer          Fahrer            driver
    """,
    "animal": """
        der Hund            Hunde             dog
        die Katze           Katzen            cat
        das Pferd           Pferde            horse
        die Kuh             Kühe              cow
        der Vogel           Vögel             bird
        die Maus            Mäuse             mouse
        das Schaf           Schafe            sheep
        der Affe*           Affen             monkey
        der Bär*            Bären             bear
        das Schwein         Schweine          pig
        die Ente            Enten             duck
        der Hase*           Hasen             rabbit
        die Ziege           Ziegen            goat
        der Esel            Esel              donkey
    """,
    "food": """
        der Apfel           Äpfel             apple
        das Brot            -                 bread
        der Kuchen          Kuchen            cake
        die Suppe           Suppen            soup
        das Ei              Eier              egg
        die Kartoffel       Kartoffeln        potato
        die Birne           Birnen            pear
        der Salat           Salate            salad
        die Pizza           Pizzen            pizza
        die Orange          Orangen           orange
        die Banane          Bananen           banana
        die Tomate          Tomaten           tomato
        der Käse            -                 cheese
        der Fisch           Fische            fish
    """,
    "drink": """
        der Kaffee          -                 coffee
        der Tee             -                 tea
        die Milch           -                 milk
        das Wasser          -                 water
        der Wein            -                 wine
        das Bier            -                 beer
        der Saft            -                 juice
    """,
    "text": """
        das Buch            Bücher            book
        der Brief           Briefe            letter
        die Zeitung         Zeitungen         newspaper
        der Artikel         Artikel           article
        das Gedicht         Gedichte          poem
        der Bericht         Berichte          report
        der Roman           Romane            novel
        die Geschichte      Geschichten       story
        das Tagebuch        Tagebücher        diary
        der Vertrag         Verträge          contract
        die Einladung       Einladungen       invitation
        das Rezept          Rezepte           recipe
    """,
    "thing": """
        der Ball            Bälle             ball
        die Uhr             Uhren             watch
        der Ring            Ringe             ring
        der Schlüssel       Schlüssel         key
        die Tasche          Taschen           bag
        das Messer          Messer            knife
        der Korb            Körbe             basket
        das Geschenk        Geschenke         present
        die Kamera          Kameras           camera
        der Spiegel         Spiegel           mirror
        die Decke           Decken            blanket
        die Kerze           Kerzen            candle
        der Regenschirm     Regenschirme      umbrella
        die Puppe           Puppen            doll
        der Stuhl           Stühle            chair
        der Teppich         Teppiche          carpet
        der Topf            Töpfe             pot
        das Bild            Bilder            picture
        die Geige           Geigen            violin
        die Tasse           Tassen            cup
    """,
    "clothes": """
        der Mantel          Mäntel            coat
        das Hemd            Hemden            shirt
        das Kleid           Kleider           dress
        der Hut             Hüte              hat
        die Jacke           Jacken            jacket
        der Rock            Röcke             skirt
        der Pullover        Pullover          sweater
        der Schal           Schals            scarf
        der Anzug           Anzüge            suit
    """,
    "vehicle": """
        das Auto            Autos             car
        das Fahrrad         Fahrräder         bicycle
        das Motorrad        Motorräder        motorcycle
        das Boot            Boote             boat
        der Lastwagen       Lastwagen         truck
        der Traktor         Traktoren         tractor
    """,
    "opening": """
        die Tür             Türen             door
        das Fenster         Fenster           window
        das Tor             Tore              gate
        der Schrank         Schränke          cupboard
        die Kiste           Kisten            box
        die Garage          Garagen           garage
    """,
    "machine": """
        die Lampe           Lampen            lamp
        das Radio           Radios            radio
        der Fernseher       Fernseher         television
        der Computer        Computer          computer
        der Ofen            Öfen              oven
        der Drucker         Drucker           printer
        die Waschmaschine   Waschmaschinen    washing machine
        die Heizung         Heizungen         heater
    """,
    "building": """
        das Haus            Häuser            house
        die Wohnung         Wohnungen         apartment
        die Kirche          Kirchen           church
        der Turm            Türme             tower
        die Fabrik          Fabriken          factory
        das Schloss         Schlösser         castle
        die Scheune         Scheunen          barn
        die Hütte           Hütten            hut
    """,
    "transport": """
        der Zug             Züge              train
        der Bus             Busse             bus
        die Straßenbahn     Straßenbahnen     tram
        das Schiff          Schiffe           ship
    """,
}

PLACES_TABLE = """
    der Park            park            in      in      far
    der Garten          garden          in      in      near
    die Schule          school          in      at      far
    die Küche           kitchen         in      in      near
    der Bahnhof         station         an      at      far
    der Markt           market          auf     at      far
    der See             lake            an      at      far
    die Bibliothek      library         in      in      far
    das Büro            office          in      in      near
    das Restaurant      restaurant      in      in      far
    das Krankenhaus     hospital        in      in      far
    das Museum          museum          in      in      far
    das Hotel           hotel           in      at      far
    die Stadt           city            in      in      far
    der Wald            forest          in      in      far
    der Strand          beach           an      at      far
    das Theater         theater         in      in      far
    der Hof             yard            in      in      near
    das Wohnzimmer      living room     in      in      near
    der Hafen           harbor          an      at      far
"""

ACTIONS_TABLE = """
    lesen          liest          hat gelesen         read         text
    schreiben      schreibt       hat geschrieben     write        text
    übersetzen     übersetzt      hat übersetzt       translate    text
    vorlesen       liest vor      hat vorgelesen      read out     text
    abschreiben    schreibt ab    hat abgeschrieben   copy         text
    zerreißen      zerreißt       hat zerrissen       tear up      text
    verbrennen     verbrennt      hat verbrannt       burn         text
    kaufen         kauft          hat gekauft         buy          goods food drink building animal
    verkaufen      verkauft       hat verkauft        sell         goods food drink building animal
    suchen         sucht          hat gesucht         look for     text thing clothes animal person vehicle
    stehlen        stiehlt        hat gestohlen       steal        food text thing clothes vehicle animal machine
    verstecken     versteckt      hat versteckt       hide         text thing clothes food drink
    reparieren     repariert      hat repariert       repair       vehicle machine opening
    putzen         putzt          hat geputzt         clean        vehicle machine opening building
    malen          malt           hat gemalt          paint        animal person building
    zeichnen       zeichnet       hat gezeichnet      draw         animal person building thing
    fotografieren  fotografiert   hat fotografiert    photograph   animal person building vehicle
    wegwerfen      wirft weg      hat weggeworfen     throw away   food text thing clothes machine
    mitbringen     bringt mit     hat mitgebracht     bring along  food drink text thing clothes
    einpacken      packt ein      hat eingepackt      pack         food text thing clothes
    auspacken      packt aus      hat ausgepackt      unpack       text thing clothes machine
    aufheben       hebt auf       hat aufgehoben      pick up      text thing clothes
    zurückgeben    gibt zurück    hat zurückgegeben   return       text thing clothes vehicle machine
    ausleihen      leiht aus      hat ausgeliehen     borrow       text thing clothes vehicle machine
    bezahlen       bezahlt        hat bezahlt         pay for      food drink clothes thing
    bestellen      bestellt       hat bestellt        order        food drink clothes machine
    essen          isst           hat gegessen        eat          food
    aufessen       isst auf       hat aufgegessen     eat up       food
    probieren      probiert       hat probiert        taste        food drink
    zubereiten     bereitet zu    hat zubereitet      prepare      food drink
    servieren      serviert       hat serviert        serve        food drink
    trinken        trinkt         hat getrunken       drink        drink
    austrinken     trinkt aus     hat ausgetrunken    drink up     drink
    ausgießen      gießt aus      hat ausgegossen     pour out     drink
    tragen         trägt          hat getragen        wear         clothes
    waschen        wäscht         hat gewaschen       wash         clothes vehicle animal
    nähen          näht           hat genäht          sew          clothes
    anziehen       zieht an       hat angezogen       put on       clothes
    ausziehen      zieht aus      hat ausgezogen      take off     clothes
    anprobieren    probiert an    hat anprobiert      try on       clothes
    aufhängen      hängt auf      hat aufgehängt      hang up      clothes
    besuchen       besucht        hat besucht         visit        person
    treffen        trifft         hat getroffen       meet         person
    fragen         fragt          hat gefragt         ask          person
    grüßen         grüßt          hat gegrüßt         greet        person
    loben          lobt           hat gelobt          praise       person
    warnen         warnt          hat gewarnt         warn         person
    umarmen        umarmt         hat umarmt          hug          person
    begleiten      begleitet      hat begleitet       accompany    person
    retten         rettet         hat gerettet        rescue       person animal
    beobachten     beobachtet     hat beobachtet      watch        person animal
    beschreiben    beschreibt     hat beschrieben     describe     person animal building
    anrufen        ruft an        hat angerufen       call         person
    abholen        holt ab        hat abgeholt        pick up      person
    einladen       lädt ein       hat eingeladen      invite       person
    auslachen      lacht aus      hat ausgelacht      laugh at     person
    anschreien     schreit an     hat angeschrien     shout at     person
    aufwecken      weckt auf      hat aufgeweckt      wake up      person animal
    mitnehmen      nimmt mit      hat mitgenommen     take along   person animal text thing
    ansehen        sieht an       hat angesehen       look at      person animal building vehicle
    füttern        füttert        hat gefüttert       feed         animal
    fangen         fängt          hat gefangen        catch        animal
    streicheln     streichelt     hat gestreichelt    stroke       animal
    jagen          jagt           hat gejagt          hunt         animal
    freilassen     lässt frei     hat freigelassen    release      animal
    mieten         mietet         hat gemietet        rent         vehicle building
    prüfen         prüft          hat geprüft         check        vehicle machine opening
    öffnen         öffnet         hat geöffnet        open         opening
    schließen      schließt       hat geschlossen     close        opening
    aufmachen      macht auf      hat aufgemacht      open         opening
    zumachen       macht zu       hat zugemacht       close        opening
    aufschließen   schließt auf   hat aufgeschlossen  unlock       opening
    abschließen    schließt ab    hat abgeschlossen   lock         opening
    streichen      streicht       hat gestrichen      paint        opening
    bewachen       bewacht        hat bewacht         guard        opening building
    einschalten    schaltet ein   hat eingeschaltet   turn on      machine
    ausschalten    schaltet aus   hat ausgeschaltet   turn off     machine
    anmachen       macht an       hat angemacht       turn on      machine
    ausmachen      macht aus      hat ausgemacht      turn off     machine
    benutzen       benutzt        hat benutzt         use          machine vehicle
    bauen          baut           hat gebaut          build        building
    besichtigen    besichtigt     hat besichtigt      visit        building
    renovieren     renoviert      hat renoviert       renovate     building
    betreten       betritt        hat betreten        enter        building
    abreißen       reißt ab       hat abgerissen      tear down    building
"""

EVENTS_TABLE = """
    finden         findet         hat gefunden        find         text thing clothes animal person
    verlieren      verliert       hat verloren        lose         text thing clothes
    vergessen      vergisst       hat vergessen       forget       text thing clothes
    sehen          sieht          hat gesehen         see          person animal building vehicle
    hören          hört           hat gehört          hear         person animal
    kennenlernen   lernt kennen   hat kennengelernt   get to know  person
    verschütten    verschüttet    hat verschüttet     spill        drink
    zerstören      zerstört       hat zerstört        destroy      building
"""

STATES_TABLE = """
    brauchen       braucht        hat gebraucht       need         text thing clothes machine vehicle food
    lieben         liebt          hat geliebt         love         person
    kennen         kennt          hat gekannt         know         person
    bewundern      bewundert      hat bewundert       admire       person building
"""

INTRANSITIVES_TABLE = """
    schlafen       schläft        hat geschlafen      sleep        person animal
    lachen         lacht          hat gelacht         laugh        person
    weinen         weint          hat geweint         cry          person
    arbeiten       arbeitet       hat gearbeitet      work         person
    tanzen         tanzt          hat getanzt         dance        person
    singen         singt          hat gesungen        sing         person
    springen       springt        ist gesprungen      jump         person animal
    warten         wartet         hat gewartet        wait         person animal
    spielen        spielt         hat gespielt        play         person animal
    träumen        träumt         hat geträumt        dream        person
    rauchen        raucht         hat geraucht        smoke        person
    lernen         lernt          hat gelernt         study        person
    aufstehen      steht auf      ist aufgestanden    get up       person animal
    aufwachen      wacht auf      ist aufgewacht      wake up      person animal
    einschlafen    schläft ein    ist eingeschlafen   fall asleep  person animal
    hinfallen      fällt hin      ist hingefallen     fall down    person animal
    weglaufen      läuft weg      ist weggelaufen     run away     person animal
    abreisen       reist ab       ist abgereist       leave        person
    ausgehen       geht aus       ist ausgegangen     go out       person
    einsteigen     steigt ein     ist eingestiegen    get in       person
    aussteigen     steigt aus     ist ausgestiegen    get out      person
    umziehen       zieht um       ist umgezogen       move         person
    aufhören       hört auf       hat aufgehört       stop         person
    ankommen       kommt an       ist angekommen      arrive       person transport
    zurückkommen   kommt zurück   ist zurückgekommen  come back    person animal transport
    abfahren       fährt ab       ist abgefahren      depart       transport
    weiterfahren   fährt weiter   ist weitergefahren  continue     transport
    vorbeifahren   fährt vorbei   ist vorbeigefahren  pass by      transport
    anhalten       hält an        hat angehalten      stop         transport
    umkehren       kehrt um       ist umgekehrt       turn back    person transport
"""

MOTIONS_TABLE = """
    gehen          geht           ist gegangen        go           near far
    laufen         läuft          ist gelaufen        run          near far
    fahren         fährt          ist gefahren        drive        far
    kommen         kommt          ist gekommen        come         near far
    eilen          eilt           ist geeilt          hurry        near far
    zurückgehen    geht zurück    ist zurückgegangen  go back      near far
    zurücklaufen   läuft zurück   ist zurückgelaufen  run back     near far
    zurückfahren   fährt zurück   ist zurückgefahren  drive back   far
"""

TRANSFERS_TABLE = """
    geben          gibt           hat gegeben         give         -       food text thing clothes
    zeigen         zeigt          hat gezeigt         show         -       text thing clothes
    schicken       schickt        hat geschickt       send         -       text thing clothes
    bringen        bringt         hat gebracht        bring        -       food text thing clothes
    verkaufen      verkauft       hat verkauft        sell         -       food text thing clothes
    kaufen         kauft          hat gekauft         buy          -       food text thing clothes
    leihen         leiht          hat geliehen        lend         -       text thing clothes
    anbieten       bietet an      hat angeboten       offer        -       food text thing clothes
    versprechen    verspricht     hat versprochen     promise      -       food text thing clothes
    empfehlen      empfiehlt      hat empfohlen       recommend    to      food text
    beschreiben    beschreibt     hat beschrieben     describe     to      text thing clothes
    zurückgeben    gibt zurück    hat zurückgegeben   return       to      text thing clothes
    vorlesen       liest vor      hat vorgelesen      read out     to      text
    stehlen        stiehlt        hat gestohlen       steal        from    food text thing clothes
    wegnehmen      nimmt weg      hat weggenommen     take         from    food text thing clothes
"""

THAT_TABLE = """
    wissen         weiß           hat gewusst         know
    glauben        glaubt         hat geglaubt        believe
    sagen          sagt           hat gesagt          say
    denken         denkt          hat gedacht         think
    hören          hört           hat gehört          hear
    vergessen      vergisst       hat vergessen       forget
    behaupten      behauptet      hat behauptet       claim
    bemerken       bemerkt        hat bemerkt         notice
    hoffen         hofft          hat gehofft         hope
    vermuten       vermutet       hat vermutet        suspect
    erklären       erklärt        hat erklärt         explain
    fürchten       fürchtet       hat gefürchtet      fear
"""

TRIES_TABLE = """
    versuchen      versucht       hat versucht        try
    vergessen      vergisst       hat vergessen       forget
    anfangen       fängt an       hat angefangen      begin
    planen         plant          hat geplant         plan
    hoffen         hofft          hat gehofft         hope
"""

ADJECTIVES_BY_KINDS = {
    "person": """
        jung           young
        müde           tired
        freundlich     friendly
        reich          rich
        klug           clever
        fleißig        hardworking
        glücklich      happy
        traurig        sad
        hungrig        hungry
        höflich        polite
        mutig          brave
        stolz          proud
        faul           lazy
        nervös         nervous
        berühmt        famous
    """,
    "person animal thing clothes vehicle building text machine transport": "alt  old",
    "animal thing vehicle building opening machine": """
        groß           big
        klein          small
    """,
    "person animal": "krank  sick",
    "animal": """
        wild           wild
        schwarz        black
        weiß           white
        braun          brown
        hungrig        hungry
    """,
    "thing text clothes vehicle machine building transport": "neu  new",
    "thing clothes vehicle opening": """
        rot            red
        blau           blue
        grün           green
        gelb           yellow
        grau           gray
    """,
    "thing clothes vehicle machine food drink": """
        teuer          expensive
        billig         cheap
    """,
    "thing clothes building place": "schön  beautiful",
    "thing opening": "schwer  heavy",
    "vehicle machine": "kaputt  broken",
    "vehicle machine transport": """
        modern         modern
        laut           loud
    """,
    "vehicle transport": "schnell  fast",
    "food": """
        frisch         fresh
        lecker         delicious
        gut            good
    """,
    "drink": """
        kalt           cold
        warm           warm
        stark          strong
        gut            good
    """,
    "text": """
        lang           long
        kurz           short
        interessant    interesting
        langweilig     boring
        wichtig        important
        lustig         funny
        geheim         secret
    """,
    "clothes": """
        elegant        elegant
        weiß           white
        dunkel         dark
    """,
    "building": """
        hoch           tall
        leer           empty
        dunkel         dark
    """,
    "place": """
        alt            old
        neu            new
        klein          small
        groß           big
    """,
}

FEELINGS_TABLE = """
    glücklich      happy
    traurig        sad
    müde           tired
    wütend         angry
    hungrig        hungry
    nervös         nervous
    stolz          proud
    zufrieden      satisfied
    überrascht     surprised
    enttäuscht     disappointed
    aufgeregt      excited
    besorgt        worried
    dankbar        grateful
    einsam         lonely
"""

MANNERS_TABLE = """
    schnell        quickly
    langsam        slowly
    vorsichtig     carefully
    heimlich       secretly
    leise          quietly
    geduldig       patiently
"""

FREQUENCIES_TABLE = """
    oft            often
    immer          always
    manchmal       sometimes
    selten         rarely
    meistens       usually
    nie            never
"""

HABITS_TABLE = """
    jeden Tag      every day
    jeden Morgen   every morning
    jede Woche     every week
    jeden Abend    every evening
    heute          today
"""

PASTS_TABLE = """
    gestern        yesterday
    heute          today
    letzte Woche   last week
    letzten Monat  last month
    letztes Jahr   last year
    gestern Abend  yesterday evening
    heute Morgen   this morning
    am Montag      on Monday
    am Freitag     on Friday
    am Sonntag     on Sunday
    im Sommer      in summer
    im Winter      in winter
"""

PLANS_TABLE = """
    heute          today
    morgen         tomorrow
    heute Abend    this evening
    nächste Woche  next week
    am Montag      on Monday
    am Freitag     on Friday
"""

NAMES_TABLE = """
    Anna  Peter  Maria  Thomas  Julia  Felix  Laura  Paul
    Lena  Jonas  Clara  Simon   Emma   Lukas  Nina   Oskar
"""

OWNED_TABLE = """
    child  teacher  doctor  neighbor  brother  sister  mother  father  daughter  son  aunt  uncle
    grandmother  grandfather  friend  cook  boss  guest  gardener  driver
"""
"""The people who can be somebody's. (*Mein Mann* is *my husband*.)"""

PRONOUNS = (
    Pronoun("ich", "mir", "I", "me", "1s"),
    Pronoun("er", "ihm", "he", "him", "3s"),
    Pronoun("sie", "ihr", "she", "her", "3s"),
    Pronoun("wir", "uns", "we", "us", "p"),
    Pronoun("sie", "ihnen", "they", "them", "p"),
)

NUMBERS = (("zwei", "two"), ("drei", "three"), ("vier", "four"), ("fünf", "five"), ("sechs", "six"))

POSSESSIVES = (
    ("mein", "my"),
    ("dein", "your"),
    ("sein", "his"),
    ("ihr", "her"),
    ("unser", "our"),
)

MODALS = (
    Modal("kann", "können", "konnte", "konnten", "can"),
    Modal("will", "wollen", "wollte", "wollten", "want to"),
    Modal("muss", "müssen", "musste", "mussten", "have to"),
    Modal("darf", "dürfen", "durfte", "durften", "be allowed to"),
)


CONJUNCTIONS = (
    Conjunction("weil", "because", None, 0.1),
    Conjunction("obwohl", "although", None, 0.4, comma=True),
    Conjunction("da", "since", None, 0.8),
    Conjunction("wenn", "when", "present", 0.7),
    Conjunction("falls", "if", "present", 0.7),
    Conjunction("als", "when", "past", 0.6),
    Conjunction("bevor", "before", None, 0.5),
    Conjunction("sobald", "as soon as", None, 0.6),
)

SEIN = Verb("sein", "", "ist", "ist", "gewesen", "be", aspect="state")
ASK = Verb("fragen", "", "fragt", "hat", "gefragt", "ask")


def _noun(row: list[str], kind: str) -> Noun:
    name, plural, meaning = row
    article, singular = name.split()
    return Noun(
        singular.rstrip("*"),
        None if plural == "-" else plural,
        GENDERS[article],
        singular.endswith("*"),
        meaning,
        kind,
        meaning in OWNED_TABLE.split() if kind == "person" else kind != "transport",
    )


def _place(row: list[str]) -> Place:
    name, meaning, german, at, distance = row
    return Place(_noun([name, "-", meaning], "place"), german, at, distance)


def _verb(row: list[str], aspect: Aspect = "action") -> Verb:
    infinitive, er, perfect, meaning, *rest = row
    finite, _, prefix = er.partition(" ")
    auxiliary, participle = perfect.split()
    to = rest[0].strip("-") if len(rest) == 2 else ""
    kinds = tuple(rest[-1].replace("goods", GOODS).split()) if rest else ()
    base = infinitive.removeprefix(prefix)
    return Verb(base, prefix, finite, auxiliary, participle, meaning, kinds, aspect, to)


def _verbs(table: str, columns: int, aspect: Aspect = "action") -> tuple[Verb, ...]:
    return tuple(_verb(row, aspect) for row in rows(table, columns))


def _adjectives() -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for kinds, table in ADJECTIVES_BY_KINDS.items():
        for kind in kinds.split():
            found[kind] = (*found.get(kind, ()), *pairs(table))
    return found


def pairs(table: str) -> tuple[tuple[str, str], ...]:
    """A table of two columns."""
    return tuple((german, meaning) for german, meaning in rows(table, 2))


NAMES = tuple(NAMES_TABLE.split())
NOUNS = {kind: tuple(_noun(row, kind) for row in rows(table, 3)) for kind, table in NOUNS_BY_KIND.items()}
PLACES = tuple(_place(row) for row in rows(PLACES_TABLE, 5))
ACTIONS = _verbs(ACTIONS_TABLE, 5)
EVENTS = _verbs(EVENTS_TABLE, 5, "event")
STATES = _verbs(STATES_TABLE, 5, "state")
INTRANSITIVES = _verbs(INTRANSITIVES_TABLE, 5)
MOTIONS = _verbs(MOTIONS_TABLE, 5)
TRANSFERS = _verbs(TRANSFERS_TABLE, 6)
THAT_VERBS = _verbs(THAT_TABLE, 4)
TRY_VERBS = _verbs(TRIES_TABLE, 4)
ADJECTIVES = _adjectives()
FEELINGS = pairs(FEELINGS_TABLE)
MANNERS = pairs(MANNERS_TABLE)
FREQUENCIES = pairs(FREQUENCIES_TABLE)
HABITS = pairs(HABITS_TABLE)
PASTS = pairs(PASTS_TABLE)
PLANS = pairs(PLANS_TABLE)
SEPARABLE_ACTIONS = tuple(verb for verb in ACTIONS if verb.prefix)
TRANSITIVES_BY_OBJECT = {
    kind: tuple(verb for verb in (*ACTIONS, *EVENTS, *STATES) if kind in verb.kinds)
    for kind in NOUNS
    if kind != "transport"
}
INTRANSITIVES_BY_SUBJECT = {
    kind: tuple(verb for verb in INTRANSITIVES if kind in verb.kinds) for kind in ("person", "animal", "transport")
}
TRANSFERS_BY_OBJECT = {
    kind: tuple(verb for verb in TRANSFERS if kind in verb.kinds) for kind in ("food", "text", "thing", "clothes")
}


def content_words() -> tuple[frozenset[str], frozenset[str]]:
    """The content lemmas (nouns, names, verbs, adjectives, adverbs) of each language."""
    nouns = [noun for group in NOUNS.values() for noun in group] + [place.noun for place in PLACES]
    verbs = (*ACTIONS, *EVENTS, *STATES, *INTRANSITIVES, *MOTIONS, *TRANSFERS, *THAT_VERBS, *TRY_VERBS)
    others = [
        *(entry for group in ADJECTIVES.values() for entry in group),
        *FEELINGS, *MANNERS, *FREQUENCIES, *((name, name) for name in NAMES),
    ]  # fmt: skip
    german = {noun.singular for noun in nouns} | {verb.prefix + verb.infinitive for verb in verbs}
    english_words = {noun.english for noun in nouns} | {verb.english for verb in verbs}
    return (
        frozenset(german | {entry[0] for entry in others}),
        frozenset(english_words | {entry[1] for entry in others}),
    )
