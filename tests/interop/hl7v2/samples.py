"""Messages of invented laboratories and patients, built field by field, for every test of a door.

`segment` and `message` build anything; the rest are whole messages as laboratories send them. All
numbers, names and codes are made up.
"""

from collections.abc import Mapping

NUMBER = "S-001"
STUDY = "NCT07212335"
ACCESSION = "BC-770012"
COLLECTED = "20260601073000+0800"
REPORTED = "20260601084500+0800"
SENT = "20260601084600+0800"

# Characters of Chinese names whose second byte in GB 18030 is | ^ ~ or \ of ASCII.
TRAPS = "珅玘珇玕"

WBC = "6690-2^Leukocytes^LN"
ANC = "751-8^Neutrophils^LN"
HGB = "718-7^Hemoglobin^LN"
PLT = "777-3^Platelets^LN"


def segment(name: str, fields: Mapping[int, str], separator: str = "|") -> str:
    """Build a segment from its fields by HL7 number; for MSH, field 2 is the first."""
    first = 2 if name == "MSH" else 1
    last = max(fields, default=0)
    return separator.join([name, *(fields.get(number, "") for number in range(first, last + 1))])


def msh(
    kind: str = "ORU^R01^ORU_R01",
    control_id: str = "MSG-0001",
    fields: Mapping[int, str] | None = None,
) -> str:
    """Build an MSH of a production message in UTF-8, version 2.5.1; `fields` override by number."""
    usual = {
        2: "^~\\&",
        3: "LIS",
        4: "HOSPITAL-A",
        5: "MSC-ICAHT",
        6: "TRIAL",
        7: SENT,
        9: kind,
        10: control_id,
        11: "P",
        12: "2.5.1",
        18: "UNICODE UTF-8",
    }
    return segment("MSH", usual | dict(fields or {}))


def pid(number: str = NUMBER, authority: str = STUDY, name: str = "Invented^Name") -> str:
    """Build a PID with one identifier; by default the subject's own number in the study."""
    return segment("PID", {1: "1", 3: f"{number}^^^{authority}^MR", 5: name, 8: "F"})


def obr(accession: str = ACCESSION, fields: Mapping[int, str] | None = None) -> str:
    """Build an OBR of a blood count, final, with the accession in OBR-3."""
    usual = {
        1: "1",
        3: accession,
        4: "58410-2^CBC panel^LN",
        7: COLLECTED,
        22: REPORTED,
        25: "F",
    }
    return segment("OBR", usual | dict(fields or {}))


def obx(
    code: str = PLT,
    value: str = "98",
    unit: str = "10*9/L",
    fields: Mapping[int, str] | None = None,
) -> str:
    """Build a final numeric OBX; `fields` override by number."""
    usual = {1: "1", 2: "NM", 3: code, 5: value, 6: unit, 11: "F"}
    return segment("OBX", usual | dict(fields or {}))


def spm(specimen: str = "SP-1", collected: str = COLLECTED) -> str:
    """Build an SPM of whole blood with its number and collection time."""
    return segment("SPM", {1: "1", 2: specimen, 4: "BLD^Whole blood^HL70487", 17: collected})


def message(*segments: str, end: str = "\r", charset: str = "utf-8") -> bytes:
    """Join segments, each with its end, into the bytes of a message."""
    return "".join(line + end for line in segments).encode(charset)


def generic_cbc(control_id: str = "MSG-0001", number: str = NUMBER) -> bytes:
    """Build an ORU^R01 with a blood count of four results, as a generic laboratory sends it."""
    return message(
        msh(control_id=control_id),
        pid(number),
        segment("PV1", {1: "1", 2: "I"}),
        obr(),
        obx(WBC, "4.2", "10*9/L", {1: "1", 7: "3.5-9.5", 8: "N"}),
        obx(ANC, "2.1", "10*9/L", {1: "2", 7: "1.8-6.3", 8: "N"}),
        obx(HGB, "92", "g/L", {1: "3", 7: "115-150", 8: "L"}),
        obx(PLT, "98", "10*9/L", {1: "4", 7: "125-350", 8: "L"}),
        segment("NTE", {1: "1", 3: "No clot seen"}),
    )


def one_result(
    code: str = PLT,
    value: str = "98",
    unit: str = "10*9/L",
    status: str = "F",
    control_id: str = "MSG-0001",
) -> bytes:
    """Build an ORU^R01 with a single result in a given status, such as a correction."""
    return message(msh(control_id=control_id), pid(), obr(), obx(code, value, unit, {11: status}))


def chinese_oul(control_id: str = "20260601000123", charset: str = "utf-8") -> bytes:
    """Build an OUL^R24 as newer Chinese laboratories send it.

    Units are in OBX-6.2, the barcode in the third subcomponent of SPM-2, local codes with an
    abbreviation in OBX-3.4, every value is ST, OBX-8 M means normal and OBX-11 is F.
    """
    names = {"utf-8": "UNICODE UTF-8", "gb18030": "GB 18030-2000"}
    head = msh("OUL^R24^OUL_R24", control_id, {3: "LIS", 5: "ESB", 17: "CHN", 18: names[charset]})
    identifiers = f"{NUMBER}^^^{STUDY}^21~990000000000000000^^^^1~K0001^^^^25"
    return message(
        head,
        segment("PID", {1: "1", 3: identifiers, 5: f"{TRAPS}  女", 8: "2"}),
        obr("REQ-77", {4: "30701^肾功能", 7: "20260601073000", 22: "20260601084500"}),
        segment("ORC", {1: "RE"}),
        segment("SPM", {1: "1", 2: f"&&{ACCESSION}", 4: "S^血清", 17: "20260601073000"}),
        _chinese_obx(1, "0301030^*肌酐^^CREA", "61.5", "^μmol/L", "轻：41-81"),
        _chinese_obx(2, "0301010^尿素^^UREA", "5.1", "^mmol/L", "2.6-7.5"),
        _chinese_obx(3, f"0301900^隐血{TRAPS}^^OB", "阴性（-）", "", "阴性"),
        charset=charset,
    )


def _chinese_obx(number: int, code: str, value: str, unit: str, usual: str) -> str:
    return obx(code, value, unit, {1: str(number), 2: "ST", 7: usual, 8: "M"})


def old_chinese_oul(control_id: str = "123") -> bytes:
    """Build an OUL^R24 of an older Chinese laboratory system.

    The sample number is in OBR-2.3, the abbreviation in OBX-3.5, and OBX-11 is an indicator of
    abnormality, 0 or 1, or empty.
    """
    return message(
        msh("OUL^R24^OUL_R24", control_id, {17: "CHN"}),
        segment("PID", {1: "1", 3: f"{NUMBER}^^^{STUDY}^21", 5: "某  人", 8: "1"}),
        obr("", {2: f"^^{ACCESSION}", 4: "3070^肾功能", 7: "20260601073000", 22: ""}),
        segment("ORC", {1: "RE"}),
        obx("3070020101^*肌酐^^^CREA", "61.5", "^umol/L", {2: "ST", 11: "0"}),
        obx("3070020102^尿素氮^^^BUN", "30.1", "^mg/dL", {2: "ST", 11: "1"}),
        obx("3070020103^颜色^^^COL", "棕色", "", {2: "ST", 11: ""}),
    )


def analyzer_quality_control() -> bytes:
    """Build what an analyzer sends of a control sample: v2.3.1, no names in MSH, MSH-11 is Q."""
    empty = {3: "", 4: "", 5: "", 6: "", 11: "Q", 12: "2.3.1", 18: "UNICODE"}
    return message(
        msh("ORU^R01", "2", empty),
        obr("QC-1", {4: "00003^LJ QCR^99AN"}),
        obx("6690-2^WBC^LN", "9.05", "10*9/L", {8: "H~N"}),
        obx("718-7^HGB^LN", "12.1", "g/dL"),
    )


def two_patients() -> bytes:
    """Build one ORU^R01 with the results of two patients."""
    return message(
        msh(), pid("S-001"), obr("A-1"), obx(value="98"), pid("S-002"), obr("A-2"), obx(value="45")
    )


def batch(*messages: bytes) -> bytes:
    """Put messages into a batch file with its envelope."""
    return (
        message("FHS|^~\\&|LIS", "BHS|^~\\&|LIS")
        + b"".join(messages)
        + message(f"BTS|{len(messages)}", "FTS|1")
    )
