"""Words in the place of a value: findings in English, Chinese and signs, and `there is no value`.

A word that is not here, such as `below the detection limit`, may mean a finding or a bound; it
goes to a person until the sender's profile tells.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.code_systems import LOINC, SNOMED_CT
from app.domain.sender_profile import SenderProfile, ValueWord
from app.domain.sent_texts import said, word_key

_WORDS: Mapping[ValueWord, tuple[str, ...]] = {
    ValueWord.NEGATIVE: (
        "negative", "neg", "negative (-)", "not detected", "undetected", "undetectable",
        "target not detected", "non-reactive", "non reactive", "nonreactive", "not reactive",
        "absent", "-", "(-)", "阴性", "阴性(-)", "阴性-", "未见", "未检出", "未检测到",
    ),
    ValueWord.POSITIVE: (
        "positive", "pos", "positive (+)", "weak positive", "weakly positive", "detected",
        "reactive", "weakly reactive", "present", "+", "++", "+++", "++++", "(+)", "(++)", "(+++)",
        "1+", "2+", "3+", "4+", "阳性", "阳性(+)", "阳性(++)", "阳性(+++)", "阳性+", "弱阳性",
        "弱阳性(+)", "弱阳性(±)", "弱阳性(+-)", "检出",
    ),
    ValueWord.INDETERMINATE: (
        "indeterminate", "inconclusive", "equivocal", "borderline", "±", "(±)", "+/-", "+-",
        "(+/-)", "(+-)", "可疑", "灰区", "不确定",
    ),
    ValueWord.NO_VALUE: (
        "cancelled", "canceled", "test cancelled", "test canceled", "not done", "not performed",
        "test not performed", "not tested", "pending", "no result", "qns", "error", "unknown",
        # FHIR says so in the place of the value.
        "not-performed", "not-asked", "not-applicable", "not-permitted", "asked-declined",
        "asked-unknown", "temp-unknown",
        "quantity not sufficient", "insufficient specimen", "tntc", "too numerous to count",
        "haemolysed", "hemolysed", "haemolyzed", "hemolyzed", "clotted", "specimen clotted",
        "specimen haemolysed", "specimen hemolyzed", "specimen rejected", "sample rejected",
        "标本溶血", "溶血", "标本凝固", "标本凝血", "标本不足", "标本量不足", "标本不合格",
        "标本拒收", "已取消", "取消", "未做", "未检测", "待检",
    ),
}  # fmt: skip
_BY_KEY = {word_key(text): word for word, texts in _WORDS.items() for text in texts}

_SNOMED: Mapping[str, ValueWord] = {
    "260385009": ValueWord.NEGATIVE,
    "260415000": ValueWord.NEGATIVE,  # not detected
    "131194007": ValueWord.NEGATIVE,  # non-reactive
    "10828004": ValueWord.POSITIVE,
    "260408008": ValueWord.POSITIVE,  # weakly positive
    "260373001": ValueWord.POSITIVE,  # detected
    "11214006": ValueWord.POSITIVE,  # reactive
    "82334004": ValueWord.INDETERMINATE,
    "419984006": ValueWord.INDETERMINATE,  # inconclusive
    "42425007": ValueWord.INDETERMINATE,  # equivocal
    "125154007": ValueWord.NO_VALUE,  # specimen unsatisfactory for evaluation
}
_LOINC_ANSWERS: Mapping[str, ValueWord] = {
    "LA6577-6": ValueWord.NEGATIVE,
    "LA11883-8": ValueWord.NEGATIVE,  # not detected
    "LA6576-8": ValueWord.POSITIVE,
    "LA11882-0": ValueWord.POSITIVE,  # detected
    "LA11884-6": ValueWord.INDETERMINATE,
    "LA9663-1": ValueWord.INDETERMINATE,  # inconclusive
}


def find_word(text: str, profile: SenderProfile) -> ValueWord | None:
    """Find what a word means: to this sender first, then in general; None when nobody knows."""
    key = word_key(text)
    return (profile.word_index.get(key) or _BY_KEY.get(key)) if key else None


def coded_word(code: str, system: str, profile: SenderProfile) -> ValueWord | None:
    """Find what a coded value means, by its public coding system or as a word of the sender's."""
    name = said(system)
    if name in SNOMED_CT:
        return _SNOMED.get(said(code))
    if name in LOINC:
        return _LOINC_ANSWERS.get(said(code))
    return find_word(code, profile)
