"""Values of every kind, in text. Check digits are those of published examples or worked out by python-stdnum."""

from __future__ import annotations

from forebay.privacy.detector import Detector
from forebay.privacy.recogniser import load

DETECTOR = Detector(dict(load().items()))

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nq8Zx0w==\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

# Kind, what stands before it, the value, what stands behind it.
SAMPLES: list[tuple[str, str, str, str]] = [
    ("cn_id", "身份证", "11010519491231002X", "号"),
    ("cn_id", "id: ", "440524188001010014", ", ok"),
    ("cn_id", "身份证号 ", "110105491231002", "。"),
    ("cn_mobile", "我的手机", "13812345678", ""),
    ("cn_mobile", "call ", "+86 138-1234-5678", " now"),
    ("cn_landline", "电话：", "010-62345678", "转"),
    ("bank_card", "pay with ", "4111 1111 1111 1111", " 12/25"),
    ("bank_card", "卡号", "6212345678901232", "。"),
    ("bank_card", "卡号", "6222021234567890128", "。"),
    ("passport", "护照号 ", "E12345678", "。"),
    ("travel_permit", "回乡证 ", "H1234567890", "。"),
    ("travel_permit", "台胞证号：", "12345678", "。"),
    ("cn_credit_code", "代码 ", "91350100M000100Y43", "。"),
    ("cn_plate", "车牌", "京A·12345", "停"),
    ("cn_plate", "车牌", "粤BD12345", "停"),
    ("email", "联系", "john.doe+x@example.com", "谢谢"),
    ("phone", "tel ", "+1 (415) 555-2671", "."),
    ("phone", "tel ", "+44 20 7946 0958", "."),
    ("iban", "IBAN ", "GB29 NWBK 6016 1331 9268 19", "."),
    ("iban", "iban:", "DE89370400440532013000", ","),
    ("us_ssn", "SSN ", "123-45-6789", "."),
    ("us_itin", "itin ", "912-70-1234", "."),
    ("ca_sin", "SIN ", "123-456-782", "."),
    ("uk_nhs", "NHS ", "943 476 5919", "."),
    ("uk_nino", "NINO ", "AB123456C", "."),
    ("br_cpf", "CPF ", "390.533.447-05", "."),
    ("fr_nir", "NIR ", "295109912611193", "."),
    ("de_tax_id", "Steuer-ID ", "36574261809", "."),
    ("nl_bsn", "BSN ", "111222333", "."),
    ("be_nn", "rijksregister ", "85.07.30-033.28", "."),
    ("pl_pesel", "PESEL ", "44051401359", "."),
    ("se_personnummer", "personnummer ", "880320-0016", "."),
    ("in_aadhaar", "aadhaar ", "2341 2341 2346", "."),
    ("in_pan", "PAN ", "ACUPA7085R", "."),
    ("kr_rrn", "주민등록번호 ", "971013-9019902", "."),
    ("jp_my_number", "マイナンバー", "628401396186", "。"),
    ("za_id", "id number ", "7503305044089", "."),
    ("tr_id", "TCKN ", "17291716060", "."),
    ("au_tfn", "TFN ", "123456782", "."),
    ("es_dni", "DNI ", "54362315K", "."),
    ("it_codice_fiscale", "CF ", "RCCMNL83S18D969H", "."),
    ("fi_hetu", "hetu ", "131052-308T", "."),
    ("sg_nric", "NRIC ", "S1234567D", "."),
    ("tw_id", "id ", "A123456789", "。"),
    ("hk_id", "HKID ", "G123456(A)", "。"),
    ("mo_id", "澳门", "1234567(8)", "。"),
    ("mx_curp", "CURP ", "BOXW310820HNERXN09", "."),
    ("ip", "from ", "203.0.113.7", " port"),
    ("ip", "from ", "2001:db8::8a2e:370:7334", " port"),
    ("mac", "mac ", "3c:22:fb:9a:01:7e", "."),
    ("api_key", "key ", "sk-proj-abcDEF0123456789ghiJKL", "."),
    ("api_key", "key ", "AKIAIOSFODNN7EXAMPLE", "."),
    ("api_key", "key ", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", " x"),
    ("jwt", "Bearer ", JWT, " x"),
    ("private_key", "here\n", KEY, "\nbye"),
    ("connection_string", "dsn ", "postgres://app:s3cr3t!x@db.internal:5432/main", " x"),
    ("secret", "password: ", "hunter22", " x"),
    ("secret", '{"api_key": "', "Zx81kQp07LmW55tBv", '"}'),
    ("secret", "密码是", "Tr0ub4dor", "。"),
]
