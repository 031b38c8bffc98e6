"""Request parameters as Stripe takes them: form-encoded, nested by brackets, all values text."""

import re
from typing import Any
from urllib.parse import parse_qsl

from payment_service.sandbox.failures import StripeFailure, bad_parameter, missing_parameter

Params = dict[str, Any]
MOST_PARAMETERS = 500
KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
LARGEST_AMOUNT = 99_999_999
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500
# Those that Stripe charges in, in lower case as it writes them.
_CODES = (
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf "
    "clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils "
    "inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk "
    "mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp "
    "sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw"
)
CURRENCIES = frozenset(_CODES.split())


def decode(text: bytes) -> Params:
    """`a[b]=c` becomes `{"a": {"b": "c"}}`; `a[]=x&a[]=y` becomes `{"a": {"0": "x", "1": "y"}}`."""
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
    except ValueError as error:
        raise StripeFailure(400, "The parameters can't be read.") from error
    params: Params = {}
    for key, value in pairs:
        match = KEY.match(key)
        if match is None:
            raise bad_parameter(key[:100], f"Invalid parameter name: {key[:100]}", "parameter_unknown")
        _place(params, [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])], value)
    return params


def _place(params: Params, path: list[str], value: str) -> None:
    *parents, last = path
    for part in parents:
        inner = params.setdefault(part or str(len(params)), {})
        if not isinstance(inner, dict):
            raise bad_parameter(path[0], "Invalid object", "parameter_invalid_object")
        params = inner
    params[last or str(len(params))] = value


def refuse_unknown(params: Params, allowed: frozenset[str]) -> None:
    for name in params:
        if name not in allowed and name != "expand":
            raise bad_parameter(name, f"Received unknown parameter: {name[:100]}", "parameter_unknown")


def text(params: Params, name: str) -> str | None:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_parameter(name, "Invalid string", "parameter_invalid_string")
    return value or None


def flag(params: Params, name: str) -> bool:
    value = text(params, name)
    if value not in {None, "true", "false"}:
        raise bad_parameter(name, f"Invalid boolean: {value}")
    return value == "true"


def choice(params: Params, name: str, choices: set[str]) -> str | None:
    value = text(params, name)
    if value is not None and value not in choices:
        raise bad_parameter(name, f"Invalid {name}: must be one of {', '.join(sorted(choices))}")
    return value


def integer(params: Params, name: str, *, least: int, most: int, code: str = "parameter_invalid_integer") -> int | None:
    value = text(params, name)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise bad_parameter(name, f"Invalid integer: {value[:40]}", "parameter_invalid_integer")
    number = int(value)
    if number < least:
        raise bad_parameter(name, f"This value must be greater than or equal to {least}.", "parameter_invalid_integer")
    if number > most:
        raise bad_parameter(name, f"This value must be at most {most}.", code)
    return number


def amount(params: Params) -> int | None:
    return integer(params, "amount", least=1, most=LARGEST_AMOUNT, code="amount_too_large")


def currency(params: Params) -> str:
    value = text(params, "currency")
    if value is None:
        raise missing_parameter("currency")
    if value.lower() not in CURRENCIES:
        raise bad_parameter("currency", f"Invalid currency: {value[:10]}")
    return value.lower()


def metadata(params: Params) -> dict[str, str]:
    value = params.get("metadata") or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise bad_parameter("metadata", "Invalid metadata: must be a set of key-value pairs")
    if len(value) > METADATA_KEYS:
        raise bad_parameter("metadata", f"Metadata can have at most {METADATA_KEYS} keys")
    for key, item in value.items():
        if len(key) > METADATA_KEY_LENGTH or len(item) > METADATA_VALUE_LENGTH:
            raise bad_parameter(f"metadata[{key[:METADATA_KEY_LENGTH]}]", "Metadata keys or values are too long")
    return {key: item for key, item in value.items() if item}


def created_range(params: Params) -> tuple[int, int]:
    """The first and last second that a list's `created` filter lets through."""
    bounds = params.get("created") or {}
    if isinstance(bounds, str):
        bounds = {"gte": bounds, "lte": bounds}
    latest = 10**15
    values = {name: integer(bounds, name, least=0, most=latest) for name in bounds}
    if not set(values) <= {"gt", "gte", "lt", "lte"}:
        raise bad_parameter("created", "Invalid created: use gt, gte, lt and lte")
    first = max(values.get("gte") or 0, (values.get("gt") or -1) + 1)
    last = min(
        latest if (upto := values.get("lte")) is None else upto,
        latest if (end := values.get("lt")) is None else end - 1,
    )
    return first, last
