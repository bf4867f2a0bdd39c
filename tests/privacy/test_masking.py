"""Personal data found and masked: precision and recall on 500 synthetic texts, and the way back."""

from __future__ import annotations

import random
import stat
import sys
from collections import Counter
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.privacy.masking import Masker, find_all, read_key, unmask
from tests.cli.running import lightune

# Everything here is synthetic. The names were written down for this test, not taken from lightune's lists.
FIRST = (
    "Olivia Ethan Priya Marcus Hannah Diego Fatima Samuel Wei Chloe Andre Nadia Peter Ruth Omar Kevin".split()
)
LAST = "Johnson Patel Kowalski Nguyen Okafor Schmidt Rivera Thompson Larsen Haddad Murphy Tanaka".split()
FAMILY = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林高罗欧阳"
GIVEN = (
    "伟 芳 秀英 娜 敏 静 丽 强 磊 洋 勇 艳 杰 涛 明 超 桂兰 霞 平 建国 子涵 雨桐 浩然 梓萱 志强 晓东".split()
)
EN = {
    "PHONE": ["Call me at {} tomorrow.", "My new number: {}, after six.", "You can reach us on {}."],
    "MAIL": ["Write to {} please.", "The invoice went to {}, not to me."],
    "CARD": ["I paid with card {} on Monday.", "Charge {} as before."],
    "ID": ["Her SSN is {}.", "Social security number {} was on the form."],
    "IBAN": ["Transfer it to {} by Friday.", "IBAN: {}"],
    "IP": ["Requests came from {} all night.", "The printer has {} now."],
    "URL": ["See {} for photos.", "It is all at {}."],
    "NAME": [
        "Yesterday {} came by.",
        "My name is {}.",
        "Ask {} about the keys.",
        "It was signed by {} in June.",
    ],
    "ADDRESS": ["Send it to {}.", "We moved to {} last year."],
}
ZH = {
    "PHONE": ["请打我的电话{}。", "手机：{}，晚上联系", "有事拨打{}"],
    "MAIL": ["请发邮件到{}，谢谢。", "邮箱是{}"],
    "CARD": ["银行卡{}已绑定", "请打款到{}。"],
    "ID": ["身份证号{}", "她的身份证是{}，请核对。"],
    "IP": ["来自{}的请求太多", "服务器地址{}已更换"],
    "URL": ["详情见{}，谢谢", "报名网址：{}"],
    "NAME": ["联系人：{}，请尽快回复", "我叫{}，来自北京", "昨天{}先生来过", "收件人：{}", "{}在门口等你"],
    "ADDRESS": ["地址：{}", "请寄到{}，谢谢", "我住在{}"],
}
NOTHING = [
    "Order 2024118873 was shipped on 12/05/2024.", "In 1998 and 2003 prices rose by 12.5%.",
    "Room 1024 is on floor 3.",
    "Version 10.2.1.4 fixes it.", "Tracking number 9400110200881234567890 is wrong.", "Chapter 12, page 345.",
    "The model RTX 4090 costs 1,599.00 dollars.", "Winter Street was a great film.", "May is a lovely month.",
    "I hope Grace and charm win.", "Invoice no. 4539578763621480 was paid.", "It scored 3 to 2 at 19:45.",
    "订单编号20240917123456已发货", "2023年第4季度增长了12.5%", "共有13800件商品", "高兴的一天",
    "方法很简单，马上就好",
    "型号A1234567890缺货", "王国的历史很长", "第18章讲的是安全问题", "票价是299元", "他高兴地打开了白色的门",
    "快递单号773012345678901", "版本2.10.3.1已发布",
]  # fmt: skip


def luhn(random_: random.Random, prefix: str, length: int) -> str:
    body = prefix + "".join(str(random_.randint(0, 9)) for _ in range(length - len(prefix) - 1))
    total = sum(
        int(digit) if place % 2 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(body[::-1])
    )
    return body + str(-total % 10)


def chinese_id(random_: random.Random) -> str:
    body = random_.choice(["110105", "310104", "440106", "510107"])
    body += f"{random_.randint(1950, 2005)}{random_.randint(1, 12):02d}{random_.randint(1, 28):02d}"
    body += f"{random_.randint(1, 999):03d}"
    weights = [pow(2, 17 - place, 11) for place in range(17)]
    return body + "10X98765432"[sum(int(a) * b for a, b in zip(body, weights, strict=True)) % 11]


def iban(random_: random.Random) -> str:
    body = "".join(str(random_.randint(0, 9)) for _ in range(18))
    check = 98 - int(body + "131400") % 97  # DE
    return f"DE{check:02d}{body}"


def in_fours(digits: str) -> str:
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def value_of(kind: str, is_chinese: bool, random_: random.Random) -> str:
    digits = [random_.randint(0, 9) for _ in range(9)]
    tail = "".join(map(str, digits))
    first, last = random_.choice(FIRST), random_.choice(LAST)
    family = random_.choice([*FAMILY[:-2], "欧阳"])
    made = {
        "PHONE": [f"212-{random_.randint(200, 999)}-{tail[:4]}",
                  f"(415) 5{random_.randint(10, 99)}-{tail[:4]}",
                  f"+44 20 7946 0{tail[:3]}", f"+1 650 253 {tail[:4]}"],
        "MAIL": [f"{first.lower()}.{last.lower()}@example.com", f"{last.lower()}{tail[:2]}@mail.example.org"],
        "CARD": [luhn(random_, "4539", 16),
                 in_fours(luhn(random_, "5425", 16))],
        "ID": [f"{random_.randint(100, 665)}-{random_.randint(10, 99)}-{random_.randint(1000, 9999)}"],
        "IBAN": [iban(random_)],
        "IP": [f"10.{digits[0]}.{tail[:2].lstrip('0') or 1}.{digits[5]}", "2001:db8:85a3::8a2e:370:7334"],
        "URL": [f"https://example.com/u/{tail[:5]}?id=7", f"www.example.org/{first.lower()}"],
        "NAME": [f"{first} {last}", f"{first} {random_.choice('ABCDJKLM')}. {last}"],
        "ADDRESS": [f"{random_.randint(1, 9999)} {random_.choice(['Maple', 'Oak Hill', 'Lincoln'])} "
                    f"{random_.choice(['Street', 'Ave', 'Road'])}, Springfield, IL 62704",
                    f"{random_.randint(1, 999)} Cedar Lane Apt {digits[0] + 1}"],
    }  # fmt: skip
    if is_chinese:
        made |= {
            "PHONE": [f"1{random_.choice('38')}{random_.randint(0, 9)}{tail[:8]}", f"010-8{tail[:7]}"],
            "ID": [chinese_id(random_)],
            "NAME": [family + random_.choice(GIVEN)],
            "ADDRESS": [f"北京市朝阳区建国路{digits[0] + 1}号",
                        f"上海市浦东新区世纪大道{digits[1] + 10}号{digits[2] + 1}室",
                        f"中山路{random_.randint(1, 300)}号"],
        }  # fmt: skip
    return random_.choice(made[kind])


def synthetic_texts(number: int = 500, seed: int = 0) -> list[tuple[str, set[tuple[int, int, str]]]]:
    """Synthetic texts, and where personal data is in them; a quarter have only what looks like it."""
    random_ = random.Random(seed)
    found: list[tuple[str, set[tuple[int, int, str]]]] = []
    while len(found) < number:
        if len(found) % 4 == 3:
            found.append((random_.choice(NOTHING), set()))
            continue
        is_chinese = len(found) % 2 == 1
        forms = ZH if is_chinese else EN
        kind = random_.choice(sorted(forms))
        value = value_of(kind, is_chinese, random_)
        before, after = random_.choice(forms[kind]).split("{}")
        found.append((before + value + after, {(len(before), len(before) + len(value), kind)}))
    return found


def overlaps(one: tuple[int, int, str], others: set[tuple[int, int, str]]) -> bool:
    return any(one[2] == kind and one[0] < end and start < one[1] for start, end, kind in others)


@pytest.fixture(scope="module")
def counted() -> dict[str, Counter[str]]:
    counts = {name: Counter[str]() for name in ("gold", "hit", "said", "right")}
    for text, gold in synthetic_texts():
        said = {(one.start, one.end, one.kind) for one in find_all(text)}
        language = "Chinese" if any("\u4e00" <= letter <= "\u9fff" for letter in text) else "English"
        for one in gold:
            for key in (one[2], language):
                counts["gold"][key] += 1
                counts["hit"][key] += overlaps(one, said)
        for one in said:
            for key in (one[2], language):
                counts["said"][key] += 1
                counts["right"][key] += overlaps(one, gold)
    return counts


def test_precision_and_recall_on_synthetic_texts(counted) -> None:
    table = {
        kind: (counted["right"][kind] / max(1, counted["said"][kind]), counted["hit"][kind] / number)
        for kind, number in counted["gold"].items()
    }
    precision = counted["right"].total() / counted["said"].total()  # each is counted by kind and by language
    recall = counted["hit"].total() / counted["gold"].total()
    shown = ", ".join(f"{kind} {p:.2f}/{r:.2f}" for kind, (p, r) in sorted(table.items()))
    print(f"500 synthetic texts: precision {precision:.3f}, recall {recall:.3f}; {shown}")
    assert precision >= 0.95, shown
    assert recall >= 0.85, shown
    for language in ("English", "Chinese"):
        assert table[language][0] >= 0.95 and table[language][1] >= 0.85, shown
    for kind in ("MAIL", "CARD", "ID", "IBAN", "URL"):
        assert min(table[kind]) >= 0.95, shown


def test_a_wrong_check_digit_is_no_card_id_or_iban() -> None:
    random_ = random.Random(1)
    for made in (luhn(random_, "4539", 16), chinese_id(random_), iban(random_)):
        last = made[-1]
        broken = made[:-1] + ("1" if last != "1" else "2")
        assert find_all(f"It is {made} now"), made
        assert not [one for one in find_all(f"It is {broken} now") if one.kind in {"CARD", "ID", "IBAN"}], (
            broken
        )


def test_mask_and_unmask_are_each_others_reverse(tmp_path: Path) -> None:
    masker = Masker(tmp_path / "a.key")
    texts = [text for text, _ in synthetic_texts(80)]
    masked = [masker.mask(text) for text in texts]
    masker.save_key()
    assert sum(text != one for text, one in zip(texts, masked, strict=True)) > 40
    known = read_key(tmp_path / "a.key")
    assert [unmask(one, known)[0] for one in masked] == texts
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    again = Masker(tmp_path / "a.key")
    assert [again.mask(text) for text in texts] == masked, "the same key gives the same placeholders"


def test_without_a_key_numbers_begin_again_in_every_row() -> None:
    masker = Masker()
    rows = []
    for mail in ("ada@example.com", "bob@example.com"):
        masker.start_row()
        rows.append(masker.mask(f"write to {mail} or to {mail}"))
    assert rows == ["write to [MAIL_1] or to [MAIL_1]"] * 2


def test_commands(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nMail ada@example.com now,1\n请打我的电话13812345678,0\n")
    ended = lightune("mask", "a.csv", "--output", "b.csv", "--key", "k", "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert ended.json["found"] == {"MAIL": 1, "PHONE": 1}
    assert (tmp_path / "b.csv").read_text() == "text,label\nMail [MAIL_1] now,1\n请打我的电话[PHONE_1],0\n"
    ended = lightune("unmask", "b.csv", "--key", "k", "--output", "c.csv", folder=tmp_path)
    assert (tmp_path / "c.csv").read_text() == (tmp_path / "a.csv").read_text()
    ended = lightune("unmask", "b.csv", "--key", "a.csv", "--output", "d.csv", folder=tmp_path)
    assert ended.code == 2
    assert "not a key file" in ended.err


def test_training_sees_placeholders_only(tmp_path: Path) -> None:
    from lightune.core.progress import Show
    from lightune.request import Request
    from lightune.steps.gather import gather

    rooms = ["abcdefghij"[row % 10] * (1 + row // 10) for row in range(40)]
    lines = [f"write to user{row}@example.com in room {room},{row % 2}" for row, room in enumerate(rooms)]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    gathered = gather(
        Request(data=str(tmp_path / "a.csv"), groups={"privacy": {"mask": "on"}}), Show(is_quiet=True)
    )
    assert gathered.altered.masked == {"MAIL": 40}
    assert all(one.texts[0].startswith("write to [MAIL_1] in room ") for one in gathered.examples)
    assert ("masked", "40 mail") in [(one.what, one.value) for one in gathered.decisions.taken]


def test_answers_that_point_into_the_text_are_refused() -> None:
    from lightune.steps.mask import require_maskable
    from lightune.tasks.tag import Tag

    with pytest.raises(UserError, match="would move the places"):
        require_maskable(Tag)
