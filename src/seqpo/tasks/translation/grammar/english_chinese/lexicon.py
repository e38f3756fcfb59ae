"""The English and Chinese words, and what goes with what.

Nouns come in kinds and have the measure word that Chinese counts them with; a verb names the kinds of its objects.
Adjectives are given as they stand before a Chinese noun, with 的 where it is needed.
"""

from dataclasses import dataclass
from typing import Literal

from seqpo.tasks.translation.grammar.english import Agreement
from seqpo.tasks.translation.grammar.tables import rows

Aspect = Literal["action", "event", "state"]


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun and its measure word: *a book*, 一本书; *a cup of tea*, 一杯茶."""

    english: str
    chinese: str
    measure: str
    kind: str

    @property
    def owned(self) -> bool:
        """Whether it can be somebody's: *my teacher*, but not *my tourist*."""
        return self.kind != "person" or self.english in OWNED


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb and the kinds of its object; an ``event`` can't be going on or be wanted, a ``state`` has no time."""

    english: str
    chinese: str
    kinds: tuple[str, ...] = ()
    aspect: Aspect = "action"
    preposition: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one can be: *in the forest*, 在森林里, or on, under, behind what: *on the table*, 桌子上."""

    preposition: str
    english: str
    chinese: str
    side: str


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun: English subject, object and possessive, and Chinese."""

    subject: str
    object: str
    possessive: str
    chinese: str
    agreement: Agreement


NOUNS_BY_KIND = {
    "person": """
        student           学生      名
        teacher           老师      位
        doctor            医生      位
        boy               男孩      个
        girl              女孩      个
        child             孩子      个
        man               男人      个
        woman             女人      个
        neighbor          邻居      个
        farmer            农民      个
        driver            司机      位
        policeman         警察      个
        lawyer            律师      位
        singer            歌手      位
        writer            作家      位
        painter           画家      位
        engineer          工程师    位
        nurse             护士      位
        cook              厨师      位
        waiter            服务员    个
        tourist           游客      位
        soldier           士兵      名
        manager           经理      位
        worker            工人      个
        scientist         科学家    位
        journalist        记者      位
        actor             演员      位
        guest             客人      位
        businessman       商人      个
        musician          音乐家    位
    """,
    "kin": """
        mother            妈妈      个
        father            爸爸      个
        brother           哥哥      个
        sister            姐姐      个
        son               儿子      个
        daughter          女儿      个
        grandmother       奶奶      个
        grandfather       爷爷      个
        aunt              阿姨      个
        uncle             叔叔      个
    """,
    "animal": """
        dog               狗        只
        cat               猫        只
        horse             马        匹
        cow               牛        头
        bird              鸟        只
        rabbit            兔子      只
        sheep             羊        只
        pig               猪        头
        duck              鸭子      只
        monkey            猴子      只
        chicken           鸡        只
        tiger             老虎      只
    """,
    "food": """
        apple             苹果      个
        cake              蛋糕      个
        egg               鸡蛋      个
        orange            橙子      个
        banana            香蕉      根
        tomato            西红柿    个
        potato            土豆      个
        pear              梨        个
        peach             桃子      个
        watermelon        西瓜      个
        hamburger         汉堡      个
        fish              鱼        条
    """,
    "dish": """
        bowl of rice      米饭      碗
        bowl of soup      汤        碗
        bowl of noodles   面条      碗
        plate of dumplings  饺子    盘
        piece of bread    面包      片
    """,
    "drink": """
        cup of tea        茶        杯
        cup of coffee     咖啡      杯
        glass of milk     牛奶      杯
        glass of water    水        杯
        glass of juice    果汁      杯
        bottle of beer    啤酒      瓶
        bottle of wine    葡萄酒    瓶
        bottle of cola    可乐      瓶
    """,
    "text": """
        book              书        本
        letter            信        封
        article           文章      篇
        novel             小说      本
        report            报告      份
        poem              诗        首
        story             故事      个
        email             电子邮件  封
        contract          合同      份
    """,
    "print": """
        newspaper         报纸      份
        magazine          杂志      本
        dictionary        词典      本
        map               地图      张
        textbook          课本      本
    """,
    "thing": """
        key               钥匙      把
        umbrella          雨伞      把
        watch             手表      块
        phone             手机      部
        camera            照相机    台
        cup               杯子      个
        chair             椅子      把
        knife             刀        把
        painting          画        幅
        photo             照片      张
        bag               包        个
        toy               玩具      个
        ball              球        个
        gift              礼物      份
        mirror            镜子      面
        guitar            吉他      把
        ring              戒指      枚
        pen               笔        支
        hat               帽子      顶
        scarf             围巾      条
        flower            花        朵
        ticket            票        张
    """,
    "clothes": """
        shirt             衬衫      件
        coat              大衣      件
        skirt             裙子      条
        sweater           毛衣      件
        jacket            夹克      件
        dress             连衣裙    条
        pair of pants     裤子      条
        pair of socks     袜子      双
        pair of shoes     鞋子      双
    """,
    "vehicle": """
        car               汽车      辆
        truck             卡车      辆
        bus               公共汽车  辆
        taxi              出租车    辆
        boat              船        条
    """,
    "cycle": """
        bicycle           自行车    辆
        motorcycle        摩托车    辆
    """,
    "building": """
        house             房子      座
        bridge            桥        座
        temple            寺庙      座
        tower             塔        座
        church            教堂      座
        castle            城堡      座
        palace            宫殿      座
        villa             别墅      座
    """,
    "machine": """
        computer          电脑      台
        television        电视      台
        washing machine   洗衣机    台
        printer           打印机    台
        refrigerator      冰箱      台
        radio             收音机    台
        air conditioner   空调      台
    """,
    "opening": """
        door              门        扇
        window            窗户      扇
        safe              保险柜    个
        drawer            抽屉      个
        cabinet           柜子      个
    """,
}

PLACES_TABLE = """
    in    library         图书馆    -
    in    park            公园      -
    at    school          学校      -
    in    office          办公室    -
    in    kitchen         厨房      -
    in    restaurant      饭馆      -
    in    hospital        医院      -
    at    station         车站      -
    at    airport         机场      -
    at    market          市场      -
    in    museum          博物馆    -
    in    garden          花园      里
    at    supermarket     超市      -
    at    bank            银行      -
    in    cinema          电影院    -
    in    hotel           酒店      -
    in    village         村子      里
    in    forest          森林      里
    at    zoo             动物园    -
    in    gym             体育馆    -
    in    classroom       教室      里
    in    theater         剧院      -
    in    factory         工厂      -
    in    yard            院子      里
    in    bookstore       书店      -
"""

SPOTS_TABLE = """
    on           table      桌子    上
    under        bed        床      下面
    in           box        箱子    里
    behind       sofa       沙发    后面
    on           shelf      架子    上
    under        tree       树      下面
    in           basket     篮子    里
    in front of  stove      炉子    前面
    next to      lamp       灯      旁边
    on           floor      地板    上
"""

ACTIONS_TABLE = """
    read           读      text print
    write          写      text
    translate      翻译    text
    copy           抄写    text
    print          打印    text
    revise         修改    text
    buy            买      text print thing clothes vehicle cycle machine food dish drink animal
    sell           卖      text print thing clothes vehicle cycle machine food drink animal
    look for       找      text print thing clothes vehicle cycle person animal kin
    steal          偷      text print thing clothes vehicle cycle machine food animal
    hide           藏      text print thing clothes
    borrow         借      text print thing clothes vehicle cycle machine
    return         归还    text print thing clothes vehicle cycle machine
    throw away     扔掉    text print thing clothes food dish
    pick up        捡起    text print thing clothes
    repair         修理    vehicle cycle machine opening
    check          检查    vehicle cycle machine opening text
    kick           踢      opening
    measure        测量    opening
    use            使用    machine vehicle cycle
    rent           租      vehicle cycle
    drive          开      vehicle
    ride           骑      cycle
    push           推      vehicle cycle opening
    wash           洗      clothes vehicle cycle animal
    wear           穿      clothes
    try on         试穿    clothes
    fold           叠      clothes
    iron           熨      clothes
    sew            缝      clothes
    design         设计    clothes building
    draw           画      animal person building
    eat            吃      food dish
    taste          尝      food dish drink
    order          点      dish drink
    share          分享    food dish drink
    cut            切      food
    cook           煮      dish
    drink          喝      drink
    pour           倒      drink
    prepare        准备    food dish drink
    visit          拜访    person kin
    invite         邀请    person kin
    help           帮助    person kin
    thank          感谢    person kin
    praise         表扬    person
    criticize      批评    person
    wait for       等      person kin
    hug            拥抱    person kin
    follow         跟踪    person animal
    save           救      person kin animal
    observe        观察    person animal
    interview      采访    person
    laugh at       嘲笑    person
    protect        保护    person kin animal building
    wake up        叫醒    person kin
    deceive        欺骗    person kin
    welcome        欢迎    person kin
    comfort        安慰    person kin
    support        支持    person kin
    photograph     拍摄    person animal building
    feed           喂      animal
    chase          追      animal person
    catch          抓住    animal
    stroke         抚摸    animal
    build          建造    building
    clean          打扫    building
    decorate       装饰    building
    renovate       翻修    building
    paint          粉刷    building
    guard          守卫    building
    tour           参观    building
    turn on        打开    machine
    turn off       关掉    machine
    install        安装    machine opening
    move           搬      machine
    open           打开    opening
    close          关上    opening
    lock           锁上    opening
    wipe           擦      opening
"""

EVENTS_TABLE = """
    find           找到    text print thing clothes vehicle cycle animal person
    lose           弄丢    text print thing clothes
    break          弄坏    machine cycle
    see            看见    person kin animal building vehicle
    hear           听见    person kin animal
    meet           遇见    person kin
    receive        收到    text
    bring          带来    text print thing clothes food dish drink
"""

STATES_TABLE = """
    like           喜欢    text print thing clothes food drink dish animal person building vehicle
    need           需要    text print thing clothes machine
    know           认识    person kin
    love           爱      person kin
    hate           讨厌    person animal
    miss           想念    person kin
    trust          信任    person kin
    respect        尊敬    person kin
    understand     理解    person kin
    own            拥有    vehicle cycle building
"""

INTRANSITIVES_TABLE = """
    sleep          睡觉
    work           工作
    sneeze         打喷嚏
    dance          跳舞
    sing           唱歌
    run            跑步
    rest           休息
    study          学习
    cry            哭
    laugh          笑
    smoke          抽烟
    exercise       锻炼
    take a walk    散步
    chat           聊天
    cook           做饭
    draw           画画
    play           玩
    daydream       发呆
"""

TRANSFERS_TABLE = """
    write          写      to    letter email poem story
    send           寄      to    letter book gift photo report contract
    buy            买      for   book gift watch phone hat scarf flower ticket bag novel
    read           读      to    story poem letter article novel
    draw           画      for   map flower
    sing           唱      for   song
    prepare        准备    for   gift cake
    order          点      for   hamburger cake fish
    choose         挑选    for   gift watch hat scarf ring
"""

PLACEMENTS_TABLE = """
    put            放
    hide           藏
    leave          留
    throw          扔
"""

SAYINGS_TABLE = """
    know           知道
    think          觉得
    believe        相信
    hope           希望
    remember       记得
    guess          猜
"""

REPORTS_TABLE = """
    say            说
    discover       发现
    hear           听说
    announce       宣布
    claim          声称
    explain        解释说
"""

ADJECTIVES_BY_KINDS = {
    "person": """
        young          年轻的
        old            年老的
        tall           高大的
        famous         有名的
        kind           善良的
        smart          聪明的
        brave          勇敢的
        lazy           懒惰的
        polite         有礼貌的
        honest         诚实的
        busy           忙碌的
        rich           富有的
        hardworking    勤奋的
        friendly       友好的
        tired          疲惫的
    """,
    "animal": """
        small          小
        big            大
        cute           可爱的
        hungry         饥饿的
        lazy           懒惰的
    """,
    "animal thing clothes vehicle cycle": """
        white          白色的
        black          黑色的
    """,
    "thing clothes vehicle cycle": """
        red            红色的
        blue           蓝色的
        green          绿色的
        yellow         黄色的
    """,
    "thing clothes vehicle cycle machine text print": """
        new            新
        old            旧
    """,
    "thing clothes vehicle cycle machine food drink": """
        expensive      昂贵的
        cheap          便宜的
    """,
    "thing clothes building": "beautiful  漂亮的",
    "thing machine opening": "heavy  沉重的",
    "text": """
        interesting    有趣的
        boring         无聊的
        long           长长的
        short          简短的
        important      重要的
        strange        奇怪的
        secret         秘密的
    """,
    "print": """
        useful         有用的
        interesting    有趣的
    """,
    "food": """
        fresh          新鲜的
        delicious      好吃的
        big            大
        small          小
    """,
    "drink": "cold  冰",
    "dish": "delicious  好吃的",
    "building": """
        ancient        古老的
        new            新
        famous         有名的
        tall           高高的
    """,
    "opening": """
        big            大
        small          小
        new            新
        old            旧
    """,
}

FEELINGS_TABLE = """
    happy          高兴
    sad            难过
    angry          生气
    tired          累
    hungry         饿
    nervous        紧张
    surprised      惊讶
    disappointed   失望
    worried        担心
    excited        激动
    proud          自豪
    satisfied      满意
    bored          无聊
    lonely         孤独
"""

MANNERS_TABLE = """
    quickly        很快地
    slowly         慢慢地
    carefully      小心地
    quietly        悄悄地
    happily        高兴地
    patiently      耐心地
    secretly       秘密地
    seriously      认真地
"""

FREQUENCIES_TABLE = """
    often          常常
    always         总是
    sometimes      有时候
    usually        通常
    rarely         很少
    never          从不
"""

HABITS_TABLE = """
    every day      每天
    every morning  每天早上
    every evening  每天晚上
    every week     每个星期
    on weekends    周末
"""

PASTS_TABLE = """
    yesterday        昨天
    last week        上个星期
    last month       上个月
    last year        去年
    this morning     今天早上
    last night       昨天晚上
    on Monday        星期一
    on Friday        星期五
    two days ago     两天前
    in the morning   早上
    in the afternoon  下午
    at eight o'clock  八点
"""

PLANS_TABLE = """
    tomorrow           明天
    next week          下个星期
    next month         下个月
    next year          明年
    tonight            今天晚上
    tomorrow morning   明天早上
    on Sunday          星期天
    on Friday          星期五
"""

NAMES_TABLE = """
    Anna   安娜
    Peter  彼得
    Mary   玛丽
    Tom    汤姆
    David  大卫
    Lucy   露西
    John   约翰
    Linda  琳达
    Mike   迈克
    Alice  爱丽丝
    Jack   杰克
    Emma   艾玛
    Paul   保罗
    Lily   莉莉
    Sam    萨姆
    Helen  海伦
"""

PRONOUNS = (
    Pronoun("I", "me", "my", "我", "1s"),
    Pronoun("you", "you", "your", "你", "p"),
    Pronoun("he", "him", "his", "他", "3s"),
    Pronoun("she", "her", "her", "她", "3s"),
    Pronoun("we", "us", "our", "我们", "p"),
    Pronoun("they", "them", "their", "他们", "p"),
)

OWNED_TABLE = """
    student  teacher  doctor  child  neighbor  driver  lawyer  nurse  cook  manager  worker  guest
"""
"""The people, besides kin, who can be somebody's."""

EATING_TABLE = "park  kitchen  restaurant  market  garden  supermarket  hotel  yard  office  school"
"""The places where one eats."""

NUMBERS = (("two", "两"), ("three", "三"), ("four", "四"), ("five", "五"), ("six", "六"))

MODALS = (("can", "能"), ("must", "必须"), ("should", "应该"), ("want to", "想"))
"""English and Chinese; all but *must* can be denied."""


def _verbs(table: str, aspect: Aspect = "action") -> tuple[Verb, ...]:
    return tuple(Verb(en, zh, tuple(kinds.split()), aspect) for en, zh, kinds in rows(table, 3))


def _plain_verbs(table: str) -> tuple[Verb, ...]:
    return tuple(Verb(en, zh) for en, zh in rows(table, 2))


def _places(table: str) -> tuple[Place, ...]:
    return tuple(Place(preposition, en, zh, side.strip("-")) for preposition, en, zh, side in rows(table, 4))


def _pairs(table: str) -> tuple[tuple[str, str], ...]:
    return tuple((en, zh) for en, zh in rows(table, 2))


def _adjectives() -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for kinds, table in ADJECTIVES_BY_KINDS.items():
        for kind in kinds.split():
            found[kind] = (*found.get(kind, ()), *_pairs(table))
    return found


NOUNS = {
    kind: tuple(Noun(en, zh, measure, kind) for en, zh, measure in rows(table, 3))
    for kind, table in NOUNS_BY_KIND.items()
}
NOUNS_BY_NAME = {noun.english: noun for group in NOUNS.values() for noun in group}
NOUNS_BY_NAME["song"] = Noun("song", "歌", "首", "text")
OWNED = frozenset(OWNED_TABLE.split())
PLACES = _places(PLACES_TABLE)
EATING_PLACES = tuple(place for place in PLACES if place.english in EATING_TABLE.split())
SPOTS = _places(SPOTS_TABLE)
ACTIONS = _verbs(ACTIONS_TABLE)
EVENTS = _verbs(EVENTS_TABLE, "event")
STATES = _verbs(STATES_TABLE, "state")
INTRANSITIVES = _plain_verbs(INTRANSITIVES_TABLE)
TRANSFERS = tuple(
    Verb(en, zh, tuple(things.split()), preposition=to) for en, zh, to, things in rows(TRANSFERS_TABLE, 4)
)
PLACEMENTS = _plain_verbs(PLACEMENTS_TABLE)
SAYINGS = _plain_verbs(SAYINGS_TABLE)
REPORTS = _plain_verbs(REPORTS_TABLE)
ADJECTIVES = _adjectives()
FEELINGS = _pairs(FEELINGS_TABLE)
MANNERS = _pairs(MANNERS_TABLE)
FREQUENCIES = _pairs(FREQUENCIES_TABLE)
HABITS = _pairs(HABITS_TABLE)
PASTS = _pairs(PASTS_TABLE)
PLANS = _pairs(PLANS_TABLE)
NAMES = _pairs(NAMES_TABLE)
VERBS_BY_OBJECT: dict[str, dict[Aspect, tuple[Verb, ...]]] = {
    kind: {
        "action": tuple(verb for verb in ACTIONS if kind in verb.kinds),
        "event": tuple(verb for verb in EVENTS if kind in verb.kinds),
        "state": tuple(verb for verb in STATES if kind in verb.kinds),
    }
    for kind in NOUNS
}


def content_words() -> tuple[frozenset[str], frozenset[str]]:
    """The content lemmas (nouns, names, verbs, adjectives, adverbs) of each language."""
    verbs = (*ACTIONS, *EVENTS, *STATES, *INTRANSITIVES, *TRANSFERS, *PLACEMENTS, *SAYINGS, *REPORTS)
    entries = [
        *((noun.english, noun.chinese) for noun in NOUNS_BY_NAME.values()),
        *((place.english, place.chinese) for place in (*PLACES, *SPOTS)),
        *((verb.english, verb.chinese) for verb in verbs),
        *(entry for group in ADJECTIVES.values() for entry in group),
        *(*FEELINGS, *MANNERS, *FREQUENCIES, *NAMES),
    ]
    return frozenset(en for en, _ in entries), frozenset(zh for _, zh in entries)
